"""What the admin says about its actions is their reason, in the transaction of the rows."""

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test import Client
from django.urls import clear_url_caches, path
from tests.shop.models import Customer, Line, Note, Order, Tag

import trailkeeper

pytestmark = pytest.mark.django_db(transaction=True)


class LineInline(admin.TabularInline):
    model = Line
    extra = 0


class OrderAdmin(admin.ModelAdmin):
    fields = ("number", "customer", "tags")
    inlines = (LineInline,)


class TagAdmin(admin.ModelAdmin):
    list_display = ("id", "name")
    list_editable = ("name",)
    actions = ("shout",)

    def shout(self, request, queryset):
        for tag in queryset:
            tag.name = tag.name.upper()
            tag.save()
            self.log_change(request, tag, "Shouted.")


class NoteAdmin(admin.ModelAdmin):
    def save_model(self, request, obj, form, change):
        with trailkeeper.context(reason="said by the code"):
            super().save_model(request, obj, form, change)
        Tag.objects.create(name="beside")


site = admin.AdminSite()
site.register(Customer)
site.register(Tag, TagAdmin)
site.register(Note, NoteAdmin)
site.register(User, UserAdmin)
site.register(Order, OrderAdmin)

urlpatterns = [path("admin/", site.urls)]


@pytest.fixture
def client(settings):
    settings.ROOT_URLCONF = __name__
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("grace"))
    return client


def told():
    found = trailkeeper.events().filter(kind="event").order_by("occurred_at", "position")
    return [(e.action, e.object_key, e.reason) for e in found]


def test_an_addition_and_a_change_carry_the_admins_message(client):
    client.post("/admin/shop/customer/add/", {"name": "a"})
    customer = Customer.objects.get()
    client.post(f"/admin/shop/customer/{customer.pk}/change/", {"name": "b", "vip": "on"})
    key = f"shop.customer/{customer.pk}"
    assert told() == [
        ("admin.addition", key, "Added."),
        ("admin.change", key, "Changed Name and Vip."),
    ]
    for event in trailkeeper.events().filter(kind="event"):
        assert (event.actor_label, event.object_label) == ("grace", customer_label(event))
        row = trailkeeper.events().get(transaction_id=event.transaction_id, kind="change")
        assert row.object_key == key


def customer_label(event):
    return {"admin.addition": "a", "admin.change": "b"}[event.action]


def test_inlines_are_named(client):
    customer = Customer.objects.create(name="a")
    order = Order.objects.create(number="7", customer=customer)
    line = Line.objects.create(order=order, text="old")
    client.post(
        f"/admin/shop/order/{order.pk}/change/",
        {
            "number": "7",
            "customer": customer.pk,
            "tags": [Tag.objects.create(name="t").pk],
            "lines-TOTAL_FORMS": 2,
            "lines-INITIAL_FORMS": 1,
            "lines-0-id": line.pk,
            "lines-0-order": order.pk,
            "lines-0-text": "new",
            "lines-1-order": order.pk,
            "lines-1-text": "more",
        },
    )
    ((action, key, reason),) = told()
    assert (action, key) == ("admin.change", f"shop.order/{order.pk}")
    assert "Added line" in reason
    assert "Changed Text for line" in reason
    rows = trailkeeper.events().filter(kind="change", transaction_id=transaction_of(key))
    assert sorted((e.action, e.model) for e in rows) == [
        ("create", "shop.line"),
        ("link", "shop.order"),
        ("update", "shop.line"),
        ("update", "shop.order"),
    ]
    assert {e.reason for e in rows} == {reason}
    # What was there before, nobody has explained.
    created = (
        trailkeeper.events().filter(action="create").exclude(transaction_id=rows[0].transaction_id)
    )
    assert {e.reason for e in created} == {None}


def transaction_of(key):
    return trailkeeper.events().get(action="admin.change", object_key=key).transaction_id


def test_deletions_are_told_before_the_rows_are_gone(client):
    one, two, three = (Customer.objects.create(name=name) for name in "abc")
    keys = [f"shop.customer/{customer.pk}" for customer in (one, two, three)]
    client.post(f"/admin/shop/customer/{one.pk}/delete/", {"post": "yes"})
    client.post(
        "/admin/shop/customer/",
        {"action": "delete_selected", "_selected_action": [two.pk, three.pk], "post": "yes"},
    )
    assert not Customer.objects.exists()
    assert sorted(told()) == sorted(("admin.deletion", key, None) for key in keys)
    labels = trailkeeper.events().filter(action="admin.deletion")
    assert sorted(event.object_label for event in labels) == ["a", "b", "c"]


