"""Which tables have triggers that may change a row while it is written.

What such a table stores is not what was sent, and is asked for; all others cost nothing. Each
database is asked once in a process, before the first write that is recorded there, by the driver's
own cursor: neither the application's wrappers nor its log of queries see it. What was answered is
forgotten when a statement that goes through Django may have made or dropped a trigger, when the
transaction of that statement ends, and after `migrate`. What another process does to the triggers
is not noticed.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final

from django.db.models.signals import post_migrate

from trailkeeper.capture import sqlite
from trailkeeper.failure import is_news, logger

if TYPE_CHECKING:
    from django.db import models

    from trailkeeper.capture.registry import Tracker

__all__ = ["Reach", "connect", "disconnect", "forget", "may_concern", "reach", "untouched"]


class Reach(IntEnum):
    """How far what a table stores may be from what was sent."""

    #: No trigger changes the row.
    NONE = 0
    #: What a statement returns of the row is what is stored.
    RETURNED = 1
    #: What is stored must be read once the statement is done.
    LATER = 2


#: The tables whose rows are stored as they are sent, as far as they have been written: by model and
#: alias of the database. Native code reads it, and leaves all others to Python.
untouched: Final[dict[tuple[type[models.Model], str], Tracker]] = {}

#: The tables with triggers in each database that was asked, in lower case.
_tables: Final[dict[str, Mapping[str, Reach]]] = {}

#: Another one after each `forget`, by which an answer is known that was out of date when it came.
_epoch = object()

UID: Final = "trailkeeper.capture.triggers"

SAVEPOINT: Final = "trailkeeper_triggers"

#: Statuses of a connection of PostgreSQL, with psycopg and psycopg2 alike: libpq's numbers.
IDLE: Final = 0
FAILED: Final = 3

#: Name of the table, and whether what the trigger makes of a row is returned.
QUERIES: Final = {
    # They run after the statement's own write of the row, or instead of it.
    "sqlite": (
        "SELECT tbl_name, 0 FROM sqlite_master WHERE type = 'trigger' UNION ALL "
        "SELECT tbl_name, 0 FROM sqlite_temp_master WHERE type = 'trigger'"
    ),
    # Of inserts (4) and updates (16); those before the statement's own write (2) are returned. In
    # any schema: the search path may be another one for each tenant.
    "postgresql": (
        "SELECT c.relname, t.tgtype & 2 FROM pg_catalog.pg_trigger t "
        "JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid "
        "WHERE NOT t.tgisinternal AND t.tgenabled <> 'D' AND (t.tgtype & 20) <> 0"
    ),
    # Others cannot write the table that they are of.
    "mysql": (
        "SELECT event_object_table, 1 FROM information_schema.triggers "
        "WHERE event_object_schema = DATABASE() AND action_timing = 'BEFORE' "
        "AND event_manipulation IN ('INSERT', 'UPDATE')"
    ),
}


def reach(tracker: Tracker, connection: Any) -> Reach:
    """What triggers may do to a row that is about to be written.

    It may ask the database, and is called before the statement.

    Args:
        tracker: of the row, whose fields may stand in several tables.
        connection: that writes it.
    """
    alias: str = connection.alias
    if (tracker.model, alias) in untouched:
        return Reach.NONE
    found = _tables.get(alias)
    if found is None:
        found = _ask(connection, tracker.model)
        if found is None:
            return Reach.NONE
    farthest = Reach.NONE
    if found:
        names = (_name(model) for model in (tracker.model, *tracker.parents))
        farthest = max(found.get(name, Reach.NONE) for name in names)
    if farthest is Reach.NONE and tracker.is_whole:
        key = (tracker.model, alias)
        untouched[key] = tracker
        if _tables.get(alias) is not found:
            # Forgotten meanwhile, by another thread.
            untouched.pop(key, None)
    return farthest


def may_concern(sql: object) -> bool:
    """Whether a statement that changes the schema, or may, can have to do with triggers.

    Args:
        sql: as the application gives it: text, bytes, or parts of psycopg's.
    """
    text = str(sql).upper()
    # A table that is given another name takes its triggers along.
    return "TRIGGER" in text or "RENAME" in text


def forget() -> None:
    """Has all databases asked anew."""
    global _epoch
    _epoch = object()
    _tables.clear()
    # Last: `reach` looks whether it was too late to add to it.
    untouched.clear()


def connect() -> None:
    """Forgets after migrations; a second call changes nothing."""
    post_migrate.connect(_on_post_migrate, dispatch_uid=UID)


def disconnect() -> None:
    """Forgets after migrations no more."""
    post_migrate.disconnect(dispatch_uid=UID)


def _on_post_migrate(**_: object) -> None:
    forget()


def _name(model: type[models.Model]) -> str:
    # A schema may stand in the name, between quotes: `"schema"."table"`.
    return model._meta.db_table.strip('"').rpartition('"."')[2].lower()


def _ask(connection: Any, model: type[models.Model]) -> Mapping[str, Reach] | None:
    """The tables of a database that have triggers; None if it cannot be asked now."""
    query = QUERIES.get(connection.vendor)
    asked = _epoch
    try:
        found = {} if query is None else _answer(connection, model, query)
    except Exception as error:
        # What goes wrong here, the statement itself meets again, as a rule.
        if is_news((UID, type(error))):
            logger.warning(
                "trailkeeper could not ask %s for its triggers: %r", connection.alias, error
            )
        return None
    if found is not None and asked is _epoch:
        _tables[connection.alias] = found
    return found


def _answer(connection: Any, model: type[models.Model], query: str) -> Mapping[str, Reach] | None:
    connection.ensure_connection()
    sqlite.lock(connection, model)
    driver = connection.connection
    is_postgresql = connection.vendor == "postgresql"
    status = driver.info.transaction_status if is_postgresql else IDLE
    if status == FAILED:
        return None
    # A query that fails, or is cancelled, takes a transaction of PostgreSQL along.
    is_guarded = is_postgresql and (status != IDLE or not driver.autocommit)
    with closing(driver.cursor()) as cursor:
        if is_guarded:
            cursor.execute(f"SAVEPOINT {SAVEPOINT}")
        try:
            cursor.execute(query)
            rows = cursor.fetchall()
        except BaseException:
            if is_guarded:
                cursor.execute(f"ROLLBACK TO SAVEPOINT {SAVEPOINT}")
            raise
        if is_guarded:
            cursor.execute(f"RELEASE SAVEPOINT {SAVEPOINT}")
    found: dict[str, Reach] = {}
    for table, is_returned in rows:
        own = Reach.RETURNED if is_returned else Reach.LATER
        found[table.lower()] = max(own, found.get(table.lower(), own))
    return found
