"""Updates of all rows that a query matches; those of one saved instance are in `saves`.

The rows are read before the statement, in one query. What it leaves of them it returns, where the
database has `UPDATE ... RETURNING`. Elsewhere it is what was sent, and is read in a second query
where the database computes it. So it is for rows in numbers too large to be held.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from django.db import transaction as db_transaction
from django.db.models.sql.constants import NO_RESULTS, ROW_COUNT

from trailkeeper import rights
from trailkeeper.capture import (
    links,
    pairing,
    parts,
    returning,
    rows,
    saves,
    statement,
    triggers,
)
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
        if not parts.values_of(query, tracker):
            return execute()
        return _update(compiler, tracker, capture, execute)
    finally:
        capture.updating = outer


def _update(compiler: Any, tracker: Tracker, capture: Capture, execute: partial[Any]) -> Any:
    update = statement.look(
        lambda: _Update(compiler, tracker, capture, execute),
        doing=f"read the rows that an update of {tracker.label} changes",
    )
    if update is None:
        return execute()
    with closing(update):
        # In autocommit what was stored would replace what was meant, all at once in memory.
        is_large = not update.is_sent and len(update.olds) > rows.KEPT
        if (is_large or parts.has_many(compiler.query)) and capture.is_autocommit():
            with db_transaction.atomic(using=compiler.using):
                return update.run()
        return update.run()


class _Update:
    """One statement: the rows that it is about to change, what it sends, and what it leaves.

    Args:
        compiler: of the statement.
        tracker: of the table that is written.
        capture: of the statement's connection.
        execute: `SQLUpdateCompiler.execute_sql` with its arguments.
    """

    def __init__(
        self, compiler: Any, tracker: Tracker, capture: Capture, execute: partial[Any]
    ) -> None:
        self.compiler = compiler
        self.tracker = tracker
        self.capture = capture
        self.execute = execute
        self.values = parts.values_of(compiler.query, tracker)
        self.result_type = next(iter(execute.args[1:]), execute.keywords.get("result_type"))
        #: The rows before the statement.
        self.olds = rows.matched_by(compiler.query, tracker, compiler.using)
        reach = triggers.reach(tracker, compiler.connection)
        #: Whether the rows are left as they are sent, as far as that can be told before.
        self.is_sent = (
            not tracker.generated
            and not reach
            and not any(hasattr(value, "resolve_expression") for _, _, value in self.values)
        )
        key = {tracker.attnames[place] for place in tracker.pk}
        #: Whether the statement gives the rows other keys.
        self.moves = any(field.attname in key for field, _, _ in self.values)
        # In a transaction of SQLite nobody else writes, and no trigger changes what is sent.
        is_certain = (
            self.is_sent and compiler.connection.vendor == "sqlite" and not capture.is_autocommit()
        )
        #: Whether the statement returns the rows: all their fields, of which a parent's table has
        #: others. Rows whose key has changed are not known again.
        self.returns = (
            not is_certain
            and not tracker.parents
            and self._can_hold()
            and reach is not triggers.Reach.LATER
            and self.result_type in (ROW_COUNT, NO_RESULTS)
            and not self.moves
            and returning.can_update(compiler, tracker)
        )
        self.returned: returning.Returned | None = None

    def _can_hold(self) -> bool:
        """Whether what it returns takes bounded memory."""
        if len(self.olds) <= rows.KEPT:
            return True
        # Many that are left as they are sent are told from what was read: that is no less true, for
        # in a transaction they are locked.
        return not self.is_sent and returning.can_stream(self.compiler)

    def close(self) -> None:
        """Gives back what it takes on disk."""
        self.olds.close()
        if self.returned is not None:
            self.returned.close()

    def run(self) -> Any:
        """Executes the statement and records it; gives what Django would."""
        return statement.run(
            self.capture,
            self._execute,
            intend=self._intend,
            confirm=self._confirm,
            intent_is_exact=self.is_sent and not self.returns,
            has_effect=self._has_effect,
            doing=f"record an update of {self.tracker.label}",
        )

    def _execute(self) -> Any:
        if not self.returns:
            return self.execute()
        compiler = self.compiler
        self.returned = returning.execute(compiler, self.tracker.fields)
        if self.returned is None:
            return self.execute()
        # The rest of `SQLUpdateCompiler.execute_sql`: the tables of the model's parents.
        for query in compiler.query.get_related_updates():
            query.get_compiler(compiler.using).execute_sql(self.result_type)
        return self.returned.count if self.result_type == ROW_COUNT else 0

    def _has_effect(self, result: Any) -> bool:
        if self.returned is not None:
            return self.returned.count > 0
        # `QuerySet` gets the number of rows; deletions that set a field do not ask for it.
        return bool(self.olds) if self.result_type == NO_RESULTS else bool(result)

    def _intend(self, transaction: Transaction) -> None:
        for old in self.olds:
            self._add(transaction, old, self._sent(old))

    def _confirm(self, _: Any, transaction: Transaction) -> None:
        changes = self._changes()
        if not self.capture.is_autocommit():
            for old, new in changes:
                self._add(transaction, old, new)
            return
        found = list(changes)
        if self._is_as_intended(found):
            # What was prepared stands.
            return
        added = [self._add(transaction, old, new) for old, new in found]
        if not any(added):
            # Nothing was changed, which could not be told before.
            transaction.abort()

    def _changes(self) -> Iterator[tuple[rows.Row, rows.Row]]:
        """The rows that were written, before and after."""
        if self.returned is not None:
            yield from self._returned_changes(self.returned)
        elif self.is_sent:
            for old in self.olds:
                yield old, self._sent(old)
        else:
            for chunk in self.olds.chunks():
                keys = [self._key_after(old) for old in chunk]
                stored = rows.of_keys(self.tracker, keys, self.compiler.using)
                for key, old in zip(keys, chunk, strict=True):
                    yield old, stored.get(key) or self._sent(old)

    def _returned_changes(
        self, returned: returning.Returned
    ) -> Iterator[tuple[rows.Row, rows.Row]]:
        """Not the rows that somebody else was quicker with.

        Those that the statement alone has matched have no known state before.
        """
        unknown = (UNKNOWN,) * len(self.tracker.attnames)
        id_of = partial(object_id_of, self.tracker)
        for old, new in pairing.pairs(self.olds, returned, returned.count, id_of):
            yield unknown if old is None else old, new

    def _key_after(self, old: rows.Row) -> Any:
        """The key under which a row stands then; the one before, if the database computes it."""
        row = self._sent(old) if self.moves else old
        is_known = all(row[place] is not UNKNOWN for place in self.tracker.pk)
        return self.tracker.key_of(row if is_known else old)

    def _is_as_intended(self, changes: Sequence[tuple[rows.Row, rows.Row]]) -> bool:
        if len(changes) != len(self.olds):
            return False
        try:
            return all(new == self._sent(old) for old, new in changes)
        except Exception:
            # Values that do not tell whether they are equal: arrays of numbers, for one.
            return False

    def _sent(self, old: rows.Row) -> rows.Row:
        """A row with what the statement sends in it."""
        new = list(old)
        for field, _, value in self.values:
            if hasattr(value, "resolve_expression"):
                value = UNKNOWN
            elif hasattr(value, "prepare_database_save"):
                value = value.prepare_database_save(field)
            new[self.tracker.index[field.attname]] = value
        for place in self.tracker.generated:
            new[place] = UNKNOWN
        return tuple(new)

    def _add(self, transaction: Transaction, old: rows.Row, new: rows.Row) -> bool:
        """Adds the events of a row; tells whether there are any."""
        tracker, alias = self.tracker, self.compiler.using
        old_id, new_id = object_id_of(tracker, old), object_id_of(tracker, new)
        if self.moves and new_id is not None and old_id not in (None, new_id):
            # An object is its key: that one is gone, and another one is there.
            is_changed = self._tell(transaction, "delete", old_id, old, None)
            self._tell(transaction, "create", new_id, None, new)
        else:
            is_changed = self._tell(transaction, "update", old_id or new_id, old, new)
        if tracker.through:
            links.follow(transaction, tracker, old, new, alias=alias)
        rights.add_row_changes(transaction, tracker, old, new, alias=alias)
        return is_changed

    def _tell(
        self,
        transaction: Transaction,
        action: Literal["create", "update", "delete"],
        object_id: str | None,
        old: rows.Row | None,
        new: rows.Row | None,
    ) -> bool:
        """Adds one event; tells whether there was something to tell."""
        row = new if new is not None else old
        label = None if row is None else label_of_row(row, self.tracker, self.capture.connection)
        return transaction.change(
            self.tracker.schema,
            current_context(),
            action,
            object_id,
            label,
            old,
            new,
            self.compiler.using,
        )
