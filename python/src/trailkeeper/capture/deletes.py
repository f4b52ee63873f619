"""Deletes: of instances, of all rows that a query matches, of links.

Wraps this private interface of Django, held by a contract test: `Collector.delete`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

from django.db import connections
from django.db.models import deletion
from django.db.models.lookups import In

from trailkeeper.capture import cascades, links, rows, statement
from trailkeeper.capture.cascades import Dependants
from trailkeeper.capture.instances import UNKNOWN, known_values
from trailkeeper.capture.labels import label_of, label_of_row
from trailkeeper.capture.registry import own_part_of
from trailkeeper.capture.removals import Deletion, add_removal, cut
from trailkeeper.capture.transactions import capture_of
from trailkeeper.failure import report

if TYPE_CHECKING:
    from django.db.models import Model

    from trailkeeper._recorder import Transaction
    from trailkeeper.capture.registry import Tracker
    from trailkeeper.capture.transactions import Capture

__all__ = ["install", "record", "uninstall"]


def record(compiler: Any, tracker: Tracker, capture: Capture, execute: Callable[[], Any]) -> Any:
    """Executes a delete statement and records each row that it removed, with its last values."""
    alias = compiler.using
    doing = f"record a delete of {tracker.label}"
    # A delete of nothing but rows of this table leaves those of the parents.
    part = own_part_of(tracker)
    loaded: dict[Any, Model] = {}
    known: list[rows.Row] | None = None
    waits = tracker.has_kin and not capture.is_autocommit()
    deletion: Deletion | None = capture.deleting if waits else None

    def look() -> tuple[rows.Kept, list[Dependants]]:
        nonlocal loaded, known
        loaded = _loaded(compiler.query, tracker, capture)
        known = deletion.rows_of(tracker, loaded) if deletion is not None else None
        known = known or _known(loaded, tracker)
        gone = rows.Kept(known) if known else rows.matched_by(compiler.query, tracker, alias)
        return gone, list(cascades.follow(tracker, gone, alias))

    found = statement.look(look, doing=f"read the rows that a delete of {tracker.label} removes")
    if found is None:
        return execute()
    gone, dependants = found

    def intend(transaction: Transaction) -> None:
        link = tracker.link
        if link is not None:
            pairs = links.pairs_of(tracker, link, gone)
            links.add_links(transaction, link, "unlink", pairs, alias=alias)
            return
        for row in gone:
            instance = loaded.get(tracker.key_of(row))
            label = (
                label_of(instance, tracker, capture.connection)
                if known and instance is not None
                else label_of_row(row, tracker, capture.connection)
            )
            if deletion is not None:
                deletion.add(transaction, tracker, row, label, alias=alias)
            else:
                add_removal(transaction, part, cut(tracker, row, part), label, alias=alias)

    def confirm(result: Any, transaction: Transaction) -> None:
        if known and isinstance(result, int) and result != len(known):
            # Somebody else has removed some of the loaded rows, and the database tells how many.
            if deletion is not None:
                deletion.let_go(transaction, alias=alias)
            statement.add_opaque(
                transaction,
                alias,
                model=tracker.label,
                table=tracker.model._meta.db_table,
                verb="delete",
                rows=result,
                text=DELETE_OF_LOADED,
            )
            return
        cascades.add(transaction, dependants, alias)
        intend(transaction)

    with ExitStack() as kept:
        for each in (gone, *(each.found for each in dependants)):
            kept.callback(each.close)
        return statement.run(
            capture,
            execute,
            intend=intend,
            confirm=confirm,
            intent_is_exact=not dependants and (not known or len(known) == 1),
            has_effect=(lambda _: bool(gone)) if not known else lambda result: result != 0,
            doing=doing,
        )


DELETE_OF_LOADED: Final = "delete of loaded instances, of which others had removed some"


def _loaded(query: Any, tracker: Tracker, capture: Capture) -> dict[Any, Model]:
    """The instances that the statement deletes, by key, if it is a step of `Collector.delete`."""
    if capture.deleting is None or len(tracker.pk) != 1:
        return {}
    collector = capture.deleting.collector
    conditions = query.where.children
    keys = conditions[0].rhs if len(conditions) == 1 and isinstance(conditions[0], In) else None
    if not isinstance(keys, (list, tuple, set)):
        return {}
    wanted = set(keys)
    instances = collector.data.get(query.model, ())
    found = {instance.pk: instance for instance in instances if instance.pk in wanted}
    return found if len(found) == len(wanted) else {}


def _known(loaded: dict[Any, Model], tracker: Tracker) -> list[rows.Row] | None:
    """The rows as the instances were loaded; None if not all their values are known."""
    known = []
    for instance in loaded.values():
        values = known_values(instance, tracker)
        if values is None or any(value is UNKNOWN for value in values):
            return None
        known.append(values)
    return known or None


_originals: dict[str, Any] = {}


def _delete(self: Any) -> Any:
    capture = capture_of(connections[self.using])
    outer, capture.deleting = capture.deleting, (deletion := Deletion(self))
    try:
        return _originals["delete"](self)
    finally:
        capture.deleting = outer
        if left := deletion.unfinished():
            _let_go(capture, deletion, len(left))


def _let_go(capture: Capture, deletion: Deletion, count: int) -> None:
    """Tells of the objects of which some rows are gone, and others never went."""
    try:
        if not capture.is_autocommit():
            deletion.let_go(capture.open(), alias=capture.connection.alias)
        elif sys.exception() is None:
            raise RuntimeError("the statements that remove rows of parents were not recorded")
    except Exception as error:
        report(error, events=count, doing="record a delete of objects with several tables")


def install() -> None:
    """Wraps `Collector.delete`; a second call changes nothing."""
    if not _originals:
        _originals["delete"] = deletion.Collector.delete
        deletion.Collector.delete = _delete  # type: ignore[method-assign]


def uninstall() -> None:
    """Puts Django's own method back."""
    if _originals:
        deletion.Collector.delete = _originals.pop("delete")  # type: ignore[method-assign]
