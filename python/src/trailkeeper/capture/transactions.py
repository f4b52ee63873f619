"""The events of a database connection's open transaction.

They are kept until the database commits: written as prepared just before the COMMIT, marked after
it, cut back with a savepoint, dropped by a rollback. This does not depend on anybody's `on_commit`
hooks.

Wraps these private interfaces of Django, each held by a contract test:
`BaseDatabaseWrapper._commit`, `._rollback`, `.close`, `._savepoint`, `._savepoint_rollback`,
`._savepoint_commit`.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from django.db import DatabaseError, InterfaceError, OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from trailkeeper import spool
from trailkeeper._recorder import RecorderError
from trailkeeper.capture import triggers
from trailkeeper.failure import losses, report, report_mark
from trailkeeper.layers import current_context

if TYPE_CHECKING:
    from trailkeeper._recorder import Context, Transaction

__all__ = [
    "Capture",
    "Scope",
    "capture_of",
    "install",
    "is_open",
    "open_transactions",
    "tell_losses",
    "uninstall",
]

ATTRIBUTE: Final = "_trailkeeper_capture"


class Scope:
    """A transaction or savepoint, by which one can tell later whether it was rolled back."""

    __slots__ = ("is_rolled_back", "parent")

    def __init__(self, parent: Scope | None) -> None:
        self.parent = parent
        self.is_rolled_back = False

    @property
    def root(self) -> Scope:
        """The transaction that it belongs to."""
        current = self
        while current.parent is not None:
            current = current.parent
        return current

    def is_dead(self) -> bool:
        """Whether it, or one around it, was rolled back."""
        current: Scope | None = self
        while current is not None:
            if current.is_rolled_back:
                return True
            current = current.parent
        return False


class Capture:
    """What one connection has recorded since its last commit.

    Args:
        connection: the connection it belongs to.
    """

    __slots__ = (
        "connection",
        "deleting",
        "generation",
        "has_defined",
        "in_commit",
        "is_manual",
        "note",
        "parts",
        "scope",
        "stack",
        "transaction",
        "updating",
    )

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self.connection = connection
        self.generation = spool.generation
        #: How to ask the database what became of a transaction.
        self.note: bytes = json.dumps({"database": connection.alias}).encode()
        self.transaction: Transaction | None = None
        self.scope: Scope | None = None
        #: Open savepoints: name, number of events before it, scope around it.
        self.stack: list[tuple[str, int, Scope]] = []
        #: Whether events stand prepared in the spool while the outcome of the COMMIT is open.
        self.in_commit = False
        #: Whether the open transaction may have made or dropped a trigger.
        self.has_defined = False
        #: Whether the application has begun a transaction by SQL, which Django does not see.
        self.is_manual = False
        #: The compiler whose update is being recorded: it may call another of its own methods.
        self.updating: Any = None
        #: The deletion of instances that is going on.
        self.deleting: Any = None
        #: What the statements of a save of an instance with several tables have written so far.
        self.parts: Any = None

    def is_autocommit(self) -> bool:
        """Whether the next statement is its own transaction."""
        connection = self.connection
        if connection.in_atomic_block:
            return False
        if self.is_manual and self.settle(is_committed=None):
            return False
        if connection.connection is None:
            # What it will be once it is open: asking `get_autocommit()` would open it.
            return bool(connection.settings_dict["AUTOCOMMIT"])
        # What `get_autocommit()` gives for a connection that is open.
        return connection.autocommit

    def settle(self, *, is_committed: bool | None) -> bool:
        """Whether a transaction that was begun by SQL is still open; ends it if it is not.

        Args:
            is_committed: whether it was committed if it has ended; None if nobody has seen it end.
        """
        if not self.is_manual or is_open(self.connection):
            return self.is_manual
        self.before_commit()
        if is_committed:
            self.after_commit()
        else:
            self.after_rollback(is_certain=is_committed is not None)
        return False

    def open(self) -> Transaction:
        """The transaction that collects the events of the connection."""
        transaction = self.transaction
        if transaction is None or self.generation != spool.generation:
            transaction = self.transaction = spool.begin()
            self.generation = spool.generation
            self.scope = self.scope or Scope(None)
            tell_losses()
        return transaction

    def define(self) -> None:
        """Follows a statement that may have made or dropped a trigger."""
        triggers.forget()
        # What is asked until the transaction ends holds for its own connection, at best.
        self.has_defined = not self.is_autocommit()

    def current_scope(self) -> Scope | None:
        """The innermost scope; None in autocommit."""
        if self.scope is None and not self.is_autocommit():
            self.scope = Scope(None)
        return self.scope

    def add_event(self, items: dict[str, Any], values: dict[str, Any] | None) -> None:
        """Adds an event; outside a transaction it is written at once."""
        context: Context = current_context()
        if not self.is_autocommit():
            self.open().event(context, items, values)
            return
        transaction = spool.begin()
        tell_losses()
        transaction.event(context, items, values)
        transaction.complete()

    def before_commit(self) -> None:
        """Writes the events as prepared."""
        transaction = self.transaction
        if transaction is None or not len(transaction):
            return
        events = len(transaction)
        try:
            spool.prepare(transaction, self.note)
            self.in_commit = True
        except Exception as error:
            self._drop()
            report(error, events=events, doing="record a transaction")

    def after_commit(self) -> None:
        """Marks the events as committed."""
        transaction = self.transaction
        self._leave()
        if transaction is None or not self.in_commit:
            return
        self.in_commit = False
        try:
            transaction.commit()
        except Exception as error:
            report_mark(error, doing="mark a transaction as committed")
        self.transaction = None

    def after_rollback(self, *, is_certain: bool) -> None:
        """Drops the events; marks them as uncertain if a COMMIT was under way and nobody knows."""
        transaction = self.transaction
        if self.scope is not None:
            self.scope.is_rolled_back = True
        for _, _, scope in self.stack:
            scope.is_rolled_back = True
        self._leave()
        self.transaction = None
        was_in_commit, self.in_commit = self.in_commit, False
        if transaction is None:
            return
        try:
            if was_in_commit and not is_certain:
                transaction.uncertain()
            else:
                transaction.abort()
        except Exception as error:
            report_mark(error, doing="mark a transaction as rolled back")

    def savepoint(self, name: str) -> None:
        """Remembers how many events came before the savepoint."""
        around = self.scope or Scope(None)
        self.stack.append((name, self._count(), around))
        self.scope = Scope(around)

    def rollback_to(self, name: str) -> None:
        """Drops the events since the savepoint, which stays open."""
        index = self._index(name)
        if index is None:
            return
        if self.scope is not None:
            self.scope.is_rolled_back = True
        for _, _, inner in self.stack[index + 1 :]:
            inner.is_rolled_back = True
        _, count, around = self.stack[index]
        del self.stack[index + 1 :]
        if self.has_defined:
            triggers.forget()
        self.scope = Scope(around)
        if self.transaction is not None:
            try:
                self.transaction.truncate(count)
            except Exception as error:
                events = len(self.transaction)
                self._drop()
                report(error, events=events, doing="follow a savepoint's rollback")

    def release(self, name: str) -> None:
        """Forgets the savepoint: its events belong to what is around it."""
        index = self._index(name)
        if index is not None:
            _, _, self.scope = self.stack[index]
            del self.stack[index:]

    def _count(self) -> int:
        return len(self.transaction) if self.transaction is not None else 0

    def _index(self, name: str) -> int | None:
        for index in range(len(self.stack) - 1, -1, -1):
            if self.stack[index][0] == name:
                return index
        return None

    def _leave(self) -> None:
        self.scope = None
        self.stack.clear()
        self.is_manual = False
        if self.has_defined:
            self.has_defined = False
            triggers.forget()

    def _drop(self) -> None:
        transaction, self.transaction = self.transaction, None
        if transaction is not None:
            with suppress(RecorderError):
                # The mark is kept by the recorder until it can be written.
                transaction.abort()


def capture_of(connection: Any) -> Capture:
    """What `connection` has recorded; made on first use."""
    capture: Capture | None = connection.__dict__.get(ATTRIBUTE)
    if capture is None:
        capture = Capture(connection)
        connection.__dict__[ATTRIBUTE] = capture
    return capture


def tell_losses() -> None:
    """Records how many events were dropped since the last time, if any were."""
    count, why = losses.take()
    if not count:
        return
    items = {"kind": "system", "action": "events.dropped", "outcome": "failure"}
    try:
        transaction = spool.begin()
        transaction.event(current_context(), items, {"data": {"count": count, "reason": why}})
        transaction.complete()
    except BaseException:
        losses.add(count, why)
        raise


def open_transactions() -> list[tuple[str, int, bytes]]:
    """What this thread's connections have recorded and not yet committed.

    Returns:
        For each transaction its writer, its number and its records, each behind its length (u32,
        little-endian).
    """
    found = []
    for connection in connections.all(initialized_only=True):
        capture: Capture | None = connection.__dict__.get(ATTRIBUTE)
        if capture is None or capture.transaction is None:
            continue
        if capture.generation == spool.generation and (pending := capture.transaction.pending()):
            found.append(pending)
    return found


def is_uncertain(error: BaseException) -> bool:
    """Whether the database may have committed although the statement raised `error`."""
    if _is_refusal(error.__cause__ or error):
        return False
    return isinstance(error, (OperationalError, InterfaceError)) or not isinstance(
        error, DatabaseError
    )


#: Errors of MariaDB's server: going down, network, in the COMMIT itself, interrupted, killed.
_NO_WORD: Final = frozenset({1053, 1156, 1157, 1158, 1159, 1160, 1161, 1180, 1317, 1927})


def _is_refusal(error: BaseException) -> bool:
    """Whether `error`, as the driver raised it, is the database's own word that it did nothing."""
    state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    if state:
        # Not: connection lost, outcome unknown, server going down, system or internal error.
        return not state.startswith(("08", "40003", "57P", "58", "XX"))
    number = error.args[0] if error.args else None
    if isinstance(number, int) and type(error).__module__.startswith(("MySQLdb", "pymysql")):
        # Numbers from 2000 are the client's: it has lost the server.
        return number // 1000 != 2 and number not in _NO_WORD
    name = getattr(error, "sqlite_errorname", "")
    return name.startswith(("SQLITE_BUSY", "SQLITE_ERROR", "SQLITE_LOCKED", "SQLITE_READONLY"))


