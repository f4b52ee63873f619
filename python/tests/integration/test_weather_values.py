"""Values that are too large, or text that is none."""

import pytest
from django.db import connection
from tests.integration.test_weather import assert_verified, command_line
from tests.shop.models import Customer, Order

import trailkeeper

pytestmark = pytest.mark.django_db(transaction=True)

LARGE = {"blob": "x\u00e9\n" * 5_000_000}


def large_order():
    return Order.objects.create(
        number="1", customer=Customer.objects.create(name="Ada"), options=LARGE
    )


def test_twenty_megabytes_are_named_and_not_kept_by_default():
    order = large_order()
    order.options = {"blob": LARGE["blob"] + "."}
    order.save()
    for _ in range(2):
        created, updated = trailkeeper.history(order).order_by("occurred_at")
        assert created.unavailable == ["options"]
        assert "options" not in created.after
        assert created.after["number"] == "1"
        assert "options" in updated.unavailable
        trailkeeper.flush()
    assert_verified()


def test_twenty_megabytes_come_back_where_the_limit_allows_them(settings):
    settings.TRAILKEEPER = {**settings.TRAILKEEPER, "MAX_VALUE_BYTES": 64 << 20}
    order = large_order()
    (waiting,) = trailkeeper.history(order)
    assert waiting.after["options"] == LARGE
    trailkeeper.flush()
    (event,) = trailkeeper.history(order)
    assert event.after["options"] == LARGE
    assert event.unavailable in (None, [])
    assert_verified()
    shown = command_line("history", "shop.order", str(order.pk))
    assert shown.returncode == 0, shown.stderr


def test_lone_surrogates_are_replaced_and_named():
    customer = Customer.objects.create(name="Ada")
    event = trailkeeper.record(
        "file.seen", target=customer, data={"name": "caf\udce9", "raw": b"\xff\x00\xfe"}
    )
    assert event is None
    trailkeeper.flush()
    event = trailkeeper.events().get(action="file.seen")
    assert event.data["name"] == "caf\ufffd"
    assert event.data["raw"] == "/wD+"
    assert event.unavailable == ["data"]
    assert_verified()


def test_a_lone_surrogate_in_a_label_does_not_cost_the_event(monkeypatch):
    monkeypatch.setattr(Customer, "__str__", lambda self: "caf\udce9")
    customer = Customer.objects.create(name="Ada")
    (event,) = trailkeeper.history(customer)
    assert event.object_label == "caf\ufffd"


def test_a_surrogate_that_the_database_refuses_leaves_no_event():
    with pytest.raises((UnicodeEncodeError, ValueError)):
        Customer.objects.create(name="caf\udce9")
    order = Order.objects.create(
        number="1",
        customer=Customer.objects.create(name="Ada"),
        # JSON escapes what text cannot hold.
        options={"file": "caf\udce9"} if connection.vendor == "sqlite" else {},
        blob=b"\xff\xfe\x00caf\xe9",
    )
    trailkeeper.flush()
    assert [c.name for c in Customer.objects.all()] == ["Ada"]
    assert trailkeeper.events().filter(model="shop.customer").count() == 1
    (event,) = trailkeeper.history(order)
    assert event.after["blob"] == "//4AY2Fm6Q=="
    if connection.vendor == "sqlite":
        assert "options" not in event.after
        assert event.unavailable == ["options"]
    assert_verified()


def test_odd_text_from_a_request_is_recorded(client):
    client.get("/caf%E9%00/", headers={"user-agent": "odd\x00agent\udcff\xe9"})
    trailkeeper.flush()
    event = trailkeeper.events().get(kind="request")
    assert event.http_path.startswith("/caf")
    assert event.user_agent.startswith("odd")
    assert_verified()
