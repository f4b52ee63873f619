"""Deletes: of instances, of all rows that a query matches, of links.

Wraps this private interface of Django, held by a contract test: `Collector.delete`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from django.db import connections
from django.db.models import deletion
from django.db.models.lookups import In
from django.db.models.sql.constants import ROW_COUNT

from trailkeeper.capture import cascades, links, returning, rows, statement
from trailkeeper.capture.instances import UNKNOWN, known_values
from trailkeeper.capture.labels import label_of, label_of_row
from trailkeeper.capture.registry import own_part_of
from trailkeeper.capture.removals import Deletion, add_removal, cut
from trailkeeper.capture.transactions import capture_of
from trailkeeper.failure import report

if TYPE_CHECKING:
    from django.db.models import Field, Model

    from trailkeeper._recorder import Transaction
    from trailkeeper.capture.registry import Tracker
    from trailkeeper.capture.transactions import Capture

__all__ = ["install", "record", "uninstall"]


def record(compiler: Any, tracker: Tracker, capture: Capture, execute: partial[Any]) -> Any:
    """Executes a delete statement and records each row that it removed, with its last values."""
    delete = statement.look(
        lambda: _Delete(compiler, tracker, capture, execute),
        doing=f"read the rows that a delete of {tracker.label} removes",
    )
    if delete is None:
        return execute()
    with closing(delete):
        return delete.run()


class _Delete:
    """One statement, and the rows that it removes.

    They are known if it names instances that were loaded. Else they are those that the statement
    returns, in a transaction of a database that does so; elsewhere they are read before it.

    Args:
        compiler: of the statement.
        tracker: of the table that is deleted from.
        capture: of the statement's connection.
        execute: `SQLDeleteCompiler.execute_sql` with its arguments.
    """

    def __init__(
        self, compiler: Any, tracker: Tracker, capture: Capture, execute: partial[Any]
    ) -> None:
        self.compiler = compiler
        self.tracker = tracker
        self.capture = capture
        self.execute = execute
        waits = tracker.has_kin and not capture.is_autocommit()
        #: What knows of the object's rows in other tables.
        self.deletion: Deletion | None = capture.deleting if waits else None
        self.loaded = _loaded(compiler.query, tracker, capture)
        #: The rows as the instances were loaded, if all values are known.
        self.known = self._of_children() or _known(self.loaded, tracker)
        #: The fields that the statement returns: those of the key, where the rows are known.
        self.returning = self._fields()
        self.returned: returning.Returned | None = None
        #: The rows that can be told before the statement.
        self.gone = (
            rows.Kept(self.known or ())
            if self.known or self.returning
            else rows.matched_by(compiler.query, tracker, compiler.using)
        )
        self.dependants = list(cascades.follow(tracker, self.gone, compiler.using))

    def _of_children(self) -> list[rows.Row] | None:
        """The rows as those of children have told them, which have gone before."""
        if self.deletion is None:
            return None
        return self.deletion.rows_of(self.tracker, self.loaded)

    def _fields(self) -> Sequence[Field[Any, Any]]:
        tracker, execute = self.tracker, self.execute
        if (
            # In autocommit the events are written before the statement.
            self.capture.is_autocommit()
            or ROW_COUNT not in (*execute.args[1:], *execute.keywords.values())
            or not returning.can_delete(self.compiler, tracker)
        ):
            return ()
        fields = tracker.fields
        if self.known:
            # One row is gone, or it is not: the number tells.
            return [fields[place] for place in tracker.pk] if len(self.known) > 1 else ()
        # Those that the database itself deletes with them can only be found before; so can what
        # stands in the tables of parents.
        return () if tracker.parents or cascades.has_dependants(tracker.model) else fields

    def close(self) -> None:
        """Gives back what it takes on disk."""
        self.gone.close()
        if self.returned is not None:
            self.returned.close()
        for each in self.dependants:
            each.found.close()

    def run(self) -> Any:
        """Executes the statement and records it; gives what Django would."""
        known = self.known
        return statement.run(
            self.capture,
            self._execute,
            intend=lambda transaction: self._add(transaction, self.gone),
            confirm=self._confirm,
            intent_is_exact=not self.dependants and (not known or len(known) == 1),
            has_effect=self._has_effect,
            doing=f"record a delete of {self.tracker.label}",
        )

    def _has_effect(self, result: Any) -> bool:
        if self.deletion is not None:
            # Even if it has removed nothing, what waits for it is to be told so.
            return True
        return bool(result != 0 if self.known or self.returning else self.gone)

    def _execute(self) -> Any:
        if self.returning:
            self.returned = returning.execute(self.compiler, self.returning)
        return self.execute() if self.returned is None else self.returned.count

    def _confirm(self, result: Any, transaction: Transaction) -> None:
        if result != 0:
            cascades.add(transaction, self.dependants, self.compiler.using)
        if not self.known:
            self._add(transaction, self.gone if self.returned is None else self.returned)
        elif result == len(self.known) or not isinstance(result, int):
            self._add(transaction, self.known)
        else:
            # Somebody else has removed some of the loaded rows.
            self._add_some(transaction, self.known, result)

    def _add_some(self, transaction: Transaction, known: Sequence[rows.Row], count: int) -> None:
        """Adds those of the known rows that the statement has returned, or else their number."""
        key_of = self.tracker.python_key_of
        keys = {key[0] if len(key) == 1 else key for key in self.returned or ()}
        gone = [row for row in known if key_of(row) in keys]
        if len(gone) != count:
            gone = []
        if self.deletion is not None:
            # What others have removed is gone without this delete.
            left = [self.tracker.key_of(row) for row in known if row not in gone]
            self.deletion.give_up(transaction, self.tracker, left, alias=self.compiler.using)
        if gone or not count:
            self._add(transaction, gone)
            return
        statement.add_opaque(
            transaction,
            self.compiler.using,
            model=self.tracker.label,
            table=self.tracker.model._meta.db_table,
            verb="delete",
            rows=count,
            text=DELETE_OF_LOADED,
        )

    def _add(self, transaction: Transaction, gone: Iterable[rows.Row]) -> None:
        tracker, alias = self.tracker, self.compiler.using
        if tracker.link is not None:
            # Some at a time: there may be more than can be held.
            for chunk in rows.chunked(gone):
                pairs = links.pairs_of(tracker, tracker.link, chunk)
                links.add_links(transaction, tracker.link, "unlink", pairs, alias=alias)
            return
        connection = self.capture.connection
        # A delete of nothing but rows of this table leaves those of the parents.
        part = own_part_of(tracker)
        for row in gone:
            instance = self.loaded.get(tracker.key_of(row)) if self.known else None
            label = (
                label_of_row(row, tracker, connection)
                if instance is None
                else label_of(instance, tracker, connection)
            )
            if self.deletion is not None:
                self.deletion.add(transaction, tracker, row, label, alias=alias)
            else:
                add_removal(transaction, part, cut(tracker, row, part), label, alias=alias)


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
