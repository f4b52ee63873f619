"""Rows as they stand in a table, in pages along the primary key.

Each page is a short query by the index of the key, on every database: no cursor and no transaction
stays open between them. A row that is there from the first page to the last is seen once.

`locking` uses one private attribute of Django, held by a contract test:
`transaction_mode` of SQLite's `DatabaseWrapper`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from django.db import connections, transaction
from django.db.models import QuerySet

from trailkeeper.capture.registry import text_of_key
from trailkeeper.capture.rows import CHUNK, chunked
from trailkeeper.history.reference import object_id_of

if TYPE_CHECKING:
    from trailkeeper.capture.registry import Tracker

__all__ = [
    "PAGE",
    "all_rows",
    "id_of_key",
    "key_pages",
    "locking",
    "read",
    "read_locked",
    "row_pages",
]

#: How many rows are compared with the trail at once.
PAGE: Final = 10_000

#: The values of a row, in the order of its tracker's fields.
Values = tuple[Any, ...]


def all_rows(tracker: Tracker, using: str) -> QuerySet[Any]:
    """Every row of the table, whatever the managers of its model leave out."""
    return QuerySet(model=tracker.model, using=using)


def id_of_key(tracker: Tracker, key: Any) -> str:
    """The id that events have for the object with this primary key."""
    return object_id_of(key) if isinstance(key, tuple) else text_of_key(tracker, key)


def key_pages(tracker: Tracker, using: str) -> Iterator[list[Any]]:
    """The primary keys of all rows."""
    for page in _pages(all_rows(tracker, using), ()):
        yield [key for (key,) in page]


def row_pages(tracker: Tracker, using: str) -> Iterator[dict[Any, Values]]:
    """All rows, by primary key."""
    for page in _pages(all_rows(tracker, using), tracker.attnames):
        yield {key: tuple(values) for key, *values in page}


def _pages(rows: QuerySet[Any], names: Sequence[str]) -> Iterator[list[Any]]:
    ordered = rows.order_by("pk").values_list("pk", *names)
    page = list(ordered[:PAGE])
    while page:
        yield page
        if len(page) < PAGE:
            return
        page = list(ordered.filter(pk__gt=page[-1][0])[:PAGE])


def read(tracker: Tracker, using: str, keys: Sequence[Any]) -> dict[Any, Values]:
    """The rows with these primary keys, by key."""
    found: dict[Any, Values] = {}
    for chunk in chunked(keys, CHUNK):
        rows = all_rows(tracker, using).filter(pk__in=chunk)
        found.update(
            (key, tuple(values)) for key, *values in rows.values_list("pk", *tracker.attnames)
        )
    return found


def read_locked(tracker: Tracker, using: str, keys: Sequence[Any]) -> dict[Any, Values]:
    """As `read`, at most `CHUNK` keys; the rows cannot change before the end of `locking`."""
    features = connections[using].features
    rows = all_rows(tracker, using).filter(pk__in=keys).order_by("pk")
    rows = rows.select_for_update(no_key=features.has_select_for_no_key_update)
    return {key: tuple(values) for key, *values in rows.values_list("pk", *tracker.attnames)}


@contextmanager
def locking(using: str) -> Iterator[None]:
    """A transaction in which rows that were read with `read_locked` stay as they are.

    SQLite has no locks of rows: the whole database waits until the end.
    """
    connection: Any = connections[using]
    if connection.vendor != "sqlite" or connection.in_atomic_block:
        with transaction.atomic(using=using):
            yield
        return
    mode = connection.transaction_mode
    connection.transaction_mode = "IMMEDIATE"
    try:
        with transaction.atomic(using=using):
            connection.transaction_mode = mode
            yield
    finally:
        connection.transaction_mode = mode
