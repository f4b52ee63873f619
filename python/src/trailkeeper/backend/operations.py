"""SQL as the engine wants it: DataFusion with the dialect of PostgreSQL.

Django's own operations for PostgreSQL cannot serve as a base: they import psycopg. Times
are columns of microseconds in UTC; a wall clock's time is computed with
`to_local_time` of a column cast to that zone, which keeps the microseconds, where
`AT TIME ZONE` would change to nanoseconds and the years 1677 to 2262.
"""

import datetime
import re
from typing import Any

from django.db.backends.base.operations import BaseDatabaseOperations
from django.db.backends.utils import split_tzname_delta
from django.db.models import Field
from django.db.utils import NotSupportedError
from django.utils import timezone

from trailkeeper.backend.literals import bind, in_utc, literal

Sql = tuple[str, tuple[Any, ...]]

TEXT_LOOKUPS = frozenset(
    [
        "contains",
        "endswith",
        "icontains",
        "iendswith",
        "iexact",
        "iregex",
        "istartswith",
        "regex",
        "startswith",
    ]
)
UPPERCASE_LOOKUPS = frozenset({"icontains", "iendswith", "iexact", "istartswith"})
PARTS = {"week_day": "DOW", "iso_week_day": "ISODOW", "iso_year": "ISOYEAR"}

_part = re.compile(r"[A-Z]+")


