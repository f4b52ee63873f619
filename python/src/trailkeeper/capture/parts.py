"""Writes of objects that have rows in several tables: one version for all of them.

Django writes such an object table by table, its parents first. Each statement is recorded as it
comes, so that what really happened is told if the next one fails. When that one has succeeded, the
event of what came before it is withdrawn, and the one that is added in its place tells of both.
Which statements belong together is known by the block that `Model.save_base` puts around them.

An event has the fields of the rows that were written. That of a create leaves out those of a
parent's row which was there before, and that of a delete those of one which stays.

Reads this private attribute of Django, held by a contract test:
`BaseDatabaseWrapper.atomic_blocks`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from trailkeeper.capture import saves
from trailkeeper.capture.instances import ATTRIBUTE
from trailkeeper.capture.registry import own_part_of, part_of, tracker_of
from trailkeeper.failure import report

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db import models

    from trailkeeper._recorder import Transaction
    from trailkeeper.capture.registry import Tracker
    from trailkeeper.capture.transactions import Capture

__all__ = ["has_many", "insert", "is_part", "save", "values_of"]

Execute = Callable[[], Any]


@dataclass(slots=True, kw_only=True, eq=False)
class Parts:
    """What the statements of one save have written so far, one after the other.

    Args:
        instance: the object that is saved.
        block: the block of `Model.save_base` around its statements.
        action: `create` or `update`.
        start: how many events the transaction had before the first of them.
        snapshot: what the instance was known to have before it.
        tables: the models whose tables were written.
        sent: the fields that were updated, with their values, as `Model._do_update` gives them.
        end: how many events the transaction has after the last of them.
        transaction: the transaction.
    """

    instance: models.Model
    block: Any
    action: str
    start: int
    snapshot: Any
    tables: list[type[models.Model]] = field(default_factory=list)
    sent: list[tuple[Any, ...]] = field(default_factory=list)
    end: int = 0
    transaction: Transaction | None = None

    @classmethod
    def of(cls, capture: Capture, instance: models.Model, action: str) -> Parts:
        """Those that the next statement goes on with; new ones if it is the first."""
        found: Parts | None = capture.parts
        # It is entered anew by each save of an object with several tables.
        block = capture.connection.atomic_blocks[-1]
        if (
            found is not None
            and found.instance is instance
            and found.block is block
            and found.action == action
            and found.transaction is capture.transaction
            and found.end == _count(capture)
        ):
            return found
        snapshot = instance._state.__dict__.get(ATTRIBUTE)
        return cls(
            instance=instance,
            block=block,
            action=action,
            start=_count(capture),
            snapshot=snapshot,
        )

    def add(self, capture: Capture, table: type[models.Model]) -> None:
        """Notes that a statement on `table` has succeeded and was recorded."""
        self.tables.append(table)
        self.transaction, self.end = capture.transaction, _count(capture)
        capture.parts = self

    def withdrawing(self, capture: Capture, execute: Execute) -> Execute:
        """`execute`, after which the event of what came before its statement is withdrawn."""
        if not self.tables:
            return execute

        def run() -> Any:
            result = execute()
            # An update that has found no row is followed by an insert.
            if (result or self.action == "create") and self.end == _count(capture):
                try:
                    capture.open().truncate(self.start)
                except Exception as error:
                    report(error, events=1, doing="put the versions of an object together")
            return result

        return run


def save(
    compiler: Any,
    tracker: Tracker,
    capture: Capture,
    execute: Execute,
    saving: tuple[Any, Any, list[tuple[Any, ...]]],
) -> Any:
    """Executes an update by `Model.save()` of a table that is one of several, and records it.

    The arguments and the result are those of `saves.record`.
    """
    instance, _, values = saving
    whole = tracker_of(type(instance), tracker.vendor)
    if whole is None or not whole.parents or not capture.connection.atomic_blocks:
        return saves.record(compiler, tracker, capture, execute, saving)
    parts = Parts.of(capture, instance, "update")
    capture.parts = None
    sent = [*parts.sent, *values]
    if tracker is not whole and instance._state.adding:
        # Whether there is a row in the model's own table is not known yet.
        result = saves.record(compiler, tracker, capture, execute, saving)
    else:
        result = _save_whole(compiler, whole, capture, execute, parts, sent)
    if result and tracker is not whole:
        parts.sent = sent
        parts.add(capture, tracker.model)
    return result


def _save_whole(
    compiler: Any,
    whole: Tracker,
    capture: Capture,
    execute: Execute,
    parts: Parts,
    sent: list[tuple[Any, ...]],
) -> Any:
    """Records all that was sent so far as one update of the object."""
    instance = parts.instance
    keys = _keys_of_parents(instance, whole)
    state = instance._state.__dict__
    noted = state.get(ATTRIBUTE)
    # The version begins where the first statement did.
    _put(state, parts.snapshot)
    is_done = False
    try:
        result = saves.record(
            compiler,
            whole,
            capture,
            parts.withdrawing(capture, execute),
            (instance, instance.pk, [*sent, *keys]),
        )
        is_done = bool(result)
    finally:
        if not is_done:
            _put(state, noted)
    return result


def _keys_of_parents(instance: models.Model, whole: Tracker) -> list[tuple[Any, ...]]:
    """The keys of the parents' rows, as fields with their values: those to which the links lead.

    Where the parents' rows are not saved, as by `loaddata`, the instance has the links and not the
    keys.
    """
    found = dict(_links_of(whole.model, instance.pk, instance.__dict__))
    keys = ((parent._meta.pk, found.get(parent)) for parent in whole.parents)
    return [
        (key, None, value)
        for key, value in keys
        if key.attname in whole.index and value is not None
    ]


def _links_of(
    model: type[models.Model], key: Any, attributes: dict[str, Any]
) -> Iterator[tuple[type[models.Model], Any]]:
    """The models of the parents' tables, each with the key of the row to which a link leads.

    Args:
        model: whose parents are wanted.
        key: of the object's row in its table.
        attributes: of the instance.
    """
    parents: dict[type[models.Model], Any] = model._meta.parents
    for parent, link in parents.items():
        target = key if link.primary_key else attributes.get(link.attname)
        yield from _links_of(parent, target, attributes)
        yield parent, target


def _put(state: dict[str, Any], snapshot: Any) -> None:
    if snapshot is None:
        state.pop(ATTRIBUTE, None)
    else:
        state[ATTRIBUTE] = snapshot


def insert(
    compiler: Any,
    tracker: Tracker,
    capture: Capture,
    execute: Execute,
    record: Callable[[Any, Tracker, Capture, Execute], Any],
) -> Any:
    """Executes an insert into a table that is one of several, and records it.

    Args:
        compiler: of the statement.
        tracker: of the model of the table.
        capture: of the statement's connection.
        execute: runs the statement, and gives its result.
        record: executes and records it, given the tracker of the fields that it tells of.

    Returns:
        What `execute` gave.
    """
    objects = compiler.query.objs
    whole = tracker_of(type(objects[0]), tracker.vendor) if len(objects) == 1 else None
    if whole is None or not whole.parents or not capture.connection.atomic_blocks:
        return record(compiler, own_part_of(tracker), capture, execute)
    parts = Parts.of(capture, objects[0], "create")
    capture.parts = None
    if parts.tables and set(parts.tables) <= {*tracker.parents}:
        told = part_of(tracker, (tracker.model, *parts.tables))
        execute = parts.withdrawing(capture, execute)
    else:
        told = own_part_of(tracker)
    result = record(compiler, told, capture, execute)
    if tracker is not whole:
        parts.add(capture, tracker.model)
    return result


def values_of(query: Any, tracker: Tracker) -> list[tuple[Any, ...]]:
    """The fields that an update sets, with their values: those of the parents' tables too."""
    values: list[tuple[Any, ...]] = query.values
    if not tracker.parents:
        return values
    related = [value for each in query.related_updates.values() for value in each]
    return [*values, *(each for each in related if each[0].attname in tracker.index)]


def has_many(query: Any) -> bool:
    """Whether an update is one of several tables, each of which takes a statement."""
    return len(query.related_updates) + bool(query.values) > 1


def is_part(query: Any, whole: Any) -> bool:
    """Whether an update is the part of the update `whole` that is for a parent's table."""
    related: dict[Any, Sequence[Any]] = whole.related_updates
    return any(query.values is values for values in related.values())


def _count(capture: Capture) -> int:
    transaction = capture.transaction
    return len(transaction) if transaction is not None else 0
