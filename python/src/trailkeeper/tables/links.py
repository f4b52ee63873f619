"""The links that stand in a table of an automatic through model, as pairs of ids."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from trailkeeper.capture.links import ids_of, pairs_of
from trailkeeper.capture.rows import CHUNK, chunked
from trailkeeper.tables.stored import all_rows, row_pages

if TYPE_CHECKING:
    from trailkeeper.capture.registry import Link, Tracker
    from trailkeeper.tables.known import Pair

__all__ = ["pair_pages", "standing"]


def pair_pages(tracker: Tracker, link: Link, using: str) -> Iterator[dict[Pair, Any]]:
    """All pairs that are linked, each with the primary key of its row."""
    for page in row_pages(tracker, using):
        pairs = pairs_of(tracker, link, page.values())
        yield {ids_of(link, pair): key for key, pair in zip(page, pairs, strict=True)}


def standing(tracker: Tracker, link: Link, using: str, pairs: Sequence[Pair]) -> set[Pair]:
    """Those of the pairs that are linked."""
    found: set[Pair] = set()
    for chunk in chunked(pairs, CHUNK):
        # By a secret, of which the pair has a hash, no row can be looked for.
        conditions = {}
        if not link.is_source_secret:
            conditions[f"{link.source}__in"] = {source for source, _ in chunk}
        if not link.is_target_secret:
            conditions[f"{link.target}__in"] = {target for _, target in chunk}
        rows = all_rows(tracker, using).filter(**conditions)
        names = (link.source, link.target)
        found.update(ids_of(link, pair) for pair in rows.values_list(*names).iterator())
    return found.intersection(pairs)
