"""Writing down what reconciliation has found.

The events say what was found and when it was found: nobody knows who did it, nor when. Their actor
is the command, `reason` says why they are there, and `data` marks them, so that `gaps()` goes on
reporting the place.

| found | event |
| --- | --- |
| other values | `update`, with the recorded values as `before` |
| in the table only, never seen | `baseline`: what it was before is not known |
| in the table, deleted in the trail | `create` |
| in the trail only | `delete` |
| a link in one of the two only | `link`, `unlink` |
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from trailkeeper.capture.links import add_named_links
from trailkeeper.capture.rows import CHUNK, chunked
from trailkeeper.history.gaps import FOUND_BY
from trailkeeper.layers import context
from trailkeeper.reconcile.drift import Drift, Kind
from trailkeeper.tables.events import add_version, locked_writer, names_of

if TYPE_CHECKING:
    from trailkeeper._recorder import Transaction
    from trailkeeper.capture.registry import Tracker
    from trailkeeper.history.versions import State
    from trailkeeper.reconcile.reconciliation import Comparison

__all__ = ["record"]

ACTOR: Final = "trailkeeper reconcile"
REASON: Final = "found by reconciliation: written past the trail"


def record(tracker: Tracker, comparison: Comparison, found: dict[Any, Drift], using: str) -> int:
    """Writes an event for each drift that still is what was found, with its row locked.

    Returns:
        How many were written.
    """
    count = 0
    for keys in chunked(sorted(found), CHUNK):
        with context(actor=ACTOR, reason=REASON), locked_writer(using) as transaction:
            again = comparison.look(keys, is_locked=True)
            for key, now in again.items():
                if now == found[key]:
                    _add(transaction, tracker, now)
                    count += 1
    return count


def _add(transaction: Transaction, tracker: Tracker, drift: Drift) -> None:
    link = tracker.link
    if link is not None:
        ids = [
            (drift.object_id, other["object_id"])
            for change in drift.changes
            for other in change.old or change.new
        ]
        action = "link" if drift.kind is Kind.MISSING else "unlink"
        add_named_links(transaction, link, action, ids, alias=drift.database, data=FOUND_BY)
        return
    names = names_of(tracker)
    before, after = drift.recorded, drift.stored
    changed = None
    known = [state for state in (before, after) if state is not None]
    if drift.kind is Kind.DIFFERS:
        changed = drift.fields
        before = {change.field: change.old for change in drift.changes}
    add_version(
        transaction,
        tracker,
        action=_action(drift),
        using=drift.database,
        object_id=drift.object_id,
        tenant=_tenant_in(tracker, known),
        before=before,
        after=after,
        changed=changed,
        unavailable=[name for name in names if any(name not in state for state in known)],
        data=FOUND_BY,
    )


def _tenant_in(tracker: Tracker, states: Sequence[State]) -> str | None:
    """The tenant that the row itself names, as the newest of its states has it."""
    if tracker.tenant is None:
        return None
    name = tracker.model._meta.get_field(tracker.tenant).name
    value = next((state[name] for state in reversed(states) if name in state), None)
    return None if value is None else str(value)


def _action(drift: Drift) -> str:
    match drift.kind:
        case Kind.DIFFERS:
            return "update"
        case Kind.LEFT_OVER:
            return "delete"
        case Kind.MISSING:
            # A create would say that it was not there before.
            return "baseline" if drift.event_id is None else "create"
