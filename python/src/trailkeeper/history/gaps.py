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
from trailkeeper.history.family import Told, kin_condition, parts_of, told_by
from trailkeeper.history.ordering import OLDEST_FIRST
from trailkeeper.history.versions import (
    VERSIONS,
    State,
    Version,
    contradictions,
    end_of,
    start_of,
)

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


#: The version before a gap, the one behind it, and the fields.
_Found = tuple["_Row", "_Row", list[Change]]

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
    alone = [key for key in keys if not parts_of(_label_in(key))]
    found: list[_Found] = []
    if alone:
        events = _versions_of(model, alone, len(wanted))
        by_object = events.order_by("database", "object_key", *OLDEST_FIRST)
        rows = (_Row(*row) for row in by_object.values_list(*_Row._fields).iterator())
        rows = (row for row in rows if not parts_of(row.model))
        for _, versions in groupby(rows, key=lambda row: (row.database, row.object_key)):
            told = ((row, row) for row in versions)
            found += (gap for gap in _gaps_between(told, emptied) if gap[1].event_id in wanted)
    if len(alone) < len(keys):
        kin = sorted(set(keys).difference(alone))
        found += (gap for gap in _gaps_of_kin(model, kin, emptied) if gap[1].event_id in wanted)
    if not found:
        return
    ids = {row.event_id: row.object_key for *rows, _ in found for row in rows}
    events = model.objects.filter(object_key__in=sorted(set(ids.values())))
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


def _label_in(object_key: str) -> str:
    return object_key.partition("/")[0]


def _versions_of(model: type["Event"], keys: list[str], few: int) -> "EventQuerySet":
    """The versions of these objects; perhaps also of others between them, if those are few."""
    events: EventQuerySet = model.objects.filter(
        kind="change",
        action__in=sorted(VERSIONS),
        object_key__gte=keys[0],
        object_key__lte=keys[-1],
    )
    if events.count() > MOST_VERSIONS * few:
        # Naming thousands of keys costs more than reading what stands between them, but not here.
        events = events.filter(object_key__in=keys)
    return events


def _gaps_of_kin(model: type["Event"], keys: list[str], emptied: _Times) -> Iterator["_Found"]:
    """The gaps of objects with rows in several tables, row by row; those of one event as one."""
    condition = kin_condition(keys)
    events = model.objects.filter(condition, kind="change", action__in=sorted(VERSIONS))
    told: dict[tuple[str | None, str, str], list[tuple[_Row, Told]]] = defaultdict(list)
    for values in events.oldest_first().values_list(*_Row._fields).iterator():
        row = _Row(*values)
        object_id = row.object_key.partition("/")[2]
        for part, key, version in told_by(row, row.model, object_id):
            told[row.database, part.model, key].append((row, version))
    found: dict[tuple[str, str], _Found] = {}
    for (_, label, _), versions in told.items():
        for previous, row, changes in _gaps_between(iter(versions), emptied, label):
            pair = (previous.event_id, row.event_id)
            earlier = found[pair][2] if pair in found else []
            found[pair] = (previous, row, [*earlier, *changes])
    yield from found.values()


def _gaps_between(
    versions: Iterator[tuple[_Row, Version]], emptied: _Times, table: str | None = None
) -> Iterator[_Found]:
    """The gaps between versions, each with what it says of the row that is looked at.

    Args:
        versions: those that tell of the row, oldest first.
        emptied: when tables were emptied.
        table: label of the model in whose table the row stands; by default, the version's.
    """
    previous: _Row | None = None
    state: Any = None
    for row, version in versions:
        if previous is not None:
            times = emptied.get((row.database, table or row.model), ())
            if any(previous.occurred_at < time < row.occurred_at for time in times):
                state = None
            found = contradictions(state, start_of(version))
            if found is not None or row.is_reconciled:
                yield previous, row, found or []
        previous, state = row, end_of(version, state)
