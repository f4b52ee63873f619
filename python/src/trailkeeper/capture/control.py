"""Transactions that the application controls by SQL of its own: `cursor.execute("BEGIN")`.

Django does not see them, and takes its connection to be in autocommit, or in a transaction that
has ended. The events follow what the database does: those of a transaction that SQL has begun are
kept until SQL ends it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from trailkeeper._recorder import control_of as read
from trailkeeper.capture.transactions import capture_of, is_uncertain

__all__ = ["follow"]

#: Savepoints of Django's, which `transactions` follows.
DJANGOS: Final = re.compile(r"(?:ROLLBACK TO |RELEASE )?SAVEPOINT [\"`]?s\d+_x\d+[\"`]?")

#: What a statement does to the transaction, and the name of a savepoint.
control_of: Final = lru_cache(64)(read)


def follow(cursor: Any, sql: str, execute: Callable[[], Any]) -> Any:
    """Executes a statement that may begin or end a transaction, and does the same to the events.

    Args:
        cursor: Django's, that executes it.
        sql: the statement.
        execute: runs it, and gives its result.

    Returns:
        What `execute` gave.

    Raises:
        RecordingError: if the events cannot be recorded before a COMMIT, and `ON_FAILURE` is
            `"raise"`.
    """
    if DJANGOS.fullmatch(sql):
        return execute()
    found = control_of(sql)
    if found is None:
        return execute()
    verb, name = found
    capture = capture_of(cursor.db)
    if verb == "commit":
        return _commit(cursor, execute)
    if verb == "begin":
        # Settles what an earlier one may have left.
        capture.is_autocommit()
    result = execute()
    if verb == "rollback":
        capture.after_rollback(is_certain=True)
    elif verb == "rollback_to":
        capture.rollback_to(name)
    elif verb == "release":
        capture.release(name)
        # SQLite commits with the outermost savepoint, if it began the transaction.
        capture.settle(is_committed=True)
    else:
        if capture.is_autocommit():
            capture.is_manual = True
        if verb == "savepoint":
            capture.savepoint(name)
    return result


def _commit(cursor: Any, execute: Callable[[], Any]) -> Any:
    capture = capture_of(cursor.db)
    capture.before_commit()
    try:
        result = execute()
    except BaseException as error:
        capture.after_rollback(is_certain=not is_uncertain(error))
        raise
    if getattr(cursor.cursor, "statusmessage", None) == "ROLLBACK":
        # PostgreSQL's answer to the COMMIT of a transaction that has failed.
        capture.after_rollback(is_certain=True)
    else:
        capture.after_commit()
    return result
