"""Inserts: of one instance, of many, of links, and those that skip or change what is there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import islice, repeat
from typing import TYPE_CHECKING, Any

from trailkeeper._recorder import frozen
from trailkeeper.capture import conflicts, links, parts, returning, rows, statement, triggers
from trailkeeper.capture.instances import UNKNOWN, remember
from trailkeeper.capture.labels import label_of, label_of_row
from trailkeeper.capture.registry import object_id_of
from trailkeeper.layers import current_context

if TYPE_CHECKING:
    from trailkeeper._recorder import Transaction
    from trailkeeper.capture.registry import Link, Tracker
    from trailkeeper.capture.transactions import Capture

__all__ = ["record"]

#: `SQLInsertCompiler.execute_sql` with its arguments, or what does more than that.
Execute = partial[Any] | Callable[[], Any]

#: Instances with their rows; None for one that is not known.
Stored = Iterable[tuple[Any, Sequence[Any]]]


def record(compiler: Any, tracker: Tracker, capture: Capture, execute: partial[Any]) -> Any:
    """Executes an insert statement and records each row that it added."""
    query = compiler.query
    if query.on_conflict is not None:
        return conflicts.record(compiler, tracker, capture, execute)
    if tracker.link is not None:
        return _link(compiler, tracker, tracker.link, capture, execute)
    if tracker.has_kin:
        return parts.insert(compiler, tracker, capture, execute, _insert)
    return _insert(compiler, tracker, capture, execute)


def _insert(compiler: Any, tracker: Tracker, capture: Capture, execute: Execute) -> Any:
    query = compiler.query
    alias = compiler.using
    reach = triggers.Reach.NONE
    if (tracker.model, alias) not in triggers.untouched:
        reach = triggers.reach(tracker, compiler.connection)
    returned: list[rows.Row] | None = None

    def add(transaction: Transaction, instance: Any, state: Sequence[Any]) -> None:
        transaction.change(
            tracker.schema,
            current_context(),
            "create",
            object_id_of(tracker, state),
            _label_of(instance, tracker, state, capture),
            None,
            tuple(state),
            alias,
        )
        if tracker.through:
            links.follow(transaction, tracker, None, state, alias=alias)

    def intend(transaction: Transaction) -> None:
        # Django has yet to call `pre_save`: what that sets is not known.
        for instance in query.objs:
            add(transaction, instance, _meant(instance, tracker))

    def insert_returning(execute: partial[Any]) -> Any:
        nonlocal returned
        returned, asked = returning.insert(compiler, tracker.fields, execute)
        if asked is None:
            return []
        # None is what Django finds for one row that a trigger has kept out.
        return asked or [None]

    def confirm(result: Any, transaction: Transaction) -> None:
        if returned is None:
            stored: Stored = _stored(compiler, tracker, result, alias, reach)
        else:
            stored = _returned(compiler, tracker, returned, alias, reach)
        for instance, state in stored:
            add(transaction, instance, state)
            if instance is None:
                continue
            values = tuple(state)
            if tracker.mutable:
                values = frozen(values, tracker.mutable)
            remember(instance, tracker, values, capture.scope)

    run: Execute = execute
    # Of a parent's table, an insert into a child's returns nothing.
    can_return = reach and not tracker.parents and returning.can_insert(compiler, tracker)
    if can_return and isinstance(execute, partial):
        run = partial(insert_returning, execute)
    return statement.run(
        capture,
        run,
        intend=intend,
        confirm=confirm,
        intent_is_exact=False,
        has_effect=lambda _: returned is None or bool(returned),
        doing=f"record the creation of a {tracker.label}",
    )


def _label_of(
    instance: Any, tracker: Tracker, state: Sequence[Any], capture: Capture
) -> str | None:
    """How the instance shows itself with its key; None as long as that is not known.

    Where it is not known which instance a row is of, as the row does.
    """
    if instance is None:
        return label_of_row(tuple(state), tracker, capture.connection)
    if any(state[place] is UNKNOWN for place in tracker.pk):
        return None
    attributes = instance.__dict__
    names = [tracker.attnames[place] for place in tracker.pk]
    missing = [name for name in names if attributes.get(name) is None]
    # Django sets what the database gave as soon as the statement is done: too late for the event.
    attributes.update({name: state[tracker.index[name]] for name in missing})
    try:
        return label_of(instance, tracker, capture.connection)
    finally:
        attributes.update(dict.fromkeys(missing))


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


def _returned(
    compiler: Any,
    tracker: Tracker,
    returned: Sequence[rows.Row],
    alias: str,
    reach: triggers.Reach,
) -> Stored:
    """The inserted instances with their rows, which the statement has returned.

    A trigger can keep some out: then nobody knows which of the instances a row is of.
    """
    objects = compiler.query.objs
    stored = returning.convert(compiler, tracker.fields, returned)
    if reach is triggers.Reach.LATER:
        stored = rows.as_stored(tracker, stored, alias)
    is_whole = len(returned) == len(objects)
    return zip(objects if is_whole else repeat(None), stored, strict=False)


def _stored(
    compiler: Any, tracker: Tracker, result: Any, alias: str, reach: triggers.Reach
) -> Stored:
    """The inserted instances with their rows: what was sent, and what the database returned."""
    objects = compiler.query.objs
    returning = getattr(compiler, "returning_fields", None) or ()
    places = [tracker.index.get(field.attname) for field in returning]
    returned = iter(result if result and len(result) == len(objects) else ())
    for chunk in rows.chunked(objects):
        states = [_meant(instance, tracker) for instance in chunk]
        for state, row in zip(states, islice(returned, len(chunk)), strict=False):
            for place, value in zip(places, row, strict=False):
                if place is not None:
                    state[place] = value
        if reach:
            # What was sent is not what is stored, until that is seen.
            for state in states:
                kept = {place: state[place] for place in tracker.pk}
                state[:] = (kept.get(place, UNKNOWN) for place in range(len(state)))
        _look_up(tracker, states, alias)
        yield from zip(chunk, states, strict=True)


def _look_up(tracker: Tracker, states: list[list[Any]], alias: str) -> None:
    """Replaces rows that are not wholly known by those that the database has."""
    unknown = [
        state
        for state in states
        if any(value is UNKNOWN for value in state)
        and not any(state[place] is None or state[place] is UNKNOWN for place in tracker.pk)
    ]
    if not unknown:
        return
    keys = [tracker.python_key_of(state) for state in unknown]
    found = rows.of_keys(tracker, keys, alias)
    for key, state in zip(keys, unknown, strict=True):
        state[:] = found.get(key, state)


def _link(
    compiler: Any, tracker: Tracker, link: Link, capture: Capture, execute: partial[Any]
) -> Any:
    alias = compiler.using
    pairs = [(getattr(o, link.source), getattr(o, link.target)) for o in compiler.query.objs]

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
