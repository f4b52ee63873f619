"""Rows as they stand in the database, for statements that change many at once.

These look-ups are the trail's own. The application's execute wrappers do not see them, nor does
the log of queries: a test that counts queries counts what it did before.
"""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import IO, TYPE_CHECKING, Any, Final

from django.db import connections
from django.db.models import QuerySet, sql

from trailkeeper.capture import mysql

if TYPE_CHECKING:
    from trailkeeper.capture.registry import Tracker

__all__ = ["KEPT", "Kept", "Row", "chunked", "matched_by", "of_keys", "unseen"]

#: The values of a row, in the order of the tracker's fields.
Row = tuple[Any, ...]

#: How many keys one statement names: every supported database takes as many parameters.
CHUNK: Final = 500
#: How many rows of one statement are kept in memory.
KEPT: Final = 1000


class Kept:
    """The rows that a statement is about to change, kept until it has: beyond a few, on disk.

    Args:
        rows: the rows; read at once.
    """

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        rows = iter(rows)
        self._first = list(islice(rows, KEPT))
        self._count = len(self._first)
        self._rest: IO[bytes] | None = None
        for chunk in chunked(rows):
            if self._rest is None:
                self._rest = tempfile.TemporaryFile()  # noqa: SIM115
            pickle.dump(chunk, self._rest, pickle.HIGHEST_PROTOCOL)
            self._count += len(chunk)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Row]:
        for chunk in self.chunks():
            yield from chunk

    def close(self) -> None:
        """Gives back what it takes on disk."""
        if self._rest is not None:
            self._rest.close()

    def chunks(self) -> Iterator[list[Row]]:
        """The rows, as many at once as one statement can name."""
        yield from chunked(self._first)
        left = self._count - len(self._first)
        if self._rest is None:
            return
        self._rest.seek(0)
        while left > 0:
            # Written by this object, into a file that no one else can open.
            chunk: list[Row] = pickle.load(self._rest)
            left -= len(chunk)
            yield chunk


def chunked(items: Iterable[Any]) -> Iterator[list[Any]]:
    """The items in lists of as many as one statement can name."""
    items = iter(items)
    while chunk := list(islice(items, CHUNK)):
        yield chunk


@contextmanager
def unseen(using: str) -> Iterator[None]:
    """Hides the queries of a block from the application's wrappers and its log of queries."""
    connection = connections[using]
    wrappers, log = connection.execute_wrappers, connection.queries_log
    connection.execute_wrappers = [each for each in wrappers if each is mysql.follow]
    connection.queries_log = type(log)(maxlen=log.maxlen)
    try:
        yield
    finally:
        connection.execute_wrappers, connection.queries_log = wrappers, log


def matched_by(query: sql.Query, tracker: Tracker, using: str) -> Kept:
    """The rows that a statement will change."""
    select = query.chain(klass=sql.Query)
    select.clear_ordering(force=True)
    rows: QuerySet[Any] = QuerySet(model=query.model, query=select, using=using)
    rows = mysql.as_written(rows.values_list(*tracker.attnames))
    with unseen(using):
        if not select.is_sliced:
            few = list(rows[: KEPT + 1])
            if len(few) <= KEPT:
                return Kept(few)
        with mysql.streamed(using):
            return Kept(rows.iterator(chunk_size=CHUNK))


def of_keys(tracker: Tracker, keys: Sequence[Any], using: str) -> dict[Any, Row]:
    """The rows with these primary keys as they stand now, by key; a composite key is a tuple."""
    objects = mysql.as_written(tracker.model._base_manager.using(using))
    found: dict[Any, Row] = {}
    with unseen(using):
        for chunk in chunked(keys):
            for row in objects.filter(pk__in=chunk).values_list(*tracker.attnames):
                found[tracker.key_of(row)] = row
    return found
