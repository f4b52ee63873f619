"""What the backend refuses, and with which error."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connections
from django.db.models import Count, Exists, F, OuterRef, Subquery, Value
from django.db.models.functions import MD5, Abs, Collate, JSONObject
from django.db.utils import (
    DatabaseError,
    DataError,
    InternalError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
)
from tests.integration import fake_trail

from trailkeeper.backend.alias import ALIAS
from trailkeeper.models import Event

pytestmark = pytest.mark.usefixtures("fake")


def cursor() -> Any:
    return connections[ALIAS].cursor()


WRITES: dict[str, Callable[[], Any]] = {
    "save": lambda: Event(pk="1").save(),
    "force_insert": lambda: Event(pk="1").save(force_insert=True),
    "delete": lambda: Event(pk="1").delete(),
    "create": lambda: Event.objects.create(pk="1"),
    "get_or_create": lambda: Event.objects.get_or_create(pk="new"),
    "update_or_create": lambda: Event.objects.update_or_create(pk="new"),
    "bulk_create": lambda: Event.objects.bulk_create([Event(pk="1", occurred_at=None)]),
    "bulk_update": lambda: Event.objects.bulk_update([Event(pk="1", reason="x")], ["reason"]),
    "update": lambda: Event.objects.update(reason="x"),
    "update F": lambda: Event.objects.filter(pk="1").update(seq=F("seq") + 1),
    "update of nothing": lambda: Event.objects.filter(pk__in=[]).update(reason="x"),
    "delete all": lambda: Event.objects.all().delete(),
    "_raw_delete": lambda: Event.objects.all()._raw_delete(ALIAS),
    "cursor insert": lambda: cursor().execute("INSERT INTO events (seq) VALUES (%s)", [1]),
    "cursor drop": lambda: cursor().execute("DROP TABLE events"),
    "executemany": lambda: cursor().executemany("INSERT INTO events (seq) VALUES (%s)", [[1]]),
    "callproc": lambda: cursor().callproc("x"),
    "schema_editor": lambda: connections[ALIAS].schema_editor().__enter__(),
    "raw": lambda: list(Event.objects.raw("DELETE FROM events")),
}


@pytest.mark.parametrize("name", WRITES)
def test_a_write_is_refused(fake: Any, rows: Any, name: str) -> None:
    rows([fake_trail.event(1)])
    with pytest.raises(NotSupportedError, match=r"^the trail is read-only$"):
        WRITES[name]()
    assert all(sql.startswith("SELECT") for sql in fake.statements)


def outer(**extra: Any) -> Any:
    return Event.objects.filter(tenant=OuterRef("tenant"), **extra).order_by("-seq")


UNSUPPORTED: dict[str, tuple[Callable[[], Any], str]] = {
    "sliced subquery": (
        lambda: list(Event.objects.annotate(x=Subquery(outer().values("seq")[:1]))),
        "an aggregate without a slice",
    ),
    "unaggregated subquery": (
        lambda: list(Event.objects.annotate(x=Subquery(outer().values("seq")))),
        "without aggregating",
    ),
    "subquery by inequality": (
        lambda: list(
            Event.objects.annotate(
                x=Subquery(
                    Event.objects.order_by()
                    .filter(seq__lt=OuterRef("seq"))
                    .annotate(one=Value(1))
                    .values("one")
                    .annotate(n=Count("pk"))
                    .values("n")
                )
            )
        ),
        "joined by equality",
    ),
    "exists as a value": (
        lambda: list(Event.objects.annotate(x=Exists(outer()))),
        r"filter by Exists\(\), but not select",
    ),
    "exists with offset": (
        lambda: list(Event.objects.filter(Exists(outer()[1:2]))),
        "skips rows",
    ),
    "correlated sliced in": (
        lambda: list(Event.objects.filter(pk__in=outer().values("pk")[:1])),
        "nor slice one that depends on the outer row",
    ),
    "collation": (
        lambda: list(Event.objects.annotate(x=Collate("kind", "C"))),
        "code points",
    ),
    "json": (lambda: list(Event.objects.annotate(x=JSONObject(a="kind"))), "JSON"),
}


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_what_the_engine_lacks_is_said_clearly(rows: Any, name: str) -> None:
    rows([fake_trail.event()])
    run, message = UNSUPPORTED[name]
    with pytest.raises(NotSupportedError, match=message):
        run()


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("Invalid", ProgrammingError),
        ("NotFound", DatabaseError),
        ("Conflict", OperationalError),
        ("Unavailable", OperationalError),
        ("Corrupt", DataError),
        ("Internal", InternalError),
    ],
)
def test_kinds_of_error(monkeypatch: Any, kind: str, error: type[Exception]) -> None:
    def fail(*args: Any) -> None:
        raise fake_trail.TrailkeeperError("what happened", kind)

    monkeypatch.setattr(fake_trail.Trail, "query", fail)
    with pytest.raises(error, match=r"^what happened$") as caught:
        Event.objects.count()
    assert type(caught.value) is error


@pytest.mark.parametrize("function", [MD5, Abs])
def test_a_function_that_the_engine_was_built_without(monkeypatch: Any, function: Any) -> None:
    def fail(*args: Any) -> None:
        raise fake_trail.TrailkeeperError("Error during planning: Invalid function 'md5'.")

    monkeypatch.setattr(fake_trail.Trail, "query", fail)
    with pytest.raises(NotSupportedError, match="does not have this function"):
        list(Event.objects.annotate(x=function("kind")))


def test_other_errors_pass_unchanged(monkeypatch: Any) -> None:
    def fail(*args: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(fake_trail.Trail, "query", fail)
    with pytest.raises(KeyboardInterrupt):
        Event.objects.count()


def test_wrong_sql_is_a_programming_error() -> None:
    with pytest.raises(ProgrammingError):
        list(Event.objects.raw("SELECT nope FROM events"))


def test_a_closed_cursor_is_closed() -> None:
    opened = cursor()
    opened.execute("SELECT 1")
    opened.close()
    assert opened.fetchall() == []
    with pytest.raises(ProgrammingError, match="closed"):
        opened.execute("SELECT 1")
