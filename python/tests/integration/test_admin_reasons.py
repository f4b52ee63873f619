"""What the admin says about its actions is their reason, in the transaction of the rows."""

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.test import Client
from django.urls import path
from tests.shop.models import Customer, Line, Order

import trailkeeper

pytestmark = pytest.mark.django_db(transaction=True)


class LineInline(admin.TabularInline):
    model = Line
    extra = 0


class OrderAdmin(admin.ModelAdmin):
    fields = ("number", "customer")
    inlines = (LineInline,)


site = admin.AdminSite()
site.register(Customer)
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
