"""Rows as they stand in the database, for statements that change many at once.

These look-ups are the trail's own. The application's execute wrappers do not see them, nor does
the log of queries: a test that counts queries counts what it did before.
"""

from __future__ import annotations

import contextlib
import pickle
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import IO, TYPE_CHECKING, Any, Final

from django.db import connections
from django.db.models import QuerySet, sql

from trailkeeper.capture import mysql, sqlite

if TYPE_CHECKING:
    from trailkeeper.capture.registry import Tracker

__all__ = ["KEPT", "Kept", "Row", "as_stored", "chunked", "matched_by", "of_keys", "unseen"]

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


def chunked(items: Iterable[Any], size: int = CHUNK) -> Iterator[list[Any]]:
    """The items in lists of `size`: by default, as many as one statement can name."""
    items = iter(items)
    while chunk := list(islice(items, size)):
        yield chunk


@contextlib.contextmanager
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
    """The rows that a statement will change.

    In a transaction they are locked, as the statement is about to do: another transaction that is
    changing one of them is waited for, and what it leaves is read.
    """
    sqlite.lock(connections[using], tracker.model)
    select = query.chain(klass=sql.Query)
    select.clear_ordering(force=True)
    rows: QuerySet[Any] = QuerySet(model=query.model, query=select, using=using)
    if _can_lock(select, using):
        features = connections[using].features
        # An update leaves the key alone, and lets rows refer to it meanwhile.
        is_update = not isinstance(query, sql.DeleteQuery)
        no_key = is_update and features.has_select_for_no_key_update
        rows = rows.select_for_update(no_key=no_key)
    else:
        rows = mysql.as_written(rows)
    rows = rows.values_list(*tracker.attnames)
    with unseen(using):
        if not select.is_sliced:
            few = list(rows[: KEPT + 1])
            if len(few) <= KEPT:
                return Kept(few)
        with mysql.streamed(using):
            return Kept(rows.iterator(chunk_size=CHUNK))


def _can_lock(select: sql.Query, using: str) -> bool:
    """Whether rows of the query can be locked: one table's, neither grouped nor combined."""
    connection = connections[using]
    if not connection.features.has_select_for_update or connection.get_autocommit():
        return False
    tables = [alias for alias, count in select.alias_refcount.items() if count]
    is_plain = not (select.distinct or select.combinator or select.is_sliced)
    return is_plain and select.group_by is None and len(tables) <= 1


def of_keys(tracker: Tracker, keys: Sequence[Any], using: str) -> dict[Any, Row]:
    """The rows with these primary keys as they stand now, by key; a composite key is a tuple."""
    objects = mysql.as_written(tracker.model._base_manager.using(using))
    found: dict[Any, Row] = {}
    with unseen(using):
        for chunk in chunked(keys):
            for row in objects.filter(pk__in=chunk).values_list(*tracker.attnames):
                found[tracker.key_of(row)] = row
    return found


def as_stored(tracker: Tracker, rows: Iterable[Row], using: str) -> Iterator[Row]:
    """Rows that a statement has returned, as they stand now; those that are gone, as they were."""
    for chunk in chunked(rows):
        keys = [tracker.key_of(row) for row in chunk]
        found = of_keys(tracker, keys, using)
        yield from (found.get(key, row) for key, row in zip(keys, chunk, strict=True))
