"""Updates: of one saved instance, or of all rows that a query matches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

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

#: Types whose values are never expressions: asked first, for it is quick.
PLAIN: Final = frozenset(
    {bool, bytes, date, datetime, Decimal, dict, float, int, list, str, type(None), UUID}
)


def record(compiler: Any, tracker: Tracker, capture: Capture, execute: Callable[[], Any]) -> Any:
    """Executes an update statement and records what it changed."""
    if capture.updating is compiler:
        return execute()
    outer, capture.updating = capture.updating, compiler
    try:
        return _record(compiler, tracker, capture, execute)
    finally:
        capture.updating = outer


def _record(compiler: Any, tracker: Tracker, capture: Capture, execute: Callable[[], Any]) -> Any:
    saving, capture.saving = capture.saving, None
    if saving is not None:
        return _save(compiler, tracker, capture, execute, saving)
    if not compiler.query.values:
        return execute()
    return _update(compiler, tracker, capture, execute)


def _save(
    compiler: Any,
    tracker: Tracker,
    capture: Capture,
    execute: Callable[[], Any],
    saving: tuple[Any, Any, Any],
) -> Any:
    instance, key, values = saving
    alias = compiler.using
    before = known_values(instance, tracker)
    sent = [value for _, _, value in values]
    has_expression = False
    for place, value in enumerate(sent):
        if type(value) not in PLAIN and hasattr(value, "resolve_expression"):
            has_expression = True
            sent[place] = UNKNOWN
    if tracker.is_key_first and len(sent) + 1 == len(tracker.attnames):
        # All fields but the key, in the order of the model: the usual save.
        after = [key, *sent]
    else:
        after = list(before) if before is not None else [UNKNOWN] * len(tracker.attnames)
        for (field, _, _), value in zip(values, sent, strict=True):
            after[tracker.index[field.attname]] = value
        for place in tracker.generated:
            after[place] = UNKNOWN
        if before is None and len(tracker.pk) == 1:
            after[tracker.pk[0]] = key
    object_id = object_id_of(tracker, after)
    label = label_of(instance, tracker, capture.connection)
    before = None if before is None else tuple(before)

    def add(transaction: Transaction, stored: Sequence[Any]) -> None:
        transaction.change(
            tracker.schema,
            current_context(),
            "update",
            object_id,
            label,
            before,
            tuple(stored),
            alias,
        )

    def confirm(_: Any, transaction: Transaction) -> None:
        nonlocal after
        if has_expression or tracker.generated:
            after = list(next(rows.of_keys(tracker, [key], alias), after))
        add(transaction, after)

    result = statement.run(
        capture,
        execute,
        intend=lambda transaction: add(transaction, after),
        confirm=confirm,
        intent_is_exact=not has_expression and not tracker.generated,
        has_effect=bool,
        doing=f"record the update of a {tracker.label}",
    )
    if result:
        remember(instance, tracker, after, capture.scope)
    return result


def _update(compiler: Any, tracker: Tracker, capture: Capture, execute: Callable[[], Any]) -> Any:
    alias = compiler.using
    values = compiler.query.values
    found = statement.look(
        lambda: rows.matched_by(compiler.query, tracker, alias),
        doing=f"read the rows that an update of {tracker.label} changes",
    )
    if found is None:
        return execute()
    olds = found
    is_plain = not tracker.generated and not any(
        hasattr(value, "resolve_expression") for _, _, value in values
    )
    index = tracker.index

    def meant(old: Sequence[Any]) -> list[Any]:
        new = list(old)
        for field, _, value in values:
            if hasattr(value, "resolve_expression"):
                value = UNKNOWN
            elif hasattr(value, "prepare_database_save"):
                value = value.prepare_database_save(field)
            new[index[field.attname]] = value
        for place in tracker.generated:
            new[place] = UNKNOWN
        return new

    def add(transaction: Transaction, old: Sequence[Any], new: Sequence[Any]) -> None:
        transaction.change(
            tracker.schema,
            current_context(),
            "update",
            object_id_of(tracker, old),
            None,
            tuple(old),
            tuple(new),
            alias,
        )

    def intend(transaction: Transaction) -> None:
        for old in olds:
            add(transaction, old, meant(old))

    def confirm(_: Any, transaction: Transaction) -> None:
        if is_plain:
            intend(transaction)
            return
        place = tracker.pk[0]
        stored = {
            row[place]: row for row in rows.of_keys(tracker, [old[place] for old in olds], alias)
        }
        for old in olds:
            add(transaction, old, stored.get(old[place]) or meant(old))

    return statement.run(
        capture,
        execute,
        intend=intend,
        confirm=confirm,
        intent_is_exact=is_plain,
        has_effect=bool,
        doing=f"record an update of {tracker.label}",
    )
