"""What MariaDB and MySQL do to a transaction by themselves.

A statement that changes the schema commits what is open, and a deadlock rolls all of it back, not
the statement alone: the events follow. At REPEATABLE READ a statement that writes sees the newest
rows, where a SELECT sees those of the transaction's beginning: the rows that it changes are read
as it sees them. Results come to the driver whole, unless they are streamed.

Every connection of these databases gets an execute wrapper, when it connects.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from django.db import OperationalError, connections
from django.db.backends.signals import connection_created

from trailkeeper.capture.transactions import capture_of, is_open

if TYPE_CHECKING:
    from django.db.models import QuerySet

__all__ = ["as_written", "follow", "has_lost_transaction", "install", "streamed", "uninstall"]

VENDOR: Final = "mysql"
UID: Final = "trailkeeper.capture.mysql"

#: The server's error for the transaction that it rolls back to end a deadlock.
DEADLOCK: Final = 1213

#: Statements before which the server commits; some forms of them it executes without.
COMMITS: Final = re.compile(
    r"\s*(?:alter|analyze|create|drop|flush|grant|lock|optimize|rename|repair|revoke|truncate)\b",
    re.IGNORECASE,
)


def follow(
    execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]
) -> Any:
    """Executes a statement, and lets the events follow what it does to its transaction."""
    connection = context["connection"]
    try:
        return execute(sql, params, many, context)
    except OperationalError as error:
        if has_lost_transaction(error):
            capture = capture_of(connection)
            if not capture.is_autocommit():
                capture.after_rollback(is_certain=True)
        raise
    finally:
        # Also when it fails: what is open was committed before.
        if isinstance(sql, str) and COMMITS.match(sql):
            _settle(connection)


def has_lost_transaction(error: BaseException) -> bool:
    """Whether `error` says that the server has rolled the whole transaction back."""
    return isinstance(error, OperationalError) and error.args[:1] == (DEADLOCK,)


def _settle(connection: Any) -> None:
    capture = capture_of(connection)
    if capture.is_autocommit() or capture.transaction is None or is_open(connection):
        return
    capture.before_commit()
    capture.after_commit()


def as_written(rows: QuerySet[Any, Any]) -> QuerySet[Any, Any]:
    """The rows as a statement that writes sees them now; it locks them, as that will."""
    connection: Any = connections[rows.db]
    if (
        connection.vendor != VENDOR
        or connection.get_autocommit()
        # Django's choice, and the only level at which both see the same.
        or connection.isolation_level == "read committed"
    ):
        return rows
    return rows.select_for_update()


@contextmanager
def streamed(using: str) -> Iterator[None]:
    """Lets `QuerySet.iterator()` fetch rows as they are asked for. All must be, in the block."""
    connection: Any = connections[using]
    if connection.vendor != VENDOR:
        yield
        return
    from django.db.backends.mysql.base import CursorWrapper

    def chunked_cursor() -> Any:
        connection.ensure_connection()
        cursor = connection.connection.cursor(connection.Database.cursors.SSCursor)
        return connection.make_cursor(CursorWrapper(cursor))

    connection.chunked_cursor = chunked_cursor
    try:
        yield
    finally:
        del connection.chunked_cursor


def install() -> None:
    """Follows all connections; a second call changes nothing."""
    connection_created.connect(_on_connection_created, dispatch_uid=UID)
    for connection in connections.all(initialized_only=True):
        _on_connection_created(connection=connection)


def uninstall() -> None:
    """Follows no connection any more."""
    connection_created.disconnect(dispatch_uid=UID)
    for connection in connections.all(initialized_only=True):
        if follow in connection.execute_wrappers:
            connection.execute_wrappers.remove(follow)


def _on_connection_created(*, connection: Any, **_: object) -> None:
    if connection.vendor == VENDOR and follow not in connection.execute_wrappers:
        connection.execute_wrappers.append(follow)
