"""Events about rows that nobody is writing: what stands there is recorded as it is.

The rows are locked until the events are in the spool, so that a change that another process makes
comes after them. No database decides about the events: they count as soon as they are written. One
that cannot be written is an error whatever `ON_FAILURE` says, since no write of the application
depends on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from django.db import connections

from trailkeeper import spool
from trailkeeper._recorder import RecorderError
from trailkeeper.capture.transactions import capture_of
from trailkeeper.exceptions import UnavailableError
from trailkeeper.layers import current_context
from trailkeeper.tables.stored import locking

if TYPE_CHECKING:
    from trailkeeper._recorder import Transaction
    from trailkeeper.capture.registry import Tracker
    from trailkeeper.history.versions import State

__all__ = ["add_version", "locked_writer", "names_of"]

#: Tells whoever finds the transaction sealed, and not marked, that no database is to be asked.
NOTE: Final = b'{"database":null}'


@contextmanager
def locked_writer(using: str) -> Iterator[Transaction]:
    """A `locking` block, and what collects the events of its rows.

    They are in the spool when the block ends; those of a block that raises are dropped. Inside a
    transaction of the caller's they belong to that one, as the rows may.

    Raises:
        UnavailableError: if the events cannot be written.
    """
    capture = capture_of(connections[using])
    is_outermost = capture.is_autocommit()
    with locking(using), _unavailable():
        if not is_outermost:
            yield capture.open()
            return
        transaction = spool.begin()
        try:
            yield transaction
        except BaseException:
            transaction.abort()
            raise
        if len(transaction):
            # In two steps, which many large rows need: they do not stay in memory.
            transaction.prepare(NOTE)
            transaction.commit()


@contextmanager
def _unavailable() -> Iterator[None]:
    try:
        yield
    except RecorderError as error:
        raise UnavailableError(f"the spool does not take events: {error}") from error


def names_of(tracker: Tracker) -> list[str]:
    """The names of the tracked fields, in the order of the tracker."""
    return [field.name for field in tracker.fields]


def add_version(
    transaction: Transaction,
    tracker: Tracker,
    *,
    action: str,
    using: str,
    object_id: str,
    label: str | None = None,
    tenant: str | None = None,
    before: State | None = None,
    after: State | None = None,
    changed: Sequence[str] | None = None,
    unavailable: Sequence[str] = (),
    data: dict[str, Any] | None = None,
) -> None:
    """Adds a version of an object, from states as `Schema.encode` gives them, read from JSON."""
    items = {
        "kind": "change",
        "action": action,
        "outcome": "success",
        "database": using,
        "model": tracker.label,
        "object_id": object_id,
        "object_label": label,
        "tenant": tenant,
    }
    json = {
        "before": before,
        "after": after,
        "changed": changed,
        "unavailable": sorted(unavailable) or None,
        "data": data,
    }
    transaction.event(current_context(), items, json)
