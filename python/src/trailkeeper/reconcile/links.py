"""The links of one many-to-many field, compared with their newest events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from trailkeeper.reconcile.drift import Drift
from trailkeeper.tables.known import KnownLinks, Pair
from trailkeeper.tables.links import pair_pages, standing

if TYPE_CHECKING:
    from trailkeeper.capture.registry import Link, Tracker

__all__ = ["LinkComparison"]


class LinkComparison:
    """Compares the rows of an automatic through table with the trail.

    Args:
        tracker: of the table.
        link: the field that the table stands for.
        using: alias of the database.
        tenant: whose events, where each tenant has tables of its own.
    """

    def __init__(self, tracker: Tracker, link: Link, using: str, tenant: str | None) -> None:
        self.tracker = tracker
        self.link = link
        self.using = using
        self.known = KnownLinks.of(tracker, link, using, tenant)
        #: How many links were compared.
        self.rows = 0
        #: Nothing: a link is there or not.
        self.not_comparable: Counter[str] = Counter()

    def pages(self) -> Iterator[dict[Pair, Drift]]:
        """What differs at first sight: first of all rows, then of all that the trail has linked."""
        for page in pair_pages(self.tracker, self.link, self.using):
            self.rows += len(page)
            newest = self.known.newest(list(page))
            missing = [pair for pair in page if newest.get(pair) != "link"]
            yield {pair: self._drift(pair, is_standing=True) for pair in missing}
        for pairs in self.known.existing_pages():
            gone = set(pairs) - standing(self.tracker, self.link, self.using, pairs)
            yield {pair: self._drift(pair, is_standing=False) for pair in sorted(gone)}

    def look(self, pairs: Sequence[Pair], *, is_locked: bool = False) -> dict[Pair, Drift]:
        """What differs now, of these pairs; a link's row is never changed, so it needs no lock."""
        there = standing(self.tracker, self.link, self.using, pairs)
        newest = self.known.newest(pairs)
        return {
            pair: self._drift(pair, is_standing=pair in there)
            for pair in pairs
            if (pair in there) != (newest.get(pair) == "link")
        }

    def _drift(self, pair: Pair, *, is_standing: bool) -> Drift:
        source, target = pair
        state = {self.link.field: [{"model": self.link.target_model, "object_id": target}]}
        return Drift(
            model=self.link.model,
            object_id=source,
            database=self.using,
            recorded=None if is_standing else state,
            stored=state if is_standing else None,
            is_link=True,
        )
