"""Events of statements that no compiler knows: table, verb, row count, and the text without its
literals.

One event for each tracked table that a statement writes. A statement that writes only other tables
leaves nothing; one that writes, as far as its text tells, but does not name the table, leaves an
event without a table. A statement that changed no row leaves nothing, where the driver counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from django.db import DatabaseError

from trailkeeper import spool
from trailkeeper._recorder import examine
from trailkeeper.capture import statement
from trailkeeper.capture.registry import labels_of_table
from trailkeeper.capture.transactions import Capture, capture_of, is_uncertain, tell_losses
from trailkeeper.failure import report, report_mark
from trailkeeper.policy import disabling

if TYPE_CHECKING:
    from trailkeeper._recorder import Transaction
    from trailkeeper.policy.disabling import Block

__all__ = ["Found", "Write", "around", "found_in", "run"]

#: Verdicts that are kept, and how long a text may be for that: what is executed often is short.
KEPT: Final = 512
KEPT_LENGTH: Final = 4096

DOING: Final = "record raw SQL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """What a statement does to one table.

    Args:
        verb: `insert`, `update`, `truncate`, `call` and so on.
        table: the table, as the statement names it; None if it does not.
        model: the label of the tracked model, if there is exactly one.
        is_counted: whether the driver's number of rows is that of this write.
    """

    verb: str
    table: str | None
    model: str | None
    is_counted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What was found in a text of SQL.

    Args:
        writes: what it does to tracked tables, or to tables that are not known.
        text: the text without its literals.
        leaves_open: whether it ends inside a transaction that it has begun.
    """

    writes: Sequence[Write]
    text: str
    leaves_open: bool = False


NOTHING: Final = Found(writes=(), text="")


def found_in(connection: Any, sql: str, has_parameters: bool) -> Found:
    """What `sql` writes.

    Args:
        connection: that executes it.
        sql: the text.
        has_parameters: whether the driver replaces `%s` in it.
    """
    vendor = connection.vendor
    known = _examined if len(sql) <= KEPT_LENGTH else examine
    found = known(sql, vendor, has_parameters)
    if found is None:
        return NOTHING
    rows, text, leaves_open = found
    writes = []
    for verb, qualifier, name, is_counted in rows:
        label = None
        if name is not None:
            labels = labels_of_table(name, vendor)
            if not labels:
                continue
            label = labels[0] if len(labels) == 1 else None
        table = name if qualifier is None else f"{qualifier}.{name}"
        writes.append(Write(verb=verb, table=table, model=label, is_counted=is_counted))
    return Found(writes=writes, text=text, leaves_open=leaves_open)


_examined = lru_cache(KEPT)(examine)


def run(cursor: Any, find: Callable[[], Found], execute: Callable[[], Any]) -> Any:
    """Executes a statement and records what it writes.

    Args:
        cursor: Django's, that executes it.
        find: tells what it writes.
        execute: runs it, and gives its result.

    Returns:
        What `execute` gave.

    Raises:
        RecordingError: if the events cannot be recorded and `ON_FAILURE` is `"raise"`.
    """
    opaque = _opaque(cursor, find)
    if opaque is None:
        return execute()
    if opaque.found.leaves_open and opaque.capture.is_autocommit():
        result = execute()
        opaque.capture.is_manual = True
        opaque.join()
        return result
    return statement.run(
        opaque.capture,
        execute,
        intend=opaque.intend,
        confirm=lambda _, transaction: opaque.confirm(transaction),
        intent_is_exact=False,
        has_effect=lambda _: opaque.has_effect(),
        doing=DOING,
    )


@contextmanager
def around(
    cursor: Any, find: Callable[[], Found], *, may_end_halfway: bool = False
) -> Iterator[None]:
    """Records what is executed while the block runs: a COPY, a stream of rows, a script.

    Args:
        cursor: Django's, that executes it.
        find: tells what it writes.
        may_end_halfway: whether a part of it may stay committed if it fails.

    Raises:
        RecordingError: if the events cannot be recorded and `ON_FAILURE` is `"raise"`.
    """
    opaque = _opaque(cursor, find)
    if opaque is None:
        yield
    elif not opaque.capture.is_autocommit():
        yield
        opaque.join()
    elif opaque.found.leaves_open:
        yield
        opaque.capture.is_manual = True
        opaque.join()
    else:
        with _prepared(opaque, may_end_halfway):
            yield


@dataclass(frozen=True, slots=True)
class _Opaque:
    cursor: Any
    capture: Capture
    found: Found
    #: The block of `disabled()` around it, in which it is only counted.
    block: Block | None

    def rows(self) -> int | None:
        """How many rows the driver counted."""
        count = getattr(self.cursor.cursor, "rowcount", -1)
        return count if isinstance(count, int) and count >= 0 else None

    def has_effect(self) -> bool:
        return self.rows() != 0 or not all(write.is_counted for write in self.found.writes)

    def intend(self, transaction: Transaction) -> None:
        if self.block is None:
            self._add(transaction, None)

    def confirm(self, transaction: Transaction) -> None:
        if self.block is None:
            self._add(transaction, self.rows())
            return
        for write in self.found.writes:
            rows = self.rows() if write.is_counted else None
            self.block.count(write.model or write.table or "unknown", self.capture, rows)

    def join(self) -> None:
        """Adds the events to the connection's transaction, if there was an effect."""
        if self.has_effect():
            try:
                self.confirm(self.capture.open())
            except Exception as error:
                report(error, events=len(self.found.writes), doing=DOING)

    def _add(self, transaction: Transaction, rows: int | None) -> None:
        for write in self.found.writes:
            statement.add_opaque(
                transaction,
                self.capture.connection.alias,
                model=write.model,
                table=write.table,
                verb=write.verb,
                rows=rows if write.is_counted else None,
                text=self.found.text,
            )


def _opaque(cursor: Any, find: Callable[[], Found]) -> _Opaque | None:
    try:
        found = find()
        if not found.writes:
            return None
        block = disabling.current() if disabling.open_blocks else None
        return _Opaque(cursor, capture_of(cursor.db), found, block)
    except Exception as error:
        report(error, events=1, doing=DOING)
        return None


@contextmanager
def _prepared(opaque: _Opaque, may_end_halfway: bool) -> Iterator[None]:
    """In autocommit the statement is the commit: prepared before it, marked after it."""
    prepared: Transaction | None = None
    try:
        prepared = spool.begin()
        tell_losses()
        opaque.intend(prepared)
        if len(prepared):
            spool.prepare(prepared, opaque.capture.note)
    except Exception as error:
        report(error, events=len(opaque.found.writes), doing=DOING)
        prepared = None
    try:
        yield
    except BaseException as error:
        if prepared is not None:
            may_be_there = may_end_halfway or _may_have_committed(opaque.cursor, error)
            statement.mark(prepared.uncertain if may_be_there else prepared.abort, DOING)
        raise
    if prepared is None:
        return
    if not opaque.has_effect():
        statement.mark(prepared.abort, DOING)
        return
    try:
        opaque.confirm(prepared)
    except Exception as error:
        report_mark(error, doing=DOING)
        statement.mark(prepared.uncertain, DOING)
        return
    statement.mark(prepared.commit, DOING)


def _may_have_committed(cursor: Any, error: BaseException) -> bool:
    if isinstance(error, Exception) and not isinstance(
        error, (DatabaseError, cursor.db.Database.Error)
    ):
        # The application's own: the driver has told the database to give up, and it has.
        return False
    return is_uncertain(error)
