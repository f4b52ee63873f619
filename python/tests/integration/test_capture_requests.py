"""Who, from where and why: requests, logins, the application's own events."""

import pytest
from django.contrib.auth import get_user_model, login, logout
from django.contrib.auth.models import AnonymousUser
from django.db import transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import path
from tests.shop.models import Customer

import trailkeeper
from trailkeeper.exceptions import InvalidRequestError

pytestmark = pytest.mark.django_db


def add_customer(request, pk=0):
    Customer.objects.create(name="from a view")
    return HttpResponse("done")


def change_user(request):
    # As DRF does: the user is known only inside the view.
    request.user = get_user_model().objects.get(username="token-user")
    Customer.objects.create(name="after authentication")
    return HttpResponse("done")


def fail(request):
    raise ValueError("no")


async def add_async(request):
    await Customer.objects.acreate(name="from an async view")
    return HttpResponse("done")


def log_in(request):
    login(request, get_user_model().objects.get(username="ada"))
    return HttpResponse("done")


urlpatterns = [
    path("customers/<int:pk>/", add_customer),
    path("token/", change_user),
    path("fail/", fail),
    path("async/", add_async),
    path("login/", log_in),
]


@pytest.fixture(autouse=True)
def _urls(settings):
    settings.ROOT_URLCONF = __name__


@pytest.fixture
def ada():
    return get_user_model().objects.create_user("ada", password="engine")


def change(events):
    return next(e for e in events if e["model"] == "shop.customer")


def test_a_request_gives_its_events_actor_and_origin(recorded, ada):
    client = Client(headers={"user-agent": "tests", "x-request-id": "r-1"}, REMOTE_ADDR="10.1.2.3")
    client.force_login(ada)
    client.get("/customers/7/?q=1")
    event = change(recorded())
    assert (event["actor_type"], event["actor_id"], event["actor_label"]) == (
        "user",
        str(ada.pk),
        "ada",
    )
    assert (event["ip"], event["user_agent"], event["request_id"]) == ("10.1.2.3", "tests", "r-1")
    assert (event["http_method"], event["http_path"]) == ("GET", "/customers/7/")
    assert event["http_route"] == "/customers/<int:pk>/"
    assert len(event["session"]) == 32
    assert event["session"] not in client.cookies["sessionid"].value


def test_an_anonymous_request_says_so(recorded):
    Client().get("/customers/7/")
    event = change(recorded())
    assert event["actor_type"] == "anonymous"
    assert "actor_id" not in event


def test_a_user_set_inside_the_view_is_the_actor(recorded):
    get_user_model().objects.create_user("token-user")
    Client().get("/token/")
    assert change(recorded())["actor_label"] == "token-user"


def test_commands_and_shells_are_the_system(recorded):
    Customer.objects.create(name="shell")
    event = change(recorded())
    assert event["actor_type"] == "system"
    assert event["service"]


def test_context_says_who_and_why(recorded, ada):
    with trailkeeper.context(actor=ada, reason="clean-up", tenant="acme"):
        Customer.objects.create(name="a")
        with trailkeeper.context(actor="nightly", reason="inner"):
            Customer.objects.create(name="b")
    Customer.objects.create(name="c")
    first, second, third = (e for e in recorded() if e["model"] == "shop.customer")
    assert (first["actor_label"], first["reason"], first["tenant"]) == ("ada", "clean-up", "acme")
    assert (second["actor_type"], second["actor_label"]) == ("service", "nightly")
    assert (second["reason"], second["tenant"]) == ("inner", "acme")
    assert "reason" not in third


def test_context_refuses_what_it_does_not_know():
    with pytest.raises(InvalidRequestError, match="colour"), trailkeeper.context(colour="red"):
        pass


def test_record_belongs_to_the_transaction(recorded, ada):
    customer = Customer.objects.create(name="a")
    recorded()
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        trailkeeper.record("customer.lost", target=customer)
        raise ZeroDivisionError
    trailkeeper.record("customer.greeted", target=customer, data={"b": 1, "a": None}, reason="new")
    (event,) = recorded()
    assert (event["kind"], event["action"]) == ("event", "customer.greeted")
    assert (event["model"], event["object_id"]) == ("shop.customer", str(customer.pk))
    assert (event["object_label"], event["reason"]) == ("a", "new")
    assert event["data"] == {"a": None, "b": 1}


@pytest.mark.parametrize(
    "arguments",
    [{"action": ""}, {"action": 3}, {"action": "a", "data": [1]}, {"action": "a", "outcome": "?"}],
)
def test_record_explains_wrong_arguments(arguments):
    with pytest.raises(InvalidRequestError):
        trailkeeper.record(**arguments)


def test_the_tenant_comes_from_the_project(recorded, settings):
    settings.TRAILKEEPER = {**settings.TRAILKEEPER, "TENANT": lambda: "globex"}
    Customer.objects.create(name="a")
    assert change(recorded())["tenant"] == "globex"


def test_a_broken_tenant_costs_the_tenant_only(recorded, settings):
    def broken():
        raise RuntimeError("no tenant today")

    settings.TRAILKEEPER = {**settings.TRAILKEEPER, "TENANT": broken}
    Customer.objects.create(name="a")
    assert "tenant" not in change(recorded())


def test_a_label_that_raises_costs_the_label_only(recorded, monkeypatch):
    monkeypatch.setattr(Customer, "__str__", lambda self: 1 / 0)
    Customer.objects.create(name="a")
    event = change(recorded())
    assert "object_label" not in event
    assert event["after"]["name"] == "a"


def test_an_unknown_user_is_no_reason_to_lose_an_event(recorded, rf):
    class Broken(AnonymousUser):
        @property
        def is_authenticated(self):
            raise RuntimeError("backend is down")

    with trailkeeper.context(actor=Broken()):
        Customer.objects.create(name="a")
    assert change(recorded())["actor_type"] == "unknown"


def log_out(request):
    logout(request)
    return HttpResponse("done")


urlpatterns.append(path("logout/", log_out))


def test_logins_and_logouts_are_recorded(ada, transactional_db):
    client = Client()
    assert not client.login(username="ada", password="wrong")
    client.get("/login/")
    client.get("/logout/")
    found = trailkeeper.events().filter(kind="auth").order_by("occurred_at")
    assert [(e.action, e.outcome) for e in found] == [
        ("login_failed", "failure"),
        ("login", "success"),
        ("logout", "success"),
    ]
    failed, logged_in, logged_out = found
    assert failed.data == {"username": "ada"}
    assert "wrong" not in str(failed.data)
    assert logged_in.object_key == f"auth.user/{ada.pk}"
    assert logged_out.actor_label == "ada"


def test_requests_are_recorded_with_status_and_time(ada, transactional_db):
    client = Client(raise_request_exception=False)
    client.force_login(ada)
    client.get("/customers/7/")
    client.get("/fail/")
    client.get("/static/app.css")
    found = trailkeeper.events().filter(kind="request").order_by("occurred_at")
    assert [(e.http_path, e.http_status, e.outcome) for e in found] == [
        ("/customers/7/", 200, "success"),
        ("/fail/", 500, "failure"),
    ]
    assert found[0].actor_label == "ada"
    assert found[0].duration_us > 0
