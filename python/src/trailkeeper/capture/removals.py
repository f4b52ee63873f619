"""Deletes of objects that have rows in several tables: one version for all of them.

`Collector.delete` removes a child's row first and its parents' rows later, by statements of their
own. What is told of the object waits for the last of them. If that one never comes, it is told of
the rows that are gone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trailkeeper.capture import links
from trailkeeper.capture.registry import object_id_of, part_of
from trailkeeper.layers import current_context

if TYPE_CHECKING:
    from django.db import models

    from trailkeeper._recorder import Transaction
    from trailkeeper.capture.registry import Tracker
    from trailkeeper.capture.rows import Row

__all__ = ["Deletion", "add_removal", "cut"]

Model = type["models.Model"]


@dataclass(slots=True, kw_only=True, eq=False)
class Removal:
    """An object whose own row is gone, while rows in tables of its parents are still to go.

    Args:
        tracker: of its model.
        row: its values.
        label: how it showed itself.
        gone: the models of the tables that it has no row in any more.
        waits_for: those of the tables that its rows are to be removed from.
    """

    tracker: Tracker
    row: Row
    label: str | None
    gone: set[Model]
    waits_for: set[Model]


class Deletion:
    """A call of `Collector.delete`.

    Args:
        collector: what it deletes.
    """

    def __init__(self, collector: Any) -> None:
        self.collector = collector
        self._going: dict[Model, set[Any]] = {}
        self._waiting: dict[Model, dict[Any, Removal]] = defaultdict(dict)

    def rows_of(self, tracker: Tracker, keys: Iterable[Any]) -> list[Row] | None:
        """The rows with these keys, if they are all rows of objects that wait for them."""
        waiting = self._waiting.get(tracker.model)
        if waiting is None or not all(key in waiting for key in keys):
            return None
        return [cut(waiting[key].tracker, waiting[key].row, tracker) for key in keys]

    def add(
        self,
        transaction: Transaction,
        tracker: Tracker,
        row: Row,
        label: str | None,
        *,
        alias: str,
    ) -> None:
        """Tells of a row that is gone, now or as soon as the others of its object are too."""
        key = tracker.key_of(row)
        removal = self._waiting[tracker.model].pop(key, None)
        if removal is not None:
            removal.gone.add(tracker.model)
            removal.waits_for.discard(tracker.model)
        else:
            self._keys(tracker.model).discard(key)
            removal = Removal(
                tracker=tracker, row=row, label=label, gone={tracker.model}, waits_for=set()
            )
            for parent in tracker.parents:
                parent_key = row[tracker.index[parent._meta.pk.attname]]
                if parent_key in self._keys(parent):
                    self._keys(parent).discard(parent_key)
                    self._waiting[parent][parent_key] = removal
                    removal.waits_for.add(parent)
        if not removal.waits_for:
            self._tell(transaction, removal, alias)

    def give_up(
        self, transaction: Transaction, tracker: Tracker, keys: Iterable[Any], *, alias: str
    ) -> None:
        """Waits no longer for rows of a table, which are not gone by this delete."""
        waiting = self._waiting[tracker.model]
        for removal in [waiting.pop(key) for key in keys if key in waiting]:
            removal.waits_for.discard(tracker.model)
            if not removal.waits_for:
                self._tell(transaction, removal, alias)

    def let_go(self, transaction: Transaction, *, alias: str) -> None:
        """Tells of what still waits, as far as it is gone."""
        waiting = self.unfinished()
        self._waiting.clear()
        for removal in waiting:
            self._tell(transaction, removal, alias)

    def unfinished(self) -> list[Removal]:
        """What still waits."""
        found = {id(each): each for some in self._waiting.values() for each in some.values()}
        return list(found.values())

    def _keys(self, model: Model) -> set[Any]:
        """The keys of the rows of a table that it deletes by themselves, and nobody waits for."""
        keys = self._going.get(model)
        if keys is None:
            keys = self._going[model] = {
                instance.pk
                for each, instances in self.collector.data.items()
                if each._meta.concrete_model is model
                for instance in instances
            }
        return keys

    def _tell(self, transaction: Transaction, removal: Removal, alias: str) -> None:
        part = part_of(removal.tracker, removal.gone)
        row = cut(removal.tracker, removal.row, part)
        add_removal(transaction, part, row, removal.label, alias=alias)


def add_removal(
    transaction: Transaction, tracker: Tracker, row: Row, label: str | None, *, alias: str
) -> None:
    """Adds the event of an object of which these values are gone."""
    transaction.change(
        tracker.schema,
        current_context(),
        "delete",
        object_id_of(tracker, row),
        label,
        row,
        None,
        alias,
    )
    if tracker.through:
        links.follow(transaction, tracker, row, None, alias=alias)


def cut(tracker: Tracker, row: Row, part: Tracker) -> Row:
    """The values of a row of `tracker` that `part` has."""
    if part is tracker:
        return row
    return tuple(row[tracker.index[name]] for name in part.attnames)