def is_open(connection: Any) -> bool:
    """Whether a transaction is open, as the driver or MariaDB says; where nobody says, one is."""
    driver = connection.connection
    if driver is None:
        return False
    if connection.vendor == "sqlite":
        return bool(driver.in_transaction)
    if connection.vendor == "postgresql":
        # Zero is idle, with both drivers.
        return bool(driver.info.transaction_status)
    if connection.vendor == "mysql":
        with suppress(connection.Database.Error), driver.cursor() as cursor:
            # MySQL has no such variable.
            cursor.execute("SELECT @@in_transaction")
            return bool(cursor.fetchone()[0])
    return True


_originals: dict[str, Any] = {}


def _has_failed(connection: Any) -> bool:
    """Whether the database will commit nothing of the open transaction, whatever it is told."""
    driver = connection.connection
    if connection.vendor != "postgresql" or driver is None:
        return False
    # `INERROR`, with psycopg and psycopg2 alike: libpq's number.
    return bool(driver.info.transaction_status == 3)


def _commit(self: BaseDatabaseWrapper) -> Any:
    capture: Capture | None = self.__dict__.get(ATTRIBUTE)
    if capture is None:
        return _originals["_commit"](self)
    if capture.transaction is not None and _has_failed(self):
        # PostgreSQL answers the COMMIT of a failed transaction with a ROLLBACK, and no error.
        result = _originals["_commit"](self)
        capture.after_rollback(is_certain=True)
        return result
    try:
        capture.before_commit()
    except BaseException:
        # Django rolls back what the database refuses, and this is not the database.
        self.rollback()
        raise
    try:
        result = _originals["_commit"](self)
    except DatabaseError:
        # A rollback follows; whether it works tells whether the server has answered.
        raise
    except BaseException:
        capture.after_rollback(is_certain=False)
        raise
    capture.after_commit()
    return result


