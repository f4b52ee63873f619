"""Read access: by hand, in Django REST framework, in the admin; the policy and its sample."""

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db import transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import include, path
from rest_framework import permissions, routers, serializers, viewsets
from tests.shop.models import Customer, Note, Order

import trailkeeper
from trailkeeper.accesses import share_of
from trailkeeper.contrib.admin import AccessMixin as AdminAccessMixin
from trailkeeper.contrib.rest_framework import AccessMixin
from trailkeeper.exceptions import InvalidRequestError, RecordingError

pytestmark = pytest.mark.django_db(transaction=True)


class CustomerSerializer(serializers.ModelSerializer):
    class Meta:
        model = Customer
        fields = ("id", "name")


class NotVips(permissions.BasePermission):
    def has_object_permission(self, request, view, obj):
        return not obj.vip


class CustomerViewSet(AccessMixin, viewsets.ModelViewSet):
    queryset = Customer.objects.order_by("pk")
    serializer_class = CustomerSerializer
    permission_classes = (NotVips,)


class ListedViewSet(CustomerViewSet):
    records_lists = True


class CustomerAdmin(AdminAccessMixin, admin.ModelAdmin):
    pass


site = admin.AdminSite()
site.register(Customer, CustomerAdmin)

router = routers.DefaultRouter()
router.register("customers", CustomerViewSet, basename="customer")
router.register("listed", ListedViewSet, basename="listed")


def read(request, pk):
    trailkeeper.access(Customer.objects.get(pk=pk), reason="asked for")
    return HttpResponse()


urlpatterns = [
    path("api/", include(router.urls)),
    path("admin/", site.urls),
    path("read/<int:pk>/", read),
]


@pytest.fixture(autouse=True)
def _urls(settings):
    settings.ROOT_URLCONF = __name__


@pytest.fixture
def policy(settings):
    def given(**shares):
        shares = {name.replace("__", "."): share for name, share in shares.items()}
        settings.TRAILKEEPER = {**settings.TRAILKEEPER, "ACCESS": shares}

    return given


@pytest.fixture
def customers():
    return [Customer.objects.create(name=name, vip=name == "vip") for name in ("a", "b", "vip")]


def read_events():
    return list(trailkeeper.events().filter(kind="access").order_by("occurred_at", "position"))


def keys():
    return [event.object_key for event in read_events()]


def test_access_says_who_has_read_what(customers):
    user = get_user_model().objects.create_user("ada")
    client = Client()
    client.force_login(user)
    client.get(f"/read/{customers[0].pk}/")
    (event,) = read_events()
    assert (event.kind, event.action, event.outcome) == ("access", "access", "success")
    assert event.object_key == f"shop.customer/{customers[0].pk}"
    assert (event.object_label, event.reason) == ("a", "asked for")
    assert (event.actor_id, event.http_path) == (str(user.pk), f"/read/{customers[0].pk}/")


def test_what_was_read_was_read_although_the_transaction_rolls_back(customers):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        trailkeeper.access(*customers, data={"screen": "list"})
        raise ZeroDivisionError
    assert keys() == [f"shop.customer/{c.pk}" for c in customers]
    assert [event.data for event in read_events()] == [{"screen": "list"}] * 3


@pytest.mark.parametrize(
    ("targets", "more"),
    [
        (["text"], {}),
        ([Customer], {}),
        ([None], {}),
        ([Customer(pk=1)], {"outcome": "?"}),
        ([Customer(pk=1)], {"data": [1]}),
    ],
)
def test_access_explains_wrong_arguments(targets, more):
    with pytest.raises(InvalidRequestError):
        trailkeeper.access(*targets, **more)
    assert read_events() == []


def test_an_access_that_cannot_be_recorded_follows_the_policy(settings, monkeypatch, customers):
    def fail():
        raise OSError("disk full")

    monkeypatch.setattr("trailkeeper.spool.begin", fail)
    trailkeeper.access(customers[0])
    settings.TRAILKEEPER = {**settings.TRAILKEEPER, "ON_FAILURE": "raise"}
    with pytest.raises(RecordingError):
        trailkeeper.access(customers[0])


# The policy.


def test_the_first_pattern_that_matches_says_the_share(policy):
    policy(shop__order=1, shop__note=0)
    assert [share_of(m._meta.label_lower) for m in (Order, Note, Customer)] == [1.0, 0.0, 0.0]


