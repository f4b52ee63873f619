"""Deletes: of instances, of all rows that a query matches, of links."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from trailkeeper.capture import links, rows, statement
from trailkeeper.capture.registry import object_id_of
from trailkeeper.layers import current_context

if TYPE_CHECKING:
    from trailkeeper._recorder import Transaction
    from trailkeeper.capture.registry import Tracker
    from trailkeeper.capture.transactions import Capture

__all__ = ["record"]


def record(compiler: Any, tracker: Tracker, capture: Capture, execute: Callable[[], Any]) -> Any:
    """Executes a delete statement and records each row that it removed, with its last values."""
    alias = compiler.using
    found = statement.look(
        lambda: rows.matched_by(compiler.query, tracker, alias),
        doing=f"read the rows that a delete of {tracker.label} removes",
    )
    if found is None:
        return execute()
    gone = found

    def add(transaction: Transaction) -> None:
        link = tracker.link
        if link is not None:
            pairs = links.pairs_of(tracker, link, gone)
            links.add_links(transaction, link, "unlink", pairs, alias=alias)
            return
        context = current_context()
        for row in gone:
            transaction.change(
                tracker.schema,
                context,
                "delete",
                object_id_of(tracker, row),
                None,
                row,
                None,
                alias,
            )

    return statement.run(
        capture,
        execute,
        intend=add,
        confirm=lambda _, transaction: add(transaction),
        intent_is_exact=True,
        has_effect=lambda _: bool(gone),
        doing=f"record a delete of {tracker.label}",
    )
