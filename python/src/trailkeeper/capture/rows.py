"""Rows as they stand in the database, for statements that change many at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from django.db.models import QuerySet, sql

if TYPE_CHECKING:
    from trailkeeper.capture.registry import Tracker

__all__ = ["matched_by", "of_keys"]

#: How many keys one statement names: every supported database takes as many parameters.
CHUNK: Final = 500


def matched_by(query: sql.Query, tracker: Tracker, using: str) -> list[tuple[Any, ...]]:
    """The rows that a statement will change, in the order of the tracker's fields."""
    select = query.chain(klass=sql.Query)
    select.clear_ordering(force=True)
    rows: QuerySet[Any] = QuerySet(model=query.model, query=select, using=using)
    return list(rows.values_list(*tracker.attnames))


def of_keys(tracker: Tracker, keys: Sequence[Any], using: str) -> Iterator[tuple[Any, ...]]:
    """The rows with these primary keys, as they stand now."""
    objects = tracker.model._base_manager.using(using)
    for start in range(0, len(keys), CHUNK):
        chunk = keys[start : start + CHUNK]
        yield from objects.filter(pk__in=chunk).values_list(*tracker.attnames)
