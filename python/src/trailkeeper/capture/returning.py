"""Statements that return the rows they write: `UPDATE ... RETURNING`, `DELETE ... RETURNING`, and
inserts.

What is returned is what the statement has left or removed, so that nothing is asked beside it: not
what it was meant to do, and of no row that another transaction was quicker with. What BEFORE
triggers make of a row is returned. What AFTER triggers make of it never is (`triggers.Reach`), and
is read instead.

The clause is added to the text that the compiler makes. The statement stays the application's own:
its wrappers and its log of queries see it once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache, partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from django.core.exceptions import EmptyResultSet
from django.db import Error, OperationalError
from django.db.models import Field

from trailkeeper.capture import mysql, rows

if TYPE_CHECKING:
    from trailkeeper.capture.registry import Tracker

__all__ = [
    "Returned",
    "can_delete",
    "can_insert",
    "can_stream",
    "can_update",
    "convert",
    "execute",
    "insert",
]


class Returned:
    """What a statement has returned.

    Args:
        compiler: of the statement.
        fields: those of which the rows have values.
        kept: the rows as the driver gave them, or why there are none.
        count: how many rows the statement has written.
    """

    __slots__ = ("_compiler", "_fields", "_kept", "count")

    def __init__(
        self,
        compiler: Any,
        fields: Sequence[Field[Any, Any]],
        kept: rows.Kept | Exception,
        count: int,
    ) -> None:
        self._compiler = compiler
        self._fields = fields
        self._kept = kept
        self.count = count

    def __iter__(self) -> Iterator[rows.Row]:
        """The rows with the values that instances have."""
        if isinstance(self._kept, Exception):
            raise self._kept
        for chunk in self._kept.chunks():
            yield from convert(self._compiler, self._fields, chunk)

    def close(self) -> None:
        """Gives back what it takes on disk."""
        if isinstance(self._kept, rows.Kept):
            self._kept.close()


def can_update(compiler: Any, tracker: Tracker) -> bool:
    """Whether an update can return the whole rows of a table.

    Not MariaDB. As many as there may be only where `can_stream`.
    """
    connection = compiler.connection
    return (
        connection.vendor in ("sqlite", "postgresql")
        and connection.features.can_return_columns_from_insert
        and _is_plain_table(tracker)
    )


def can_stream(compiler: Any) -> bool:
    """Whether what a statement returns is never held as a whole, however many rows there are.

    Not SQLite, which holds it itself.
    """
    return compiler.connection.vendor == "postgresql" and _can_stream()


def can_delete(compiler: Any, tracker: Tracker) -> bool:
    """Whether a delete can return the whole rows of a table, as many as there may be."""
    connection = compiler.connection
    if connection.vendor == "mysql":
        # Of several tables it returns nothing.
        can_return = connection.mysql_is_mariadb and compiler.single_alias
    elif connection.vendor == "postgresql":
        can_return = can_stream(compiler)
    else:
        can_return = (
            connection.vendor == "sqlite" and connection.features.can_return_columns_from_insert
        )
    return can_return and _is_plain_table(tracker)


def can_insert(compiler: Any, tracker: Tracker) -> bool:
    """Whether an insert can return the whole rows of a table."""
    features = compiler.connection.features
    return features.can_return_rows_from_bulk_insert and _is_plain_table(tracker)


def execute(compiler: Any, fields: Sequence[Field[Any, Any]]) -> Returned | None:
    """Executes the compiler's statement and keeps what it returns.

    Args:
        compiler: of an update or a delete.
        fields: of its table: those to return.

    Returns:
        What it has returned; None if there is nothing to execute.

    Raises:
        Error: the statement's own.
    """
    try:
        sql, params = compiler.as_sql()
    except EmptyResultSet:
        return None
    if not sql:
        return None
    connection = compiler.connection
    name = connection.ops.quote_name
    table = name(compiler.query.get_meta().db_table)
    columns = ", ".join(f"{table}.{name(field.column)}" for field in fields)
    count = 0
    with _cursor(connection) as cursor:
        try:
            cursor.execute(f"{sql} RETURNING {columns}", params)
        except OperationalError as error:
            if not NO_SUCH_COLUMN.search(str(error)):
                raise
            # The table is not that of the model, and the transaction goes on. The statement need
            # not name that column: if it does, this is its own error.
            cursor.execute(sql, params)
            return Returned(compiler, fields, error, cursor.rowcount)

        def read() -> Iterator[rows.Row]:
            nonlocal count
            while chunk := cursor.fetchmany(rows.CHUNK):
                count += len(chunk)
                yield from chunk

        returned = read()
        kept: rows.Kept | Exception
        try:
            kept = rows.Kept(returned)
        except Error:
            raise
        except Exception as error:
            # Whoever records it is told; the statement goes on, which no more reading could cancel.
            kept = error
            for _ in returned:
                pass
    return Returned(compiler, fields, kept, count)


#: What SQLite and MariaDB say.
NO_SUCH_COLUMN: Final = re.compile("^no such column|Unknown column")


def insert(
    compiler: Any, fields: Sequence[Field[Any, Any]], execute: partial[Any]
) -> tuple[list[rows.Row], list[rows.Row] | None]:
    """Executes the compiler's insert.

    Not by `execute_sql`, which takes it for granted that the insert of one row returns one.

    Args:
        compiler: of an insert.
        fields: of its table: those to return.
        execute: `SQLInsertCompiler.execute_sql` with its arguments.

    Returns:
        The rows that it added or changed, as the driver gives them, and what Django has asked for
        of them; None if that is nothing.

    Raises:
        Error: the statement's own.
    """
    compiler.returning_fields = fields
    with compiler.connection.cursor() as cursor:
        for sql, params in compiler.as_sql():
            cursor.execute(sql, params)
        found = list(cursor.fetchall())
    given = execute.keywords.get("returning_fields", next(iter(execute.args[1:]), None))
    if not given:
        return found, None
    places = [fields.index(field) for field in given]
    asked = [tuple(row[place] for place in places) for row in found]
    return found, list(convert(compiler, given, asked))


def convert(
    compiler: Any, fields: Sequence[Field[Any, Any]], found: Sequence[rows.Row]
) -> Iterator[rows.Row]:
    """The rows with the values that instances have, from those that the driver gave.

    Args:
        compiler: of the statement that has returned them.
        fields: those of the values.
        found: the rows.
    """
    table = compiler.query.get_meta().db_table
    converters = compiler.get_converters([field.get_col(table) for field in fields])
    if converters:
        return (tuple(row) for row in compiler.apply_converters(found, converters))
    return (tuple(row) for row in found)


def _is_plain_table(tracker: Tracker) -> bool:
    """Whether it is a table, and its columns are read as they are.

    What Django does not manage may be a view, or a virtual table, which return nothing.
    """
    meta = tracker.model._meta
    select_format = Field.select_format
    return meta.managed and all(
        type(field).select_format is select_format for field in meta.local_concrete_fields
    )


def _cursor(connection: Any) -> Any:
    """A cursor of Django's that gives rows as they come, without holding them all."""
    connection.ensure_connection()
    driver = connection.connection
    # What the drivers call the class of the cursors that they make.
    if connection.vendor == "postgresql" and _can_stream():
        name, streaming = "cursor_factory", _streaming(driver.cursor_factory)
    elif connection.vendor == mysql.VENDOR:
        name, streaming = "cursorclass", connection.Database.cursors.SSCursor
    else:
        # SQLite gives row after row by itself.
        return connection.cursor()
    usual = getattr(driver, name)
    setattr(driver, name, streaming)
    try:
        return connection.cursor()
    finally:
        setattr(driver, name, usual)


@cache
def _can_stream() -> bool:
    """Whether the driver of PostgreSQL can give rows before it has all of them: psycopg 3."""
    from django.db.backends.postgresql.psycopg_any import is_psycopg3

    return bool(is_psycopg3)


@cache
def _streaming(factory: type[Any]) -> type[Any]:
    """A class of psycopg's cursors whose `execute` streams."""
    from psycopg import capabilities

    size = rows.CHUNK if capabilities.has_stream_chunked() else 1

    class Streaming(factory):  # type: ignore[misc]
        """Reads the rows as the server sends them; they must be read to their end."""

        def execute(self, query: Any, params: Any = None, **_: Any) -> Any:
            stream = self.stream(query, params, size=size)
            # The first one, so that a statement that fails does so here.
            self._ahead = list(islice(stream, 1))
            self._rest = stream
            return self

        def fetchmany(self, size: int = 0) -> list[Any]:
            taken = self._ahead + list(islice(self._rest, size - len(self._ahead)))
            self._ahead = []
            return taken

    return Streaming
