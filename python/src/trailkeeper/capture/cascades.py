"""What the database itself does to other rows when rows are deleted (Django 6.1 and later).

Rows that go with a `DB_CASCADE`, or whose reference is replaced by `DB_SET_NULL` and
`DB_SET_DEFAULT`, pass no compiler. They are looked up before the delete statement.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from django.db import connections, models
from django.db.models import deletion

from trailkeeper.capture import links, rows
from trailkeeper.capture.labels import label_of_row
from trailkeeper.capture.registry import object_id_of, own_part_of, plan_of, tracker_of
from trailkeeper.capture.removals import add_removal, cut
from trailkeeper.layers import current_context

if TYPE_CHECKING:
    from trailkeeper._recorder import Transaction
    from trailkeeper.capture.registry import Tracker

__all__ = ["Dependants", "add", "follow", "has_dependants"]

#: What Django calls them, where it has them.
DELETES: Final = "DB_CASCADE"
ACTIONS: Final = frozenset({DELETES, "DB_SET_NULL", "DB_SET_DEFAULT"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependants:
    """Rows of one table that a delete in another one changes.

    Args:
        tracker: of their table.
        found: the rows as they are before.
        deletes: whether they are deleted; else a reference of theirs is replaced.
    """

    tracker: Tracker
    found: rows.Kept
    deletes: bool


def has_dependants(model: type[models.Model]) -> bool:
    """Whether the database itself changes other rows when rows of `model` are deleted."""
    return next(_relations(model), None) is not None


def follow(tracker: Tracker, gone: Iterable[rows.Row], using: str) -> Iterator[Dependants]:
    """The rows that go or change with the rows `gone`, those furthest away first.

    Args:
        tracker: of the table that is deleted from.
        gone: the rows that are about to be deleted.
        using: the database.
    """
    yield from _follow(tracker, gone, using, {})


def _follow(
    tracker: Tracker, gone: Iterable[rows.Row], using: str, seen: dict[Any, set[Any]]
) -> Iterator[Dependants]:
    vendor = connections[using].vendor
    for relation in _relations(tracker.model):
        field = relation.field
        child = plan_of(relation.related_model, vendor)
        target = tracker.index[field.target_field.attname]
        known = seen.setdefault(child.model, set())
        found = rows.Kept(_new(_referring(child, field, target, gone, using), child, known))
        if not found:
            continue
        deletes = relation.on_delete.__name__ == DELETES
        if deletes:
            yield from _follow(child, found, using, seen)
        if tracker_of(child.model, vendor) is None:
            found.close()
        else:
            yield Dependants(tracker=child, found=found, deletes=deletes)


def _relations(model: type[models.Model]) -> Iterator[Any]:
    if not hasattr(deletion, "DatabaseOnDelete"):
        return
    for relation in model._meta.get_fields(include_parents=False, include_hidden=True):
        on_delete = getattr(relation, "on_delete", None)
        if relation.auto_created and getattr(on_delete, "__name__", "") in ACTIONS:
            yield relation


def _referring(
    child: Tracker, field: Any, target: int, gone: Iterable[rows.Row], using: str
) -> Iterator[rows.Row]:
    objects = child.model._base_manager.using(using)
    for chunk in rows.chunked(gone):
        keys = [row[target] for row in chunk]
        found = objects.filter((f"{field.name}__in", keys)).values_list(*child.attnames)
        with rows.unseen(using):
            yield from list(found)


def _new(found: Iterable[rows.Row], child: Tracker, known: set[Any]) -> Iterator[rows.Row]:
    for row in found:
        key = child.key_of(row)
        if key not in known:
            known.add(key)
            yield row


def add(transaction: Transaction, dependants: Iterable[Dependants], using: str) -> None:
    """Adds what has become of the rows, once the statement has been executed.

    Args:
        transaction: gets the events.
        dependants: what `follow` gave before the statement.
        using: the database.
    """
    for each in dependants:
        tracker = each.tracker
        for chunk in each.found.chunks():
            after: dict[Any, rows.Row] = {}
            if not each.deletes:
                after = rows.of_keys(tracker, [tracker.key_of(row) for row in chunk], using)
            for old in chunk:
                new = after.get(tracker.key_of(old))
                if each.deletes or new is not None:
                    _add_one(transaction, tracker, old, new, using)


def _add_one(
    transaction: Transaction, tracker: Tracker, old: rows.Row, new: rows.Row | None, using: str
) -> None:
    if tracker.link is not None:
        pairs = links.pairs_of(tracker, tracker.link, [old])
        links.add_links(transaction, tracker.link, "unlink", pairs, alias=using)
        return
    label = label_of_row(new or old, tracker, connections[using])
    if new is None:
        # Rows in tables of parents stay.
        part = own_part_of(tracker)
        add_removal(transaction, part, cut(tracker, old, part), label, alias=using)
        return
    transaction.change(
        tracker.schema,
        current_context(),
        "update",
        object_id_of(tracker, old),
        label,
        old,
        new,
        using,
    )
    if tracker.through:
        links.follow(transaction, tracker, old, new, alias=using)
