"""Versions that do not begin where the one before them ended: something wrote past the trail.

psql, another service, a stale instance that was saved over a newer row, or a defect. The two
versions stay as they are: a gap is found when it is read, and nothing is corrected.

- A value that either side does not know contradicts nothing.
- A masked value is compared by its mask.
- A table that was emptied by a recorded TRUNCATE has no objects from then on.
- What `manage.py trailkeeper reconcile --record` has written down is a gap too: the event says
  what was found, and not who did it.
"""

import datetime
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from trailkeeper.history.diff import Change, diff
from trailkeeper.history.versions import VERSIONS, State, contradictions, end_of, start_of

if TYPE_CHECKING:
    from trailkeeper.history.queryset import EventQuerySet
    from trailkeeper.models import Event

#: What `data` of an event says that `reconcile --record` has written.
FOUND_BY: Final = {"found_by": "reconcile"}

#: How many events are chosen at once: this, and all versions of their objects, are in memory.
PAGE: Final = 20_000
#: How many events are read for each that was chosen, rather than to name their objects.
MOST_VERSIONS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Something happened to an object between two of its versions, and the trail was not told.

    Args:
        previous: the version before the gap.
        event: the version behind it.
        changes: the fields, each with the value that `previous` left and the one that `event`
            found. None stands for a value where there was no object: `event` is a create although
            nothing was deleted, or no create although something was.
        is_reconciled: whether `event` was written by `reconcile --record`.
    """

    previous: "Event"
    event: "Event"
    changes: tuple[Change, ...]
    is_reconciled: bool

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of the fields."""
        return tuple(change.field for change in self.changes)

    def __str__(self) -> str:
        versions = f"{self.previous.event_id} and {self.event.event_id}"
        what = ", ".join(self.fields) or "existence"
        return f"{self.event.object_key} between {versions}: {what}"


_Times = dict[tuple[str | None, str | None], list[datetime.datetime]]


class _Row(NamedTuple):
    """A version as it is read; the names are those of the columns."""

    event_id: str
    occurred_at: datetime.datetime
    database: str | None
    model: str
    object_key: str
    action: str
    changed: list[str]
    before: State
    after: State
    unavailable: list[str]
    redacted: State
    data: State

    @property
    def is_reconciled(self) -> bool:
        return self.data.items() >= FOUND_BY.items()


def gaps_of(chosen: "EventQuerySet") -> Iterator[Gap]:
    """The gaps right before the events that `chosen` has, object by object, oldest first.

    Each event is compared with the version before it, whether or not `chosen` has that one. It
    reads by pages, in the order of `object_key`.
    """
    versions = chosen.filter(kind="change", action__in=sorted(VERSIONS)).exclude(object_key=None)
    emptied = _emptied(versions.model)
    after: str | None = None
    while True:
        page = versions if after is None else versions.filter(object_key__gt=after)
        wanted, is_last = _page(page)
        if wanted:
            yield from _gaps_in(versions.model, wanted, emptied)
            after = max(wanted.values())
        if is_last:
            return


def _page(versions: "EventQuerySet") -> tuple[dict[str, str], bool]:
    """The keys of the first objects by the ids of their events; whether these are all."""
    ordered = versions.order_by("object_key").values_list("event_id", "object_key")
    rows: list[Any] = list(ordered[: PAGE + 1])
    if len(rows) <= PAGE:
        return dict(rows), True
    # Of the last object there may be more.
    last = rows[-1][1]
    whole: list[Any] = [row for row in rows if row[1] != last]
    if not whole:
        whole = list(ordered.filter(object_key=last))
    return dict(whole), False


def _emptied(model: type["Event"]) -> _Times:
    """When tables were emptied, by database and model."""
    found: _Times = defaultdict(list)
    events = model.objects.filter(kind="change", action="truncate").oldest_first()
    for database, label, occurred_at in events.values_list("database", "model", "occurred_at"):
        found[database, label].append(occurred_at)
    return found


def _gaps_in(model: type["Event"], wanted: dict[str, str], emptied: _Times) -> Iterator[Gap]:
    keys = sorted(set(wanted.values()))
    events = model.objects.filter(
        kind="change",
        action__in=sorted(VERSIONS),
        object_key__gte=keys[0],
        object_key__lte=keys[-1],
    )
    if events.count() > MOST_VERSIONS * len(wanted):
        # Naming thousands of keys costs more than reading what stands between them, but not here.
        events = events.filter(object_key__in=keys)
    found: list[tuple[_Row, _Row, list[Change]]] = []
    ordered = events.oldest_first()
    by_object = ordered.order_by("database", "object_key", *ordered.query.order_by)
    rows = (_Row(*row) for row in by_object.values_list(*_Row._fields).iterator())
    for _, versions in groupby(rows, key=lambda row: (row.database, row.object_key)):
        found += (gap for gap in _gaps_between(versions, emptied) if gap[1].event_id in wanted)
    if not found:
        return
    ids = {row.event_id for previous, event, _ in found for row in (previous, event)}
    whole: dict[str, Event] = {
        event.event_id: event for event in events.filter(event_id__in=sorted(ids))
    }
    for previous, row, changes in found:
        event = whole[row.event_id]
        yield Gap(
            previous=whole[previous.event_id],
            event=event,
            changes=tuple(diff(event) if row.is_reconciled else changes),
            is_reconciled=row.is_reconciled,
        )


def _gaps_between(
    versions: Iterator[_Row], emptied: _Times
) -> Iterator[tuple[_Row, _Row, list[Change]]]:
    previous: _Row | None = None
    state: Any = None
    for version in versions:
        if previous is not None:
            times = emptied.get((version.database, version.model), ())
            if any(previous.occurred_at < time < version.occurred_at for time in times):
                state = None
            found = contradictions(state, start_of(version))
            if found is not None or version.is_reconciled:
                yield previous, version, found or []
        previous, state = version, end_of(version, state)
