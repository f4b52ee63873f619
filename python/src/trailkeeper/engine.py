"""The one door to the native module `trailkeeper_engine`.

The module is large, so it is imported on the first read and never by a process that
only writes. A `Trail` is made once for each process: threads of the engine do not
survive a fork, so a child makes its own.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from django.core.exceptions import ImproperlyConfigured

from trailkeeper import exceptions
from trailkeeper.capture import transactions
from trailkeeper.conf import settings

if TYPE_CHECKING:
    from trailkeeper_engine import Trail

__all__ = ["Answer", "close", "errors", "native", "query", "trail"]

# The kinds of `ErrorKind`, in the engine.
_ERROR_BY_KIND: dict[str, type[exceptions.TrailkeeperError]] = {
    "Invalid": exceptions.InvalidRequestError,
    "NotFound": exceptions.NotFoundError,
    "Conflict": exceptions.ConflictError,
    "Unavailable": exceptions.UnavailableError,
    "Corrupt": exceptions.CorruptDataError,
    "Internal": exceptions.InternalError,
}


class Answer(NamedTuple):
    """The rows of a query, and name and Arrow type of each column."""

    columns: Sequence[tuple[str, str]]
    rows: Sequence[tuple[Any, ...]]


# By process, store and spool. A parent's trail stays here in its children, unused:
# dropping it would stop threads that the child does not have.
_trails: dict[tuple[int, str, str], "Trail"] = {}


def native() -> Any:
    """The native module, imported on the first call."""
    try:
        return import_module("trailkeeper_engine")
    except ModuleNotFoundError as error:
        if error.name != "trailkeeper_engine":
            raise
        raise ImproperlyConfigured(
            "Reading the trail needs the package trailkeeper-engine: "
            "install it with `pip install trailkeeper-engine`."
        ) from error


def trail() -> "Trail":
    """This process's trail, opened on the first call."""
    key = (os.getpid(), settings.store_url, settings.spool_dir)
    opened = _trails.get(key)
    if opened is None:
        # Two threads may both open it; one of the two is kept. A lock here could be
        # held by another thread at the moment of a fork, and stay so in the child.
        opened = _trails.setdefault(
            key, native().Trail(settings.store_url, settings.spool_dir, source=settings.source)
        )
    return opened


def close() -> None:
    """Lets go of this process's trails, and so of their threads; the next call opens them again."""
    for key in [key for key in _trails if key[0] == os.getpid()]:
        _trails.pop(key, None)


def query(sql: str) -> Answer:
    """Run `sql` over store, spool and the open transactions of this thread.

    Raises a `trailkeeper.exceptions.TrailkeeperError`.
    """
    with errors():
        columns, rows = trail().query(sql, transactions.open_transactions())
    return Answer(columns, rows)


@contextmanager
def errors() -> Iterator[None]:
    """Turn errors of the native module into those of `trailkeeper.exceptions`."""
    try:
        yield
    except native().TrailkeeperError as error:
        raise _ERROR_BY_KIND[error.kind](str(error)) from error