def _rollback(self: BaseDatabaseWrapper) -> Any:
    capture: Capture | None = self.__dict__.get(ATTRIBUTE)
    if capture is None:
        return _originals["_rollback"](self)
    try:
        result = _originals["_rollback"](self)
    except BaseException:
        capture.after_rollback(is_certain=False)
        raise
    capture.after_rollback(is_certain=self.connection is not None)
    return result


def _close_connection(self: BaseDatabaseWrapper) -> Any:
    capture: Capture | None = self.__dict__.get(ATTRIBUTE)
    try:
        return _originals["close"](self)
    finally:
        if capture is not None and (capture.transaction is not None or capture.is_manual):
            capture.after_rollback(is_certain=False)


def _savepoint(self: BaseDatabaseWrapper, sid: str) -> None:
    _originals["_savepoint"](self, sid)
    capture_of(self).savepoint(sid)


def _savepoint_rollback(self: BaseDatabaseWrapper, sid: str) -> None:
    _originals["_savepoint_rollback"](self, sid)
    capture_of(self).rollback_to(sid)


def _savepoint_commit(self: BaseDatabaseWrapper, sid: str) -> None:
    _originals["_savepoint_commit"](self, sid)
    capture_of(self).release(sid)


_WRAPPERS: Final = {
    "_commit": _commit,
    "_rollback": _rollback,
    "close": _close_connection,
    "_savepoint": _savepoint,
    "_savepoint_rollback": _savepoint_rollback,
    "_savepoint_commit": _savepoint_commit,
}


def install() -> None:
    """Wraps the connection's transaction methods; a second call changes nothing."""
    if _originals:
        return
    for name, wrapper in _WRAPPERS.items():
        _originals[name] = getattr(BaseDatabaseWrapper, name)
        setattr(BaseDatabaseWrapper, name, wrapper)


def uninstall() -> None:
    """Puts Django's own methods back."""
    while _originals:
        name, original = _originals.popitem()
        setattr(BaseDatabaseWrapper, name, original)
