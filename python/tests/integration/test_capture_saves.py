"""Saves in autocommit, which native code records: as Python would, and nothing is left out."""

import datetime
import uuid
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, connections, models
from django.db.models import F
from tests.shop.models import Customer, Line, Note, Order, Tag

import trailkeeper
from trailkeeper._recorder import RecorderError
from trailkeeper.capture import registry, saves

pytestmark = pytest.mark.django_db(transaction=True)

#: What two runs have in common.
COMPARED = [
    "kind",
    "action",
    "outcome",
    "reason",
    "actor_type",
    "actor_label",
    "tenant",
    "source",
    "database",
    "model",
    "object_label",
    "changed",
    "before",
    "after",
    "unavailable",
    "data",
]
#: What the database has numbered.
NUMBERED = {"id", "customer", "order"}


class Status(models.TextChoices):
    NEW = "new"
    PAID = "paid"


def in_python() -> None:
    for tracker in registry.trackers.values():
        if tracker is not None:
            object.__setattr__(tracker, "save", None)


@pytest.fixture
def python_only():
    """Has saves recorded in Python, until the test ends."""
    yield in_python
    registry.reset()


def write() -> None:
    """Saves of every kind that `Model.save()` knows."""
    customer = Customer.objects.create(name="Ada")
    Order.objects.create(
        number="1", customer=customer, public_id=uuid.UUID(int=7), options={"b": 1}
    )
    order = Order.objects.get()
    order.total = Decimal("2.5")
    order.placed_at = datetime.datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=datetime.UTC)
    order.due_on = datetime.date(2026, 2, 3)
    order.notes = Status.PAID
    order.options["a"] = [None, {"z": 1, "\u00e9": 2}]
    order.blob = b"\x00\xff"
    order.api_token = "secret"
    order.save()
    order.save()
    order.count = 3
    order.notes = "not saved"
    order.save(update_fields=["count"])
    order.count = F("count") + 1
    order.save()
    few = Order.objects.only("number").get()
    few.number = "2"
    few.save()
    Tag(pk=Tag.objects.create(name="a").pk, name="b").save()
    note = Note.objects.create(slug="key", body="old")
    note.body = "new"
    note.save()
    line = Line.objects.create(order=order, text="first")
    line = Line.objects.get(pk=line.pk)
    # Its `__str__` asks for the order: a label must not.
    line.text = "second"
    line.save()
    customer.delete()
    # The row is gone: nothing is updated, and it is inserted again.
    again = Customer(pk=4711, name="Bea")
    again.save()
    with trailkeeper.context(actor="import", tenant="acme", reason="test"):
        again.vip = True
        again.save()


def told(committed):
    """The events, without what differs from one run to the next."""

    def kept(value):
        if not isinstance(value, dict):
            return value
        return {name: part for name, part in value.items() if name not in NUMBERED}

    return [{name: kept(event.get(name)) for name in COMPARED} for event in committed()]


@pytest.mark.drift("the same objects are written twice")
def test_native_code_records_what_python_does(committed, python_only, monkeypatch):
    monkeypatch.setattr(
        Order._meta.get_field("updated_at"),
        "pre_save",
        lambda *_, **__: datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
    )
    write()
    natively = told(committed)
    for model in (Line, Order, Customer, Tag, Note):
        model.objects.all().delete()
    committed()
    python_only()
    write()
    assert told(committed) == natively
    updates = [event for event in natively if event["action"] == "update"]
    assert len(updates) >= 8


def test_a_plain_save_takes_the_native_way(committed, monkeypatch):
    tag = Tag.objects.create(name="a")
    committed()

    def fail(*_):
        raise AssertionError("recorded in Python")

    monkeypatch.setattr(saves, "record", fail)
    tag.name = "b"
    tag.save()
    loaded = Tag.objects.get(pk=tag.pk)
    loaded.name = "c"
    loaded.save()
    events = committed()
    assert [event["before"]["name"] for event in events] == ["a", "b"]
    assert [event["after"]["name"] for event in events] == ["b", "c"]


def test_a_save_that_fails_leaves_nothing_and_the_next_one_is_recorded(committed):
    first = Note.objects.create(slug="one", body="a")
    committed()
    loaded = Order(number="1")
    customer = Customer.objects.create(name="Ada")
    loaded.customer = customer
    loaded.save()
    committed()
    loaded.number = None
    with pytest.raises(IntegrityError):
        loaded.save()
    assert committed() == []
    loaded.number = "2"
    loaded.save()
    (event,) = committed()
    assert (event["before"]["number"], event["after"]["number"]) == ("1", "2")
    first.body = "b"
    first.save()
    (event,) = committed()
    assert event["object_id"] == "one"


def test_what_cannot_be_prepared_costs_the_event_and_not_the_save(committed, monkeypatch):
    tag = Tag.objects.create(name="a")
    committed()

    def refuse():
        raise RecorderError("no context today")

    monkeypatch.setattr("trailkeeper.layers.Layer.encoded", lambda _: refuse())
    monkeypatch.setattr("trailkeeper.layers._process_layer._cache", None)
    tag.name = "b"
    tag.save()
    monkeypatch.undo()
    assert Tag.objects.get(pk=tag.pk).name == "b"
    dropped = trailkeeper.events().filter(action="events.dropped")
    tag.name = "c"
    tag.save()
    (event,) = committed()
    assert event["after"]["name"] == "c"
    assert dropped.count() == 1
    assert "no context today" in dropped.get().data["reason"]


@pytest.mark.parametrize("way", ["native", "python"])
def test_cursors_that_a_tool_has_given_the_connection_stay(way, request, monkeypatch):
    tag = Tag.objects.create(name="a")
    if way == "python":
        request.getfixturevalue("python_only")
        in_python()
    asked = []
    for name in ("cursor", "chunked_cursor"):
        original = getattr(connections["default"], name)

        def note(*args, name=name, original=original, **kwargs):
            asked.append(name)
            return original(*args, **kwargs)

        monkeypatch.setitem(connections["default"].__dict__, name, note)
    tag.name = "b"
    tag.save()
    asked.clear()
    list(Tag.objects.all())
    list(Tag.objects.all().iterator())
    assert {"cursor", "chunked_cursor"} == set(asked)


def test_raw_sql_while_a_save_is_recorded_is_no_part_of_it(committed, monkeypatch):
    tag = Tag.objects.create(name="a")
    other = Customer.objects.create(name="Ada")
    committed()

    def number(value):
        with connection.cursor() as cursor:
            cursor.execute("UPDATE shop_customer SET name = 'raw' WHERE id = %s", [other.pk])
        return value

    monkeypatch.setattr(Tag._meta.get_field("name"), "get_db_prep_save", lambda v, **_: number(v))
    tag.name = "b"
    tag.save()
    monkeypatch.undo()
    assert sorted((event["action"], event["model"]) for event in committed()) == [
        ("opaque", "shop.customer"),
        ("update", "shop.tag"),
    ]
    other.refresh_from_db()
    other.name = "Ada"
    other.save()