def test_an_action_that_is_rolled_back_is_not_told(client, monkeypatch):
    def fail(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(admin.ModelAdmin, "response_add", fail)
    client.raise_request_exception = False
    assert client.post("/admin/shop/customer/add/", {"name": "a"}).status_code == 500
    assert told() == []
    assert not Customer.objects.exists()


def test_the_words_are_those_of_the_projects_language(client, settings):
    settings.LANGUAGE_CODE = "de"
    client.post("/admin/shop/customer/add/", {"name": "a"}, headers={"accept-language": "fr"})
    assert [reason for *_, reason in told()] == ["Hinzugef\u00fcgt."]


def test_a_message_by_hand_stands_as_it_is(client):
    from django.contrib.admin.models import CHANGE, LogEntry

    customer = Customer.objects.create(name="a")
    user = User.objects.get()
    for message in ("by hand", "", "[not json"):
        LogEntry.objects.log_actions(user.pk, [customer], CHANGE, message)
    LogEntry.objects.log_actions(user.pk, Customer.objects.all(), CHANGE, "all")
    assert [reason for *_, reason in told()] == ["by hand", None, "[not json", "all"]


# The rows of an action.


def reasons_of(**conditions):
    found = trailkeeper.events().filter(kind="change", **conditions).oldest_first()
    return [(e.object_label, e.reason) for e in found]


def test_the_rows_of_an_action_have_its_message(client):
    client.post("/admin/shop/customer/add/", {"name": "a"})
    key = Customer.objects.get().pk
    client.post(f"/admin/shop/customer/{key}/change/", {"name": "b", "vip": "on"})
    assert reasons_of(model="shop.customer") == [("a", "Added."), ("b", "Changed Name and Vip.")]


@pytest.mark.parametrize("is_atomic", [False, True])
def test_each_row_of_a_list_has_the_message_about_itself(client, is_atomic, monkeypatch):
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", is_atomic)
    tags = [Tag.objects.create(name=name) for name in "ab"]
    data = {"form-TOTAL_FORMS": 2, "form-INITIAL_FORMS": 2, "_save": "Save"}
    for number, tag in enumerate(sorted(tags, key=lambda tag: -tag.pk)):
        data[f"form-{number}-id"] = tag.pk
        data[f"form-{number}-name"] = tag.name * 2
    client.post("/admin/shop/tag/", data)
    assert sorted(reasons_of(action="update", model="shop.tag")) == [
        ("aa", "Changed Name."),
        ("bb", "Changed Name."),
    ]


def test_an_action_without_a_transaction_has_written_before_it_says_why(client):
    tag = Tag.objects.create(name="a")
    client.post("/admin/shop/tag/", {"action": "shout", "_selected_action": [tag.pk]})
    assert reasons_of(action="update", model="shop.tag") == [("A", None)]
    assert ("admin.change", f"shop.tag/{tag.pk}", "Shouted.") in told()


def test_an_action_in_a_transaction_has_its_message(client, monkeypatch):
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    tag = Tag.objects.create(name="a")
    client.post("/admin/shop/tag/", {"action": "shout", "_selected_action": [tag.pk]})
    assert reasons_of(action="update", model="shop.tag") == [("A", "Shouted.")]


def test_what_the_request_wrote_before_the_page_is_not_explained(client, monkeypatch, settings):
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    original = site.admin_view

    def before(view, cacheable=False):
        inner = original(view, cacheable)

        def outer(request, *args, **kwargs):
            Tag.objects.create(name="before")
            return inner(request, *args, **kwargs)

        return outer

    monkeypatch.setattr(site, "admin_view", before)
    monkeypatch.setitem(globals(), "urlpatterns", [path("admin/", site.urls)])
    clear_url_caches()
    client.post("/admin/shop/customer/add/", {"name": "a"})
    clear_url_caches()
    assert reasons_of(model="shop.tag") == [("before", None)]
    assert reasons_of(model="shop.customer") == [("a", "Added.")]


def test_a_reason_of_its_own_stays(client):
    client.post("/admin/shop/note/add/", {"slug": "a", "body": "x"})
    assert reasons_of(model="shop.note") == [(None, "said by the code")]
    assert reasons_of(model="shop.tag") == [("beside", "Added.")]


def test_a_change_of_permissions_has_the_message_too(client):
    user = User.objects.get()
    data = {"username": "grace", "is_active": "on", "is_staff": "", "is_superuser": "on"}
    joined = {"date_joined_0": "2026-01-01", "date_joined_1": "00:00"}
    client.post(f"/admin/auth/user/{user.pk}/change/", {**data, **joined})
    (event,) = trailkeeper.events().filter(action="permissions_changed")
    assert event.reason.startswith("Changed ")


def test_a_log_outside_of_the_admin_explains_nothing():
    from django.contrib.admin.models import CHANGE, LogEntry

    user = User.objects.create(username="ada")
    with transaction.atomic():
        customer = Customer.objects.create(name="a")
        LogEntry.objects.log_actions(user.pk, [customer], CHANGE, "by hand")
    assert reasons_of(model="shop.customer") == [("a", None)]
