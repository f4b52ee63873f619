"""Rows as they stand in the database, for statements that change many at once."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from django.db import connections
from django.db.models import QuerySet, sql

if TYPE_CHECKING:
    from trailkeeper.capture.registry import Tracker

__all__ = ["matched_by", "of_keys"]

#: How many keys one statement names: every supported database takes as many parameters.
CHUNK: Final = 500


def matched_by(query: sql.Query, tracker: Tracker, using: str) -> list[tuple[Any, ...]]:
    """The rows that a statement will change, in the order of the tracker's fields.

    In a transaction they are locked, as the statement is about to do: another transaction that is
    changing one of them is waited for, and what it leaves is read.
    """
    _lock_sqlite(tracker, using)
    select = query.chain(klass=sql.Query)
    select.clear_ordering(force=True)
    rows: QuerySet[Any] = QuerySet(model=query.model, query=select, using=using)
    if _can_lock(select, using):
        features = connections[using].features
        # An update leaves the key alone, and lets rows refer to it meanwhile.
        is_update = not isinstance(query, sql.DeleteQuery)
        no_key = is_update and features.has_select_for_no_key_update
        rows = rows.select_for_update(no_key=no_key)
    return list(rows.values_list(*tracker.attnames))


def _can_lock(select: sql.Query, using: str) -> bool:
    """Whether rows of the query can be locked: one table's, neither grouped nor combined."""
    connection = connections[using]
    if not connection.features.has_select_for_update or connection.get_autocommit():
        return False
    tables = [alias for alias, count in select.alias_refcount.items() if count]
    is_plain = not (select.distinct or select.combinator or select.is_sliced)
    return is_plain and select.group_by is None and len(tables) <= 1


def _lock_sqlite(tracker: Tracker, using: str) -> None:
    """Lets a transaction of SQLite write before it reads.

    One that has read cannot wait for another that writes: the statement that follows would fail,
    where without this module it would have waited. Past Django's cursor, for it is no query of the
    application's.
    """
    connection: Any = connections[using]
    if connection.vendor != "sqlite" or not connection.in_atomic_block:
        return
    name = connection.ops.quote_name
    meta = tracker.model._meta
    table, column = name(meta.db_table), name(meta.local_concrete_fields[0].column)
    # What goes wrong here, the statement itself meets again.
    with contextlib.suppress(connection.Database.Error):
        connection.connection.execute(f"UPDATE {table} SET {column} = {column} WHERE 0")


def of_keys(tracker: Tracker, keys: Sequence[Any], using: str) -> Iterator[tuple[Any, ...]]:
    """The rows with these primary keys, as they stand now."""
    objects = tracker.model._base_manager.using(using)
    for start in range(0, len(keys), CHUNK):
        chunk = keys[start : start + CHUNK]
        yield from objects.filter(pk__in=chunk).values_list(*tracker.attnames)