class DatabaseOperations(BaseDatabaseOperations):
    compiler_module = "trailkeeper.backend.compiler"
    cast_char_field_without_max_length = "varchar"
    explain_prefix = "EXPLAIN"

    def quote_name(self, name: str) -> str:
        if name.startswith('"') and name.endswith('"'):
            return name  # Django quotes some names twice, and expects no more quotes.
        return '"' + name.replace('"', '""') + '"'

    def no_limit_value(self) -> None:
        return None

    def distinct_sql(self, fields: list[str], params: Any) -> tuple[list[str], list[Any]]:
        if not fields:
            return ["DISTINCT"], []
        return [f"DISTINCT ON ({', '.join(fields)})"], [p for some in params for p in some]

    def explain_query_prefix(self, format: str | None = None, **options: Any) -> str:
        """`explain(analyze=True)`, `explain(verbose=True)`, `explain(format="tree")`."""
        words = [
            name.upper()
            for name in ("analyze", "verbose")
            if options.pop(name, False) or options.pop(name.upper(), False)
        ]
        prefix = super().explain_query_prefix(format, **options)
        words += ["FORMAT", format.upper()] if format else []
        return " ".join([prefix, *words])

    def last_executed_query(self, cursor: Any, sql: str, params: Any) -> str:
        return bind(sql, params)

    def sql_flush(self, *args: Any, **kwargs: Any) -> list[str]:
        """Nothing: no table of the trail is Django's to empty."""
        return []

    def prepare_sql_script(self, sql: str) -> list[str]:
        return [sql]

    # Text

    def lookup_cast(self, lookup_type: str, internal_type: str | None = None) -> str:
        sql = "%s::text" if lookup_type in TEXT_LOOKUPS else "%s"
        return f"UPPER({sql})" if lookup_type in UPPERCASE_LOOKUPS else sql

    # Dates and times (where types are ignored, django-stubs still has Django 4.1's)

    def date_extract_sql(self, lookup_type: str, sql: str, params: tuple[Any, ...]) -> Sql:
        part = PARTS.get(lookup_type, lookup_type.upper())
        if not _part.fullmatch(part):
            raise ValueError(f"Invalid lookup type: {lookup_type!r}")
        extracted = f"EXTRACT({part} FROM {sql})"
        # Django counts the days of the week from Sunday, 1.
        return (f"({extracted} + 1)" if lookup_type == "week_day" else extracted), params

    def datetime_extract_sql(
        self, lookup_type: str, sql: str, params: tuple[Any, ...], tzname: str | None
    ) -> Sql:
        return self.date_extract_sql(lookup_type, *self._wall_clock(sql, params, tzname))

    def time_extract_sql(  # type: ignore[override]
        self, lookup_type: str, sql: str, params: tuple[Any, ...]
    ) -> Sql:
        return self.date_extract_sql(lookup_type, sql, params)

    def date_trunc_sql(
        self, lookup_type: str, sql: str, params: tuple[Any, ...], tzname: str | None = None
    ) -> Sql:
        return f"DATE_TRUNC(%s, {sql})", (lookup_type, *params)

    def datetime_trunc_sql(  # type: ignore[override]
        self, lookup_type: str, sql: str, params: tuple[Any, ...], tzname: str | None
    ) -> Sql:
        sql, params = self._wall_clock(sql, params, tzname)
        return f"DATE_TRUNC(%s, {sql})", (lookup_type, *params)

    def time_trunc_sql(  # type: ignore[override]
        self, lookup_type: str, sql: str, params: tuple[Any, ...], tzname: str | None = None
    ) -> Sql:
        return f"DATE_TRUNC(%s, {sql})::time", (lookup_type, *params)

    def datetime_cast_date_sql(self, sql: str, params: tuple[Any, ...], tzname: str | None) -> Sql:
        sql, params = self._wall_clock(sql, params, tzname)
        return f"({sql})::date", params

    def datetime_cast_time_sql(self, sql: str, params: tuple[Any, ...], tzname: str | None) -> Sql:
        sql, params = self._wall_clock(sql, params, tzname)
        return f"({sql})::time", params

    def _wall_clock(self, sql: str, params: tuple[Any, ...], tzname: str | None) -> Sql:
        """The instant `sql` as a clock in the zone shows it.

        Django gives no zone when `USE_TZ` is false: times are then meant in `TIME_ZONE`.
        """
        zone = arrow_zone(tzname or timezone.get_default_timezone_name())
        arrow_type = f'Timestamp(Microsecond, Some("{zone}"))'
        return f"to_local_time(arrow_cast({sql}, %s))", (*params, arrow_type)

    # Durations: integers of microseconds outside an expression, Arrow durations inside

    def format_for_duration_arithmetic(self, sql: str) -> str:
        return f"arrow_cast({sql}, 'Duration(Microsecond)')"

    def subtract_temporals(self, internal_type: str, lhs: Sql, rhs: Sql) -> Sql:
        if internal_type != "DateTimeField":
            raise NotSupportedError("the trail can subtract times, but not dates or times of day")
        (left, left_params), (right, right_params) = lhs, rhs
        difference = f"arrow_cast({left} - {right}, 'Duration(Microsecond)')"
        return f"arrow_cast({difference}, 'Int64')", (*left_params, *right_params)

    # Values: kept as Python objects, for `literals` to write

    def adapt_datefield_value(self, value: Any) -> Any:
        return value

    def adapt_datetimefield_value(self, value: Any) -> Any:
        return in_utc(value) if isinstance(value, datetime.datetime) else value

    def adapt_timefield_value(self, value: Any) -> Any:
        return value

    def get_db_converters(self, expression: Any) -> list[Any]:
        converters = super().get_db_converters(expression)
        output: Field[Any, Any] = expression.output_field
        if output.get_internal_type() in {"DecimalField", "TimeField"}:
            converters.append(_through_to_python)
        return converters


def _through_to_python(value: Any, expression: Any, connection: Any) -> Any:
    """For types that the engine may return as text or as a float."""
    return None if value is None else expression.output_field.to_python(value)


def arrow_zone(tzname: str) -> str:
    """The zone as Arrow names it: of the tz database, or an offset such as `+02:00`."""
    name, sign, offset = split_tzname_delta(tzname)
    zone = f"{sign}{offset}" if offset else name
    # It is written into the name of a type, which is then quoted as a whole.
    if '"' in literal(zone):
        raise ValueError(f"Invalid time zone: {tzname!r}")
    return zone
