"""The links that stand in a table of an automatic through model, as pairs of ids."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from django.db.models import Q

from trailkeeper.tables.stored import CHUNK, all_rows, chunks, row_pages

if TYPE_CHECKING:
    from trailkeeper.capture.registry import Link, Tracker
    from trailkeeper.tables.known import Pair

__all__ = ["pair_pages", "standing"]


def pair_pages(tracker: Tracker, link: Link, using: str) -> Iterator[dict[Pair, Any]]:
    """All pairs that are linked, each with the primary key of its row."""
    places = tracker.index[link.source], tracker.index[link.target]
    for page in row_pages(tracker, using):
        yield {_pair(row, places): key for key, row in page.items()}


def standing(tracker: Tracker, link: Link, using: str, pairs: Sequence[Pair]) -> set[Pair]:
    """Those of the pairs that are linked."""
    found: set[Pair] = set()
    places = tracker.index[link.source], tracker.index[link.target]
    for chunk in chunks(pairs, CHUNK):
        either = Q(
            (f"{link.source}__in", {source for source, _ in chunk}),
            (f"{link.target}__in", {target for _, target in chunk}),
        )
        rows = all_rows(tracker, using).filter(either).values_list(*tracker.attnames)
        found.update(_pair(row, places) for row in rows.iterator())
    return found.intersection(pairs)


def _pair(row: Sequence[Any], places: tuple[int, int]) -> Pair:
    source, target = places
    return str(row[source]), str(row[target])