def test_models_without_a_share_are_not_told(policy, customers):
    policy(shop__order=1)
    trailkeeper.access(*customers)
    trailkeeper.access(customers[0], outcome="denied")
    assert read_events() == []


def test_a_sample_is_of_the_size_that_was_asked_for_and_repeats_itself(policy):
    policy(shop__customer=0.25)
    targets = [Customer(pk=pk, name="a") for pk in range(1, 401)]
    with trailkeeper.context(request_id="r-1"):
        trailkeeper.access(*targets)
        first = keys()
        trailkeeper.access(*targets)
    assert 60 < len(first) < 140
    assert keys() == first * 2
    assert {event.data["share"] for event in read_events()} == {0.25}


def test_the_sample_of_an_id_that_a_client_repeats_changes_by_the_day(policy, monkeypatch):
    policy(shop__customer=0.5)
    target = Customer(pk=1, name="a")
    for day in range(50):
        monkeypatch.setattr("trailkeeper.accesses.time.time", lambda day=day: day * 86400.0)
        with trailkeeper.context(request_id="r-1"):
            trailkeeper.access(target)
    assert 10 < len(read_events()) < 40


def test_another_request_gives_another_sample(policy):
    policy(shop__customer=0.5)
    target = Customer(pk=1, name="a")
    for number in range(100):
        with trailkeeper.context(request_id=f"r-{number}"):
            trailkeeper.access(target, data={"screen": "a"})
    assert 30 < len(read_events()) < 70
    assert read_events()[0].data == {"screen": "a", "share": 0.5}


def test_without_a_request_and_for_refusals_nothing_is_left_out(policy):
    policy(shop__customer=1e-9)
    target = Customer(pk=1, name="a")
    trailkeeper.access(target)
    with trailkeeper.context(request_id="r-1"):
        trailkeeper.access(target)
        trailkeeper.access(target, outcome="denied")
    assert [event.outcome for event in read_events()] == ["success", "denied"]
    assert [event.data for event in read_events()] == [{}, {}]


# Django REST framework.


def test_an_object_that_an_api_shows_is_told_and_one_that_it_changes_is_not(customers):
    client = Client()
    url = f"/api/customers/{customers[0].pk}/"
    assert client.get(url).status_code == 200
    assert client.put(url, {"name": "c"}, content_type="application/json").status_code == 200
    assert client.get("/api/customers/").status_code == 200
    assert client.get("/api/customers/999/").status_code == 404
    assert keys() == [f"shop.customer/{customers[0].pk}"]


def test_a_refusal_of_an_api_is_told(customers):
    assert Client().get(f"/api/customers/{customers[2].pk}/").status_code == 403
    (event,) = read_events()
    assert (event.object_label, event.outcome) == ("vip", "denied")


def test_a_view_may_show_what_is_no_object(customers):
    class Plain(AccessMixin, viewsets.GenericViewSet):
        records_lists = True
        serializer_class = serializers.Serializer
        request = type("Request", (), {"method": "GET"})()
        format_kwarg = None

    Plain().get_serializer([{"name": "a"}, customers[0]], many=True)
    assert keys() == [f"shop.customer/{customers[0].pk}"]


def test_a_read_loads_nothing_more(customers, django_assert_num_queries):
    found = Customer.objects.only("pk").get(pk=customers[0].pk)
    with django_assert_num_queries(0):
        trailkeeper.access(found)
    (event,) = read_events()
    assert (event.object_id, event.object_label) == (str(found.pk), None)


def test_the_objects_of_a_list_are_told_where_they_are_to_be(
    customers, django_assert_max_num_queries
):
    with django_assert_max_num_queries(1):
        assert len(Client().get("/api/listed/").json()) == 3
    assert keys() == [f"shop.customer/{c.pk}" for c in customers]


# The admin.


def test_a_page_of_the_admin_is_told(customers):
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("grace"))
    url = f"/admin/shop/customer/{customers[0].pk}/change/"
    assert client.get(url).status_code == 200
    assert client.get("/admin/shop/customer/add/").status_code == 200
    assert client.get("/admin/shop/customer/").status_code == 200
    assert client.post(url, {"name": "c"}).status_code == 302
    (event,) = read_events()
    assert (event.object_key, event.actor_label) == (
        f"shop.customer/{customers[0].pk}",
        "grace",
    )
