"""Updates of all rows that a query matches; those of one saved instance are in `saves`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db import transaction as db_transaction
from django.db.models.sql.constants import NO_RESULTS

from trailkeeper import rights
from trailkeeper.capture import links, parts, rows, saves, statement
from trailkeeper.capture.instances import SAVING, UNKNOWN
from trailkeeper.capture.labels import label_of_row
from trailkeeper.capture.registry import object_id_of
from trailkeeper.layers import current_context

if TYPE_CHECKING:
    from trailkeeper._recorder import Transaction
    from trailkeeper.capture.registry import Tracker
    from trailkeeper.capture.transactions import Capture

__all__ = ["record"]


def record(compiler: Any, tracker: Tracker, capture: Capture, execute: partial[Any]) -> Any:
    """Executes an update statement and records what it changed."""
    if capture.updating is compiler:
        # `execute_returning_sql` has called `execute_sql`: one of them records.
        return execute()
    if capture.updating is not None and parts.is_part(compiler.query, capture.updating.query):
        return execute()
    outer, capture.updating = capture.updating, compiler
    try:
        query = compiler.query
        saving = query.__dict__.get(SAVING)
        if saving is not None:
            save = parts.save if tracker.has_kin else saves.record
            return save(compiler, tracker, capture, execute, saving)
        if not query.values and not query.related_updates:
            return execute()
        return _update(compiler, tracker, capture, execute)
    finally:
        capture.updating = outer


def _update(compiler: Any, tracker: Tracker, capture: Capture, execute: partial[Any]) -> Any:
    alias = compiler.using
    values = parts.values_of(compiler.query, tracker)
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
            label_of_row(new, tracker, capture.connection),
            tuple(old),
            tuple(new),
            alias,
        )
        if tracker.through:
            links.follow(transaction, tracker, old, new, alias=alias)
        rights.add_row_changes(transaction, tracker, old, new, alias=alias)

    def intend(transaction: Transaction) -> None:
        for old in olds:
            add(transaction, old, meant(old))

    def confirm(_: Any, transaction: Transaction) -> None:
        if is_plain:
            intend(transaction)
            return
        for chunk in olds.chunks():
            stored = rows.of_keys(tracker, [tracker.key_of(old) for old in chunk], alias)
            for old in chunk:
                add(transaction, old, stored.get(tracker.key_of(old)) or meant(old))

    def run() -> Any:
        return statement.run(
            capture,
            execute,
            intend=intend,
            confirm=confirm,
            intent_is_exact=is_plain,
            # `QuerySet` gets the number of rows; deletions that set a field do not ask for it.
            has_effect=bool if NO_RESULTS not in execute.args else lambda _: bool(olds),
            doing=f"record an update of {tracker.label}",
        )

    with closing(olds):
        # In autocommit what was stored would replace what was meant, all at once in memory.
        is_large = not is_plain and len(olds) > rows.KEPT
        if (is_large or parts.has_many(compiler.query)) and capture.is_autocommit():
            with db_transaction.atomic(using=alias):
                return run()
        return run()
