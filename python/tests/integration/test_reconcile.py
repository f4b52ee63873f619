"""Reconciliation: the tables beside the trail."""

import json
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.db.models import F
from tests.shop.models import ApiKey, Customer, Ignored, Line, Note, Order, Tag

import trailkeeper
from trailkeeper.reconcile import Drift, Kind, Reconciliation, drift

pytestmark = pytest.mark.django_db(transaction=True)


def execute(sql: str, *params: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)


def found(**options: Any) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(d.kind.value, f"{d.model}/{d.object_id}", d.fields) for d in drift(**options)]


@pytest.fixture
def shop(db):
    """Rows of every kind, written through the ORM."""
    ada = Customer.objects.create(name="Ada")
    Customer.objects.bulk_create([Customer(name="Eve"), Customer(name="Bob", vip=True)])
    order = Order.objects.create(
        number="1", customer=ada, total="10.5", weight=0.1, options={"a": [1, 1.5, None]},
        blob=b"\x00\xff", api_token="secret", due_on="2026-03-01",
    )
    order.count = F("count") + 1
    order.save()
    tags = [Tag.objects.create(name=name) for name in ("x", "y", "z")]
    order.tags.set(tags)
    order.tags.remove(tags[0])
    Line.objects.create(order=order, text="one")
    Note.objects.create(slug="b", body="1")
    Note.objects.create(slug="a", body="2")
    ApiKey.objects.create(key="sk-1", owner="Ada")
    ApiKey.objects.create(key="sk-2", owner="Eve")
    Customer.objects.filter(name="Eve").delete()
    Ignored.objects.create(value=1)
    return order


@pytest.mark.parametrize("is_drained", [False, True])
def test_what_the_orm_has_written_has_no_drift(shop, is_drained):
    if is_drained:
        trailkeeper.flush()
    assert found() == []


def test_the_open_transaction_counts():
    with transaction.atomic():
        Customer.objects.create(name="Ada")
        assert found() == []


def test_a_row_that_was_changed_past_the_trail_differs(shop):
    execute("UPDATE shop_customer SET name = 'Mallory' WHERE name = 'Ada'")
    (drifted,) = drift()
    assert drifted.kind is Kind.DIFFERS
    assert drifted.changes == (("name", "Ada", "Mallory"),)
    assert drifted.event_id == trailkeeper.history(shop.customer).first().event_id
    assert str(drifted) == f"differs shop.customer/{shop.customer_id}: name"
