"""Going over tables: what differs at first sight, looked at again, and written down if asked."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

from django.db import DEFAULT_DB_ALIAS

from trailkeeper.capture.registry import own_part_of
from trailkeeper.reconcile import recording
from trailkeeper.reconcile.drift import Drift
from trailkeeper.reconcile.links import LinkComparison
from trailkeeper.reconcile.rows import RowComparison
from trailkeeper.tables.kin import models_of_rows
from trailkeeper.tables.known import recorded_models
from trailkeeper.tables.selection import Names, tracked_tables
from trailkeeper.tables.stored import all_rows

if TYPE_CHECKING:
    from trailkeeper.capture.registry import Tracker
    from trailkeeper.tables.known import KnownLinks, KnownRows

__all__ = ["Comparison", "Reconciliation", "drift"]

#: Seconds before each further look at what differs. Between a COMMIT and its mark in the spool is
#: less than a millisecond, as a rule.
PAUSES: Final = (0.05, 0.2, 0.5, 1.0, 2.0)


class Comparison(Protocol):
    """One table and what the trail knows of it."""

    rows: int
    not_comparable: Counter[str]

    @property
    def known(self) -> KnownRows | KnownLinks:
        """What the trail knows."""

    def pages(self) -> Iterator[dict[Any, Drift]]:
        """What differs at first sight, page by page."""

    def look(self, keys: Sequence[Any], *, is_locked: bool = False) -> dict[Any, Drift]:
        """What differs now, of some keys of a page."""


class Reconciliation:
    """Compares tables with the trail: iterating over it does the work, once.

    Args:
        models: which, as classes or labels of models or apps; all tracked ones by default.
        using: alias of the database.
        tenant: only events of this tenant, where each tenant has tables of its own.
        records: whether what is found is written down as events.
        progress: called with the label of the table and the number of its rows compared so far.

    Raises:
        InvalidRequestError: if a model is not there, or not tracked.
    """

    def __init__(
        self,
        *,
        models: Names | None = None,
        using: str = DEFAULT_DB_ALIAS,
        tenant: str | None = None,
        records: bool = False,
        progress: Callable[[str, int], None] | None = None,
    ) -> None:
        # Table by table: each row of an object that has several is compared by itself.
        self._trackers = [own_part_of(tracker) for tracker in tracked_tables(models, using)]
        self._using = using
        self._tenant = tenant
        self._records = records
        self._progress = progress
        #: How many rows and links were compared.
        self.rows = 0
        #: Fields that could not be compared (`billing.invoice.notes`), with the number of rows.
        self.not_comparable: Counter[str] = Counter()
        #: How many rows changed at every look, so that nothing can be said of them.
        self.unsettled = 0
        #: How many events were written.
        self.recorded = 0

    def __iter__(self) -> Iterator[Drift]:
        recorded = recorded_models(self._using)
        for tracker in self._trackers:
            if tracker.link is not None and not tracker.link.names_target:
                name = f"{tracker.link.model}.{tracker.link.field}"
                self.not_comparable[name] += all_rows(tracker, self._using).count()
                continue
            is_recorded = not recorded.isdisjoint(models_of_rows(tracker))
            if not is_recorded and not all_rows(tracker, self._using).exists():
                continue
            comparison = self._comparison(tracker)
            rows = self.rows
            for suspects in comparison.pages():
                self.rows = rows + comparison.rows
                if self._progress is not None:
                    self._progress(tracker.label, comparison.rows)
                if suspects:
                    yield from self._settled(tracker, comparison, suspects)
            for name, count in comparison.not_comparable.items():
                self.not_comparable[f"{tracker.label}.{name}"] += count

    def _comparison(self, tracker: Tracker) -> Comparison:
        if tracker.link is not None:
            return LinkComparison(tracker, tracker.link, self._using, self._tenant)
        return RowComparison(tracker, self._using, self._tenant)

    def _settled(
        self, tracker: Tracker, comparison: Comparison, suspects: dict[Any, Drift]
    ) -> list[Drift]:
        """Those that look the same twice in a row."""
        settled: dict[Any, Drift] = {}
        for pause in PAUSES:
            time.sleep(pause)
            again = comparison.look(list(suspects))
            settled.update((k, found) for k, found in again.items() if suspects[k] == found)
            suspects = {k: found for k, found in again.items() if k not in settled}
            if not suspects:
                break
        self.unsettled += len(suspects)
        if self._records:
            self.recorded += recording.record(tracker, comparison, settled, self._using)
        return list(settled.values())


def drift(
    *,
    models: Names | None = None,
    using: str = DEFAULT_DB_ALIAS,
    tenant: str | None = None,
) -> Iterator[Drift]:
    """Yields each row and each link of which table and trail do not say the same.

    Args:
        models: which, as classes or labels of models or apps; all tracked ones by default.
        using: alias of the database.
        tenant: only events of this tenant, where each tenant has tables of its own.

    Raises:
        InvalidRequestError: if a model is not there, or not tracked.
        TrailkeeperError: if the trail cannot be read.
    """
    return iter(Reconciliation(models=models, using=using, tenant=tenant))
