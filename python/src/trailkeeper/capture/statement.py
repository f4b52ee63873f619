"""Recording around one statement: before it in autocommit, after it in a transaction.

In a transaction, the events of a statement join those of the connection once it has succeeded. In
autocommit the statement is the commit: what it is about to do is written as prepared before it,
and marked, with the values as stored, after it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from trailkeeper import spool
from trailkeeper.capture import mysql
from trailkeeper.capture.transactions import Capture, is_uncertain, tell_losses
from trailkeeper.failure import losses, report, report_mark
from trailkeeper.layers import current_context

if TYPE_CHECKING:
    from trailkeeper._recorder import Transaction

__all__ = ["add_opaque", "follow", "join", "look", "mark", "run"]

T = TypeVar("T")

#: Adds the events of a statement to a transaction: those meant, before it, or those that happened,
#: given its result.
Record = Callable[["Transaction"], None]


def look(read: Callable[[], T], *, doing: str) -> T | None:
    """Reads what a statement is about to change.

    Args:
        read: asks the database.
        doing: what this is, for a failure's message.

    Returns:
        What `read` gave; None if it failed, and the statement is executed unrecorded.

    Raises:
        RecordingError: if it failed and `ON_FAILURE` is `"raise"`.
        OperationalError: if the server has rolled the application's transaction back.
    """
    try:
        return read()
    except Exception as error:
        if mysql.has_lost_transaction(error):
            # To go on would be to write half of it.
            raise
        report(error, events=1, doing=doing)
        return None


def run(
    capture: Capture,
    execute: Callable[[], Any],
    *,
    intend: Record,
    confirm: Callable[[Any, Transaction], None],
    intent_is_exact: bool,
    has_effect: Callable[[Any], bool],
    doing: str,
) -> Any:
    """Executes a statement and records it.

    Args:
        capture: of the statement's connection.
        execute: runs the statement, and gives its result.
        intend: adds the events that the statement is meant to have.
        confirm: adds the events that it had, given its result.
        intent_is_exact: whether the intended events are those that happen, if any do.
        has_effect: whether the statement changed anything, given its result.
        doing: what this is, for a failure's message.

    Returns:
        What `execute` gave.

    Raises:
        RecordingError: if the events cannot be recorded and `ON_FAILURE` is `"raise"`.
    """
    if not capture.is_autocommit():
        return join(capture, execute, confirm=confirm, has_effect=has_effect, doing=doing)
    prepared = _prepare(capture, intend, doing)
    return follow(
        prepared,
        execute,
        confirm=None if intent_is_exact else confirm,
        has_effect=has_effect,
        doing=doing,
    )


def join(
    capture: Capture,
    execute: Callable[[], Any],
    *,
    confirm: Callable[[Any, Transaction], None],
    has_effect: Callable[[Any], bool],
    doing: str,
) -> Any:
    """Executes a statement in a transaction, whose events those of the statement join.

    The arguments and the result are those of `run`.
    """
    result = execute()
    if has_effect(result):
        try:
            confirm(result, capture.open())
        except Exception as error:
            report(error, events=1, doing=doing)
    return result


def follow(
    prepared: Transaction | None,
    execute: Callable[[], Any],
    *,
    confirm: Callable[[Any, Transaction], None] | None,
    has_effect: Callable[[Any], bool],
    doing: str,
) -> Any:
    """Executes a statement in autocommit and marks what became of it.

    Args:
        prepared: what it is meant to do, written as prepared; None if that failed.
        execute, has_effect, doing: those of `run`.
        confirm: that of `run`; None if the events are those prepared.

    Returns:
        What `execute` gave.
    """
    try:
        result = execute()
    except BaseException as error:
        if prepared is not None:
            mark(prepared.uncertain if is_uncertain(error) else prepared.abort, doing)
        raise
    if prepared is None:
        return result
    try:
        if not has_effect(result):
            prepared.abort()
        else:
            if confirm is not None:
                confirm(result, prepared)
            prepared.commit_at_once()
    except Exception as error:
        # The statement has happened, and what it left could not be told: the rows will say.
        report_mark(error, doing=doing)
        mark(prepared.uncertain, doing)
    return result


def add_opaque(
    transaction: Transaction,
    alias: str,
    *,
    model: str | None,
    table: str | None,
    verb: str,
    rows: int | None,
    text: str,
) -> None:
    """Adds one event for a statement whose rows cannot be told.

    Args:
        transaction: gets the event.
        alias: the database.
        model: label of the tracked model, if there is exactly one.
        table: the table, if it is known.
        verb: `insert`, `update`, `delete`, `truncate`, `call` and so on.
        rows: how many, if it is known.
        text: the statement without its literals, or in words.
    """
    items = {
        "kind": "change",
        "action": "truncate" if verb == "truncate" else "opaque",
        "outcome": "success",
        "database": alias,
        "model": model,
    }
    data = {"table": table, "verb": verb, "rows": rows, "statement": text}
    transaction.event(current_context(), items, {"data": data})


def _prepare(capture: Capture, intend: Record, doing: str) -> Transaction | None:
    try:
        transaction = spool.begin()
        if losses.count:
            tell_losses()
        intend(transaction)
        if len(transaction):
            spool.prepare(transaction, capture.note)
        return transaction
    except Exception as error:
        report(error, events=1, doing=doing)
        return None


def mark(outcome: Callable[[], None], doing: str) -> None:
    """Writes down what became of a transaction, and logs it if that cannot be done.

    Args:
        outcome: the transaction's `commit`, `abort` or `uncertain`.
        doing: what this is, for a failure's message.
    """
    try:
        outcome()
    except Exception as error:
        report_mark(error, doing=doing)
