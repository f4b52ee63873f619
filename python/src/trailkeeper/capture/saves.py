"""Updates by `Model.save()`: what applications do most, so written for speed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from trailkeeper._recorder import frozen, written
from trailkeeper.capture import rows, statement
from trailkeeper.capture.instances import UNKNOWN, known_values, remember
from trailkeeper.capture.labels import label_of
from trailkeeper.capture.registry import object_id_of
from trailkeeper.layers import current_context

if TYPE_CHECKING:
    from trailkeeper._recorder import Transaction
    from trailkeeper.capture.registry import Tracker
    from trailkeeper.capture.transactions import Capture

__all__ = ["record"]


def record(
    compiler: Any,
    tracker: Tracker,
    capture: Capture,
    execute: Callable[[], Any],
    saving: tuple[Any, Any, Any],
) -> Any:
    """Executes the update of one instance and records it.

    Args:
        compiler: of the statement.
        tracker: of the table that is written.
        capture: of the statement's connection.
        execute: runs the statement, and gives its result.
        saving: the instance, its key, and the fields with their values.

    Returns:
        What `execute` gave.

    Raises:
        RecordingError: if the event cannot be recorded and `ON_FAILURE` is `"raise"`.
    """
    instance, key, values = saving
    alias = compiler.using
    before = known_values(instance, tracker)
    if tracker.is_key_first and len(values) + 1 == len(tracker.attnames):
        # All fields but the key, in the order of the model: the usual save.
        after, has_expression = written((key,), values)
    else:
        after, has_expression = _partly_written(tracker, before, key, values)
    if tracker.mutable:
        after = frozen(after, tracker.mutable)
    object_id = object_id_of(tracker, after)
    label = label_of(instance, tracker, capture.connection)
    is_computed = has_expression or bool(tracker.generated)

    def add(transaction: Transaction) -> None:
        transaction.change(
            tracker.schema, current_context(), "update", object_id, label, before, after, alias
        )

    def confirm(_: Any, transaction: Transaction) -> None:
        nonlocal after
        if is_computed:
            after = next(rows.of_keys(tracker, [key], alias), after)
        add(transaction)

    result = statement.run(
        capture,
        execute,
        intend=add,
        confirm=confirm,
        intent_is_exact=not is_computed,
        has_effect=bool,
        doing=f"record the update of a {tracker.label}",
    )
    if result:
        if is_computed and tracker.mutable:
            after = frozen(after, tracker.mutable)
        remember(instance, tracker, after, capture.scope)
    return result


def _partly_written(
    tracker: Tracker, before: tuple[Any, ...] | None, key: Any, values: list[tuple[Any, ...]]
) -> tuple[tuple[Any, ...], bool]:
    """The row after a save that does not write all fields."""
    sent, has_expression = written((), values)
    after = list(before) if before is not None else [UNKNOWN] * len(tracker.attnames)
    for (field, _, _), value in zip(values, sent, strict=True):
        after[tracker.index[field.attname]] = value
    for place in tracker.generated:
        after[place] = UNKNOWN
    if before is None and len(tracker.pk) == 1:
        after[tracker.pk[0]] = key
    return tuple(after), has_expression
