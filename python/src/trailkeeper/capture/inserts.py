"""Inserts: of one instance, of many, of links."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from trailkeeper._recorder import frozen
from trailkeeper.capture import links, rows, statement
from trailkeeper.capture.instances import UNKNOWN, remember
from trailkeeper.capture.labels import label_of
from trailkeeper.capture.registry import object_id_of
from trailkeeper.layers import current_context

if TYPE_CHECKING:
    from trailkeeper._recorder import Transaction
    from trailkeeper.capture.registry import Link, Tracker
    from trailkeeper.capture.transactions import Capture

__all__ = ["record"]


def record(compiler: Any, tracker: Tracker, capture: Capture, execute: Callable[[], Any]) -> Any:
    """Executes an insert statement and records each row that it added."""
    if tracker.link is not None:
        return _link(compiler, tracker, tracker.link, capture, execute)
    query = compiler.query
    if query.on_conflict is not None:
        return _conflicting(compiler, tracker, capture, execute)
    alias = compiler.using
    objects = query.objs
    # In autocommit the intent is written before Django has called `pre_save`: what that sets is
    # not known yet.
    stored: list[list[Any]] = []

    def add(transaction: Transaction, states: Sequence[Sequence[Any]]) -> None:
        context = current_context()
        for instance, state in zip(objects, states, strict=True):
            transaction.change(
                tracker.schema,
                context,
                "create",
                object_id_of(tracker, state),
                label_of(instance, tracker, capture.connection) if len(objects) == 1 else None,
                None,
                tuple(state),
                alias,
            )

    def confirm(result: Any, transaction: Transaction) -> None:
        stored.extend(_stored(compiler, tracker, result, alias))
        add(transaction, stored)

    result = statement.run(
        capture,
        execute,
        intend=lambda transaction: add(transaction, [_meant(o, tracker) for o in objects]),
        confirm=confirm,
        intent_is_exact=False,
        has_effect=lambda _: True,
        doing=f"record the creation of a {tracker.label}",
    )
    for instance, state in zip(objects, stored, strict=False):
        values = frozen(tuple(state), tracker.mutable) if tracker.mutable else tuple(state)
        remember(instance, tracker, values, capture.scope)
    return result


def _meant(instance: Any, tracker: Tracker) -> list[Any]:
    state = []
    for name in tracker.attnames:
        value = instance.__dict__.get(name, UNKNOWN)
        state.append(UNKNOWN if hasattr(value, "resolve_expression") else value)
    for place in tracker.pk:
        if state[place] is None:
            # The database has yet to give it.
            state[place] = UNKNOWN
    return state


def _stored(compiler: Any, tracker: Tracker, result: Any, alias: str) -> list[list[Any]]:
    """The states of the inserted rows: what was sent, and what the database returned."""
    states = [_meant(instance, tracker) for instance in compiler.query.objs]
    returning = getattr(compiler, "returning_fields", None) or ()
    if result and len(result) == len(states):
        places = [tracker.index.get(field.attname) for field in returning]
        for state, row in zip(states, result, strict=True):
            for place, value in zip(places, row, strict=False):
                if place is not None:
                    state[place] = value
    computed = [place for place in range(len(tracker.attnames)) if place not in tracker.pk]
    unknown = [
        state
        for state in states
        if any(state[place] is UNKNOWN for place in computed)
        and len(tracker.pk) == 1
        and state[tracker.pk[0]] not in (None, UNKNOWN)
    ]
    if unknown:
        key = tracker.pk[0]
        found = {row[key]: row for row in rows.of_keys(tracker, [s[key] for s in unknown], alias)}
        for state in unknown:
            state[:] = found.get(state[key], state)
    return states


def _link(
    compiler: Any, tracker: Tracker, link: Link, capture: Capture, execute: Callable[[], Any]
) -> Any:
    alias = compiler.using
    pairs = [(getattr(o, link.source), getattr(o, link.target)) for o in compiler.query.objs]
    if compiler.query.on_conflict is not None:
        known = statement.look(
            lambda: links.existing(tracker, link, pairs, using=alias),
            doing=f"read the links of {link.model}",
        )
        pairs = [pair for pair in pairs if known is None or pair not in known]

    def add(transaction: Transaction) -> None:
        links.add_links(transaction, link, "link", pairs, alias=alias)

    return statement.run(
        capture,
        execute,
        intend=add,
        confirm=lambda _, transaction: add(transaction),
        intent_is_exact=True,
        has_effect=lambda _: bool(pairs),
        doing=f"record links of {link.model}",
    )


def _conflicting(
    compiler: Any, tracker: Tracker, capture: Capture, execute: Callable[[], Any]
) -> Any:
    """An insert that may skip or change rows, and the database does not say which: one event."""
    query = compiler.query
    alias = compiler.using
    items = {
        "kind": "change",
        "action": "opaque",
        "outcome": "success",
        "database": alias,
        "model": tracker.label,
    }
    data = {
        "table": tracker.model._meta.db_table,
        "verb": "insert",
        "rows": len(query.objs),
        "statement": f"bulk_create with {query.on_conflict.name.lower()} conflicts",
    }

    def add(transaction: Transaction) -> None:
        transaction.event(current_context(), items, {"data": data})

    return statement.run(
        capture,
        execute,
        intend=add,
        confirm=lambda _, transaction: add(transaction),
        intent_is_exact=True,
        has_effect=lambda _: True,
        doing=f"record an insert into {tracker.label}",
    )
