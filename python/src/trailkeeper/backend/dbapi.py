"""The engine as a DB-API 2.0 driver (PEP 249): a cursor, and the errors.

Django's wrapper turns these exceptions into its own of the same name.
"""

import datetime
from collections.abc import Iterator, Sequence
from typing import Any

from django.conf import settings
from django.utils import timezone

from trailkeeper import engine, exceptions
from trailkeeper.backend.literals import Params, bind
from trailkeeper.backend.read_only import refuse_write, require_reading

apilevel = "2.0"
threadsafety = 3
paramstyle = "pyformat"
Binary = bytes

Row = tuple[Any, ...]


class Error(Exception):
    pass


class InterfaceError(Error):
    pass


class DatabaseError(Error):
    pass


class DataError(DatabaseError):
    pass


class OperationalError(DatabaseError):
    pass


class IntegrityError(DatabaseError):
    pass


class InternalError(DatabaseError):
    pass


class ProgrammingError(DatabaseError):
    pass


class NotSupportedError(DatabaseError):
    pass


ERROR_BY_TYPE: dict[type[exceptions.TrailkeeperError], type[DatabaseError]] = {
    exceptions.InvalidRequestError: ProgrammingError,
    exceptions.NotFoundError: DatabaseError,
    exceptions.ConflictError: OperationalError,
    exceptions.UnavailableError: OperationalError,
    exceptions.CorruptDataError: DataError,
    exceptions.InternalError: InternalError,
}

# What DataFusion says of valid SQL that it cannot run, and what we say instead.
UNSUPPORTED = (
    (
        "ScalarSubquery(",
        "the trail cannot run a subquery that returns a value and depends on the outer row, "
        "unless it is an aggregate without a slice, joined by equality: use a window function or "
        "a second query",
    ),
    (
        "Correlated scalar subquery must be aggregated",
        "the trail cannot run a subquery that depends on the outer row without aggregating: "
        "use a window function or a second query",
    ),
    (
        "logical expression Exists(",
        "the trail can filter by Exists(), but not select or order by it",
    ),
    (
        "logical expression InSubquery(",
        "the trail can filter by a subquery with IN, but not select or order by it, nor slice "
        "one that depends on the outer row",
    ),
    ("Invalid function", "the trail's SQL does not have this function"),
    ("not implemented", "the trail's SQL cannot run this"),
    ("NotImplemented", "the trail's SQL cannot run this"),
)


def translated(error: exceptions.TrailkeeperError) -> DatabaseError:
    """The error of this driver for one of the engine."""
    message = str(error)
    if isinstance(error, exceptions.InvalidRequestError | exceptions.InternalError):
        for sign, sentence in UNSUPPORTED:
            if sign in message:
                return NotSupportedError(f"{sentence} ({message})")
    return ERROR_BY_TYPE[type(error)](message)


class Cursor:
    """The rows of one query at a time, all of them in memory."""

    arraysize = 100

    def __init__(self) -> None:
        self.description: list[tuple[Any, ...]] | None = None
        self.rowcount = -1
        self._rows: Iterator[Row] = iter(())
        self._is_closed = False

    def execute(self, sql: str, params: Params = None) -> None:
        """Run one statement that reads; any other is refused."""
        if self._is_closed:
            raise ProgrammingError("the cursor is closed")
        require_reading(sql)
        statement = bind(sql, params)
        try:
            answer = engine.query(statement)
        except exceptions.TrailkeeperError as error:
            raise translated(error) from error
        self.description = [(name, kind, *[None] * 5) for name, kind in answer.columns]
        self.rowcount = len(answer.rows)
        self._rows = _django_rows(answer)

    executemany = callproc = refuse_write

    def fetchone(self) -> Row | None:
        return next(self._rows, None)

    def fetchmany(self, size: int | None = None) -> list[Row]:
        wanted = self.arraysize if size is None else size
        return [row for _, row in zip(range(wanted), self._rows, strict=False)]

    def fetchall(self) -> list[Row]:
        return list(self._rows)

    def __iter__(self) -> Iterator[Row]:
        return self._rows

    def close(self) -> None:
        self._is_closed = True
        self._rows = iter(())


class Connection:
    """Nothing is connected; Django's bookkeeping needs an object."""

    def cursor(self) -> Cursor:
        return Cursor()

    def commit(self) -> None:
        """There is nothing to commit."""

    def rollback(self) -> None:
        """There is nothing to roll back."""

    def close(self) -> None:
        """There is nothing to close."""


def _django_rows(answer: engine.Answer) -> Iterator[Row]:
    """The rows, with times as Django's settings want them."""
    times = [
        (index, _is_instant(kind))
        for index, (_, kind) in enumerate(answer.columns)
        if kind.startswith("Timestamp")
    ]
    if not times:
        return iter(answer.rows)
    return (_with_times(row, times) for row in answer.rows)


def _is_instant(arrow_type: str) -> bool:
    """Whether the type has a time zone, and so names an instant and no wall clock's time."""
    return '"' in arrow_type


def _with_times(row: Row, times: Sequence[tuple[int, bool]]) -> Row:
    cells = list(row)
    for index, is_instant in times:
        if cells[index] is not None:
            cells[index] = _django_time(cells[index], is_instant=is_instant)
    return tuple(cells)


def _django_time(value: datetime.datetime, *, is_instant: bool) -> datetime.datetime:
    if not is_instant:
        # `Trunc` computes wall clock times, and gives them their zone itself.
        return value.replace(tzinfo=None)
    instant = value.astimezone(datetime.UTC)
    if settings.USE_TZ:
        return instant
    return timezone.make_naive(instant, timezone.get_default_timezone())
