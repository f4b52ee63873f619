"""Rows before a statement and after it, put together by their keys."""

from __future__ import annotations

import pickle
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from typing import Any

from trailkeeper.capture.rows import KEPT, Kept, Row, chunked

__all__ = ["pairs"]


def pairs(
    olds: Kept, news: Iterable[Row], count: int, id_of: Callable[[Row], str | None]
) -> Iterator[tuple[Row | None, Row]]:
    """The rows after a statement, each with the one before it, in the order of those before.

    More than a few wait on disk.

    Args:
        olds: the rows before; of those without one after, nothing is told.
        news: the rows after, in any order; those without one before come last, with None.
        count: how many they are.
        id_of: the id of a row's object, by which the rows belong together.
    """
    if max(count, len(olds)) <= KEPT:
        found = {id_of(new): new for new in news}
        for old in olds:
            new = found.pop(id_of(old), None)
            if new is not None:
                yield old, new
        for new in found.values():
            yield None, new
        return
    with closing(_Table(news, id_of)) as table:
        for chunk in olds.chunks():
            yield from table.taken(chunk, id_of)
        for new in table.left():
            yield None, new


class _Table:
    """Rows by id, in a database on disk that SQLite deletes when it is closed.

    Args:
        rows: the rows; read at once.
        id_of: the id of a row's object.
    """

    def __init__(self, rows: Iterable[Row], id_of: Callable[[Row], str | None]) -> None:
        # An empty name is that of a database of its own, in a file as soon as it grows.
        self._database = sqlite3.connect("", isolation_level=None)
        self._run("CREATE TABLE found (id TEXT PRIMARY KEY, value BLOB, taken INT) WITHOUT ROWID")
        # Nothing here is ever rolled back.
        self._run("PRAGMA journal_mode = OFF")
        self._run("BEGIN")
        for chunk in chunked(rows):
            items = [(id_of(row), pickle.dumps(row, pickle.HIGHEST_PROTOCOL)) for row in chunk]
            self._database.executemany("INSERT OR REPLACE INTO found VALUES (?, ?, 0)", items)

    def close(self) -> None:
        """Gives back what it takes on disk."""
        self._database.close()

    def taken(
        self, olds: list[Row], id_of: Callable[[Row], str | None]
    ) -> Iterator[tuple[Row, Row]]:
        """The given rows that have one here, with it."""
        ids = [id_of(old) for old in olds]
        marks = ", ".join("?" * len(ids))
        values = dict(self._run(f"SELECT id, value FROM found WHERE id IN ({marks})", ids))
        self._run(f"UPDATE found SET taken = 1 WHERE id IN ({marks})", ids)
        for identity, old in zip(ids, olds, strict=True):
            value = values.get(identity)
            if value is not None:
                yield old, pickle.loads(value)

    def left(self) -> Iterator[Row]:
        """The rows that were not taken."""
        for (value,) in self._run("SELECT value FROM found WHERE NOT taken"):
            # Written by this object, into a file that no one else can open.
            yield pickle.loads(value)

    def _run(self, sql: str, parameters: Iterable[Any] = ()) -> sqlite3.Cursor:
        return self._database.execute(sql, list(parameters))
