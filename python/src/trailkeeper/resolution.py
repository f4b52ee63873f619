"""Transactions in doubt: their writer died, or lost its connection, between the database's COMMIT
and the mark.

The database is asked. A transaction is whole or nothing, so one row decides for all: the state the
transaction would have left stands there, or the state before it, or the trail holds a later event
of the same object that starts from either. What shows neither is recorded as in doubt, never
asserted and never dropped.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from django.apps import apps
from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.db import connections

from trailkeeper import spool
from trailkeeper._recorder import decode
from trailkeeper.capture import rows
from trailkeeper.capture.registry import Tracker, object_id_of, tracker_of

if TYPE_CHECKING:
    from trailkeeper_engine import Drainer, InDoubt

__all__ = ["resolve_all"]

logger: Final = logging.getLogger("trailkeeper")

Verdict = Literal["committed", "aborted", "unknown"]
State = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """What a transaction in doubt would have done to one object.

    Args:
        model: the object's model label.
        object_id: its id; None for an object whose key the database had yet to give.
        before: the state before the transaction; None if it did not exist.
        after: the state after it; None if it does not exist any more.
        occurred_at: when, in microseconds.
        record: the last event, as it stands in the spool.
    """

    model: str
    object_id: str | None
    before: State | None
    after: State | None
    occurred_at: int
    record: bytes


def resolve_all(drainer: Drainer) -> int:
    """Resolves every transaction in doubt.

    Args:
        drainer: of the spool that holds them.

    Returns:
        How many were resolved.
    """
    pending = drainer.in_doubt()
    for doubt in pending:
        verdict = _verdict(doubt)
        logger.warning(
            "trailkeeper: transaction %s/%s was in doubt: %s", doubt.writer, doubt.number, verdict
        )
        drainer.resolve(doubt, verdict)
    return len(pending)


def _verdict(doubt: InDoubt) -> Verdict:
    note = json.loads(doubt.note or b"{}")
    alias = note.get("database", "default")
    if alias is None:
        # No database decided about it: all of it is written, only the mark is not.
        return "committed"
    if alias not in connections:
        return "unknown"
    verdicts = {_examine(trace, alias) for trace in _traces(doubt.records)}
    verdicts.discard("unknown")
    return verdicts.pop() if len(verdicts) == 1 else "unknown"


def _traces(records: Iterable[bytes]) -> list[Trace]:
    """One trace for each object: from its first state to its last."""
    traces: dict[tuple[str, str | int], Trace] = {}
    for number, record in enumerate(records):
        event: dict[str, Any] = decode(record)
        if event.get("kind") != "change" or event.get("action") not in {
            "create",
            "update",
            "delete",
        }:
            continue
        object_id = event.get("object_id")
        key = (event["model"], object_id if object_id is not None else number)
        earlier = traces.get(key)
        first = earlier.before if earlier is not None else _object(event.get("before"))
        traces[key] = Trace(
            model=event["model"],
            object_id=object_id,
            before=first,
            after=_object(event.get("after")),
            occurred_at=event["occurred_at"],
            record=record,
        )
    return list(traces.values())


def _object(text: str | None) -> State | None:
    return None if text is None else json.loads(text)


def _examine(trace: Trace, alias: str) -> Verdict:
    try:
        model = apps.get_model(trace.model)
    except LookupError:
        return "unknown"
    tracker = tracker_of(model, connections[alias].vendor)
    if tracker is None:
        return "unknown"
    if trace.object_id is None:
        return _adopt(trace, tracker, alias)
    current = _state(tracker, trace.object_id, alias)
    if _is(current, trace.after) and not _is(current, trace.before):
        return "committed"
    later = _later_events(trace)
    if not later:
        is_before, is_after = _is(current, trace.before), _is(current, trace.after)
        return "aborted" if is_before and not is_after else "unknown"
    start = later[0].before if later[0].action != "create" else None
    if trace.after is not None and start and _overlaps(start, trace.after, trace.before):
        return "committed"
    if trace.before is not None and start and _overlaps(start, trace.before, trace.after):
        return "aborted"
    if trace.before is None and later[0].action == "update":
        return "committed"
    return "unknown"


def _is(current: State | None, expected: State | None) -> bool:
    """Whether the stored state is the expected one, on the fields that both know."""
    if current is None or expected is None:
        return current is None and expected is None
    return all(current[name] == value for name, value in expected.items() if name in current)


def _overlaps(start: State, this: State, other: State | None) -> bool:
    """Whether a later event starts from `this` state and cannot have started from the `other`."""
    shared = [name for name in start if name in this]
    if not shared or any(start[name] != this[name] for name in shared):
        return False
    return other is None or any(name in other and start[name] != other[name] for name in shared)


def _state(tracker: Tracker, object_id: str, alias: str) -> State | None:
    try:
        key = tracker.model._meta.pk.to_python(object_id)
        row = next(iter(rows.of_keys(tracker, [key], alias).values()), None)
    except (ValidationError, ObjectDoesNotExist, ValueError):
        return None
    return None if row is None else json.loads(tracker.schema.encode(row))


def _later_events(trace: Trace) -> list[Any]:
    from trailkeeper.models import Event

    found = Event.objects.filter(
        object_key=f"{trace.model}/{trace.object_id}", kind="change"
    ).order_by("occurred_at", "position")
    return [event for event in found if event.occurred_at.timestamp() * 1e6 > trace.occurred_at]


def _adopt(trace: Trace, tracker: Tracker, alias: str) -> Verdict:
    """Looks for the row of an insert whose key was not known yet, and records the insert with it.

    The insert stands in the spool without its key. It is recorded anew with the key, and the one
    without is dropped.
    """
    wanted = {
        name: value
        for name, value in (trace.after or {}).items()
        if tracker.model._meta.get_field(name).get_internal_type() not in _INEXACT
    }
    if not wanted:
        # The policy keeps no value by which the row could be told from others.
        return "unknown"
    candidates = tracker.model._base_manager.using(alias).filter(**wanted)
    for row in candidates.values_list(*tracker.attnames)[:_CANDIDATES]:
        object_id = object_id_of(tracker, row)
        state = tracker.schema.encode(row)
        if (
            object_id is None
            or not _is(json.loads(state), trace.after)
            or _is_recorded(tracker, object_id)
        ):
            continue
        transaction = spool.begin()
        transaction.adopt(trace.record, object_id, state.decode())
        transaction.complete()
        break
    return "aborted"


#: Values that a database does not compare as they were sent.
_INEXACT: Final = frozenset(
    {"JSONField", "BinaryField", "FloatField", "FileField", "DurationField"}
)
_CANDIDATES: Final = 100


def _is_recorded(tracker: Tracker, object_id: str) -> bool:
    from trailkeeper.models import Event

    key = f"{tracker.label}/{object_id}"
    return bool(Event.objects.filter(object_key=key, action="create").exists())
