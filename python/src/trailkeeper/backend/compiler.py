"""From Django's queries to the engine's SQL.

`vendor` is `trailkeeper`, not `postgresql`, although the dialect is PostgreSQL's: Django
and others run PostgreSQL's statements on every connection with that vendor (registering
types with psycopg, for one). So expressions arrive here in their general form, and those
for which the engine needs PostgreSQL's or one of its own are named below.
"""

from functools import singledispatch
from typing import Any

from django.db.models import DateField, DateTimeField, Exists
from django.db.models.functions import Cast, Collate, Now, StrIndex
from django.db.models.functions.datetime import TruncBase
from django.db.models.functions.text import ConcatPair
from django.db.models.sql import compiler
from django.db.utils import NotSupportedError

from trailkeeper.backend.read_only import refuse_write

Sql = tuple[str, tuple[Any, ...]]

UTC_MICROSECONDS = 'Timestamp(Microsecond, Some("UTC"))'


class SQLCompiler(compiler.SQLCompiler):
    def compile(self, node: Any) -> Sql:
        written: Sql | None = in_dialect(node, self)
        return super().compile(node) if written is None else written


class SQLInsertCompiler(SQLCompiler, compiler.SQLInsertCompiler):
    as_sql = execute_sql = refuse_write


class SQLUpdateCompiler(SQLCompiler, compiler.SQLUpdateCompiler):
    # Django 6 has the third.
    as_sql = execute_sql = execute_returning_sql = refuse_write


class SQLDeleteCompiler(SQLCompiler, compiler.SQLDeleteCompiler):
    as_sql = execute_sql = refuse_write


class SQLAggregateCompiler(SQLCompiler, compiler.SQLAggregateCompiler):
    pass


@singledispatch
def in_dialect(node: Any, compiler: SQLCompiler) -> Sql | None:
    """The SQL of an expression that the engine writes in another way than `as_sql`."""
    return None


@in_dialect.register(ConcatPair)
@in_dialect.register(StrIndex)
def _as_in_postgresql(node: ConcatPair | StrIndex, compiler: SQLCompiler) -> Sql:
    sql: Sql = node.as_postgresql(compiler, compiler.connection)
    return sql


@in_dialect.register
def _now(node: Now, compiler: SQLCompiler) -> Sql:
    return "arrow_cast(now(), %s)", (UTC_MICROSECONDS,)


@in_dialect.register
def _cast(node: Cast, compiler: SQLCompiler) -> Sql | None:
    if not isinstance(node.output_field, DateTimeField):
        return None
    sql, params = compiler.compile(node.get_source_expressions()[0])
    return f"arrow_cast({sql}, %s)", (*params, UTC_MICROSECONDS)


@in_dialect.register
def _trunc(node: TruncBase, compiler: SQLCompiler) -> Sql | None:
    """The beginning of the hour, day or month of an instant.

    Django would have its time zone forgotten for a date when `USE_TZ` is false.
    """
    if type(node).as_sql is not TruncBase.as_sql or not isinstance(
        node.lhs.output_field, DateTimeField
    ):
        return None
    sql, params = compiler.compile(node.lhs)
    ops: Any = compiler.connection.ops
    sql, params = ops.datetime_trunc_sql(node.kind, sql, tuple(params), node.get_tzname())
    if isinstance(node.output_field, DateTimeField):
        return sql, params
    kind = "date" if isinstance(node.output_field, DateField) else "time"
    return f"({sql})::{kind}", params


@in_dialect.register
def _collate(node: Collate, compiler: SQLCompiler) -> Sql:
    raise NotSupportedError("the trail compares text by its code points: Collate() has no effect")


@in_dialect.register
def _exists(node: Exists, compiler: SQLCompiler) -> None:
    # The engine would run it without the offset, and answer wrongly.
    if node.query.low_mark:
        raise NotSupportedError("the trail cannot run Exists() of a slice that skips rows")
