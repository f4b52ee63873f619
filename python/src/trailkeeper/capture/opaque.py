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
from trailkeeper.layers import current_context

if TYPE_CHECKING:
    from trailkeeper._recorder import Transaction

__all__ = ["Write", "around", "run", "writes_of"]

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
        text: the statement without its literals.
    """

    verb: str
    table: str | None
    model: str | None
    is_counted: bool
    text: str | None


def writes_of(connection: Any, sql: str, has_parameters: bool) -> list[Write]:
    """What `sql` does to tracked tables, or to tables that are not known.

    Args:
        connection: that executes it.
        sql: the text.
        has_parameters: whether the driver replaces `%s` in it.
    """
    vendor = connection.vendor
    known = _examined if len(sql) <= KEPT_LENGTH else examine
    found = known(sql, vendor, has_parameters)
    if found is None:
        return []
    rows, text = found
    writes = []
    for verb, qualifier, name, is_counted in rows:
        label = None
        if name is not None:
            labels = labels_of_table(name, vendor)
            if not labels:
                continue
            label = labels[0] if len(labels) == 1 else None
        table = name if qualifier is None else f"{qualifier}.{name}"
        writes.append(Write(verb=verb, table=table, model=label, is_counted=is_counted, text=text))
    return writes


_examined = lru_cache(KEPT)(examine)


def run(cursor: Any, find: Callable[[], list[Write]], execute: Callable[[], Any]) -> Any:
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
def around(cursor: Any, find: Callable[[], list[Write]]) -> Iterator[None]:
    """Records a statement that is executed while the block runs: a COPY, a stream of rows."""
    opaque = _opaque(cursor, find)
    if opaque is None:
        yield
    elif opaque.capture.is_autocommit():
        with _prepared(opaque):
            yield
    else:
        yield
        if opaque.has_effect():
            try:
                opaque.confirm(opaque.capture.open())
            except Exception as error:
                report(error, events=len(opaque.writes), doing=DOING)


@dataclass(frozen=True, slots=True)
class _Opaque:
    cursor: Any
    capture: Capture
    writes: Sequence[Write]

    def rows(self) -> int | None:
        """How many rows the driver counted."""
        count = getattr(self.cursor.cursor, "rowcount", -1)
        return count if isinstance(count, int) and count >= 0 else None

    def has_effect(self) -> bool:
        return self.rows() != 0 or not all(write.is_counted for write in self.writes)

    def intend(self, transaction: Transaction) -> None:
        self._add(transaction, None)

    def confirm(self, transaction: Transaction) -> None:
        self._add(transaction, self.rows())

    def _add(self, transaction: Transaction, rows: int | None) -> None:
        context = current_context()
        for write in self.writes:
            items = {
                "kind": "change",
                "action": "truncate" if write.verb == "truncate" else "opaque",
                "outcome": "success",
                "database": self.capture.connection.alias,
                "model": write.model,
            }
            data = {
                "table": write.table,
                "verb": write.verb,
                "rows": rows if write.is_counted else None,
                "statement": write.text,
            }
            transaction.event(context, items, {"data": data})


def _opaque(cursor: Any, find: Callable[[], list[Write]]) -> _Opaque | None:
    try:
        writes = find()
        return _Opaque(cursor, capture_of(cursor.db), writes) if writes else None
    except Exception as error:
        report(error, events=1, doing=DOING)
        return None


@contextmanager
def _prepared(opaque: _Opaque) -> Iterator[None]:
    """In autocommit the statement is the commit: prepared before it, marked after it."""
    prepared: Transaction | None = None
    try:
        prepared = spool.begin()
        tell_losses()
        opaque.intend(prepared)
        spool.prepare(prepared, opaque.capture.note)
    except Exception as error:
        report(error, events=len(opaque.writes), doing=DOING)
        prepared = None
    try:
        yield
    except BaseException as error:
        if prepared is not None:
            _mark(prepared.uncertain if _is_uncertain(opaque.cursor, error) else prepared.abort)
        raise
    if prepared is None:
        return
    if not opaque.has_effect():
        _mark(prepared.abort)
        return
    try:
        opaque.confirm(prepared)
    except Exception as error:
        report_mark(error, doing=DOING)
        _mark(prepared.uncertain)
        return
    _mark(prepared.commit)


def _is_uncertain(cursor: Any, error: BaseException) -> bool:
    # What a COPY raises comes from the driver, not through Django.
    driver = cursor.db.Database
    if isinstance(error, DatabaseError) or not isinstance(error, driver.Error):
        return is_uncertain(error)
    return isinstance(error, (driver.OperationalError, driver.InterfaceError))


def _mark(mark: Callable[[], None]) -> None:
    try:
        mark()
    except Exception as error:
        report_mark(error, doing=DOING)
