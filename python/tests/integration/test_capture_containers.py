"""Arrays, ranges and hstore of PostgreSQL: what is recorded is the row, and comes back as such."""

import datetime
import uuid
from decimal import Decimal

import pytest
from django.db import connection

import trailkeeper

if connection.vendor != "postgresql":
    pytest.skip("only PostgreSQL has these fields", allow_module_level=True)

from django.contrib.postgres.signals import get_hstore_oids, register_type_handlers
from django.db.backends.postgresql.psycopg_any import (
    DateRange,
    DateTimeTZRange,
    NumericRange,
)
from tests.shop.containers import Attributes, Containers

pytestmark = pytest.mark.django_db

UTC = datetime.UTC
PARIS = datetime.timezone(datetime.timedelta(hours=2))
DAY = datetime.date(2026, 2, 28)
MOMENT = datetime.datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)

VALUES = [
    ("numbers", []),
    ("numbers", [1, None, -3]),
    ("numbers", ["7", True]),
    ("nested", [["a", "b,\"'\\"], ["{}", "\u00e9"]]),
    ("prices", [Decimal("0.5"), "7", Decimal("0.125")]),
    ("days", [DAY, "2026-12-31"]),
    ("moments", [MOMENT, MOMENT.astimezone(PARIS), MOMENT.replace(microsecond=0)]),
    ("keys", [uuid.UUID(int=1)]),
    ("parts", [b"\x00\xff", b""]),
    ("an_int_range", NumericRange(1, 5)),
    ("an_int_range", NumericRange(1, 5, "(]")),
    ("an_int_range", NumericRange(None, 5, "[]")),
    ("an_int_range", NumericRange(3, None)),
    ("an_int_range", NumericRange(None, None)),
    ("an_int_range", NumericRange(3, 3)),
    ("an_int_range", NumericRange(3, 4, "()")),
    ("an_int_range", NumericRange(empty=True)),
    ("an_int_range", (1, 2)),
    ("a_big_range", NumericRange(-(2**62), 2**62, "[]")),
    ("a_decimal_range", NumericRange(Decimal("0.10"), Decimal("2"), "(]")),
    ("a_decimal_range", NumericRange(Decimal("1.5"), Decimal("1.5"), "[]")),
    ("a_decimal_range", NumericRange(Decimal("1.5"), Decimal("1.5"), "()")),
    ("a_date_range", DateRange(DAY, DAY + datetime.timedelta(days=1), "[]")),
    ("a_date_range", DateRange(None, DAY)),
    ("a_moment_range", DateTimeTZRange(MOMENT.astimezone(PARIS), None, "[]")),
    ("a_moment_range", DateTimeTZRange(MOMENT, MOMENT + datetime.timedelta(hours=1), "()")),
]


def create(name, value):
    Containers.objects.create(**{name: value})


def bulk_create(name, value):
    Containers.objects.bulk_create([Containers(**{name: value}), Containers()])


def save(name, value):
    row = Containers.objects.create()
    setattr(row, name, value)
    row.save()


def save_twice(name, value):
    """The second save changes nothing."""
    row = Containers.objects.create(**{name: value})
    row.save()


def update(name, value):
    Containers.objects.create()
    Containers.objects.update(**{name: value})


def bulk_update(name, value):
    row = Containers.objects.create()
    setattr(row, name, value)
    Containers.objects.bulk_update([row], [name])


@pytest.mark.parametrize(("name", "value"), VALUES)
def test_the_recorded_state_is_the_row_read_back(name, value, recorded):
    for write in (create, bulk_create, save, save_twice, update, bulk_update):
        write(name, value)
        events = recorded()
        assert write is not save_twice or len(events) == 1
        told = {event["object_id"]: event["after"] for event in events}
        Containers.objects.all().delete()
        rows = {event["object_id"]: event["before"] for event in recorded()}
        assert (write.__name__, told) == (write.__name__, rows)


@pytest.mark.parametrize(("name", "value"), VALUES)
def test_the_value_comes_back_as_the_database_gives_it(name, value):
    row = Containers.objects.create(**{name: value})
    kept = getattr(Containers.objects.get(), name)
    then = getattr(trailkeeper.as_of(row, datetime.datetime.now(UTC)), name)
    assert then == kept
    assert repr(then) == repr(kept) or name == "parts"


def test_an_item_changed_in_place_is_seen(recorded):
    Containers.objects.create(numbers=[1, 2])
    row = Containers.objects.get()
    recorded()
    row.numbers.append(3)
    row.save()
    (event,) = recorded()
    assert event["changed"] == ["numbers"]
    assert (event["before"]["numbers"], event["after"]["numbers"]) == ([1, 2], [1, 2, 3])


def test_hstore_is_recorded_as_the_texts_that_it_stores(recorded):
    with connection.cursor() as cursor:
        cursor.execute("CREATE EXTENSION IF NOT EXISTS hstore")
    # What Django does with each new connection.
    get_hstore_oids.cache_clear()
    register_type_handlers(connection)
    with connection.schema_editor() as editor:
        editor.create_model(Attributes)
    row = Attributes.objects.create(values={"a": 1, "b": None, "c": "\u00e9"})
    assert recorded()[-1]["after"]["values"] == {"a": "1", "b": None, "c": "\u00e9"}
    row = Attributes.objects.get(pk=row.pk)
    row.values["a"] = "2"
    row.save()
    assert recorded()[-1]["before"] == {"values": {"a": "1", "b": None, "c": "\u00e9"}}
