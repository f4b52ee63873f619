"""Statements in a block of `trailkeeper.disabled()`: executed, counted, and not recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from trailkeeper.capture import instances, triggers
from trailkeeper.failure import logger

if TYPE_CHECKING:
    from trailkeeper.capture.registry import Tracker
    from trailkeeper.capture.transactions import Capture
    from trailkeeper.policy.disabling import Block

__all__ = ["pass_over"]


def pass_over(
    block: Block, compiler: Any, tracker: Tracker, capture: Capture, execute: Callable[[], Any]
) -> Any:
    """Executes a statement and counts what it has written.

    Args:
        block: counts it.
        compiler: of the statement.
        tracker: of the table that is written.
        capture: of the statement's connection.
        execute: runs the statement, and gives its result.

    Returns:
        What `execute` gave.
    """
    query = compiler.query
    objects = getattr(query, "objs", None)
    is_nothing = objects is None and getattr(query, "values", True) == []
    if capture.updating is compiler or is_nothing:
        # `execute_returning_sql` has called `execute_sql`; or there is nothing to write here.
        return execute()
    outer, capture.updating = capture.updating, compiler
    try:
        result = execute()
    finally:
        capture.updating = outer
    rows = _rows(query, objects, result)
    if rows != 0:
        link = tracker.link
        label = tracker.label if link is None else f"{link.model}.{link.field}"
        block.count(label, capture, rows)
        try:
            _note(query, objects, tracker, capture)
        except Exception as error:
            logger.warning("trailkeeper could not note a %s: %r", tracker.label, error)
    return result


def _rows(query: Any, objects: Any, result: Any) -> int | None:
    """How many rows a statement has written; None if nobody knows."""
    if objects is not None:
        return len(objects) if query.on_conflict is None else None
    if isinstance(result, list):
        return len(result)
    return result if isinstance(result, int) and result >= 0 else None


def _note(query: Any, objects: Any, tracker: Tracker, capture: Capture) -> None:
    """Notes on the instances what the database has for them now, as far as it is known."""
    for instance in objects or ():
        # A row that is new under an old instance.
        instance._state.__dict__.pop(instances.ATTRIBUTE, None)
    saving = query.__dict__.get(instances.SAVING)
    if saving is not None:
        instance, key, values = saving
        if triggers.reach(tracker, capture.connection):
            instance._state.__dict__.pop(instances.ATTRIBUTE, None)
            return
        before = instances.known_values(instance, tracker)
        _, known, _ = tracker.layout.written(before, key, values)
        instances.remember(instance, tracker, known, capture.current_scope())
