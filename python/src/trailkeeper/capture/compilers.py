"""Record rows at the one place where every ORM write passes: the SQL compilers.

`Model.save()`, `QuerySet.update()`, `bulk_create()`, cascades and many-to-many managers all end in
an insert, update or delete compiler of a connection. Recording there sees what was stored, not
what was meant.

Wraps these private interfaces of Django, each held by a contract test:
`SQLInsertCompiler.execute_sql`, `SQLUpdateCompiler.execute_sql`, `SQLDeleteCompiler.execute_sql`,
and from Django 6.0 on `SQLUpdateCompiler.execute_returning_sql`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from django.db.models.sql.compiler import SQLDeleteCompiler, SQLInsertCompiler, SQLUpdateCompiler

from trailkeeper.capture import deletes, inserts, saves, updates
from trailkeeper.capture.cursors import COMPILER
from trailkeeper.capture.passing import pass_over
from trailkeeper.capture.registry import tracker_of
from trailkeeper.capture.transactions import capture_of
from trailkeeper.failure import report
from trailkeeper.policy import disabling

if TYPE_CHECKING:
    from collections.abc import Callable

    from trailkeeper.capture.registry import Tracker
    from trailkeeper.capture.transactions import Capture

__all__ = ["install", "uninstall"]

_originals: list[tuple[type[Any], str, Any]] = []


def _wrap(
    compiler_class: type[Any],
    name: str,
    record: Callable[[Any, Tracker, Capture, partial[Any]], Any],
) -> None:
    _replace(compiler_class, name, _recorded(getattr(compiler_class, name), record))


def _wrap_update(name: str) -> None:
    original = getattr(SQLUpdateCompiler, name)
    _replace(SQLUpdateCompiler, name, saves.quickly(original, _recorded(original, updates.record)))


def _replace(compiler_class: type[Any], name: str, execute: Callable[..., Any]) -> None:
    _originals.append((compiler_class, name, compiler_class.__dict__.get(name)))
    setattr(compiler_class, name, execute)


def _recorded(
    original: Callable[..., Any], record: Callable[[Any, Tracker, Capture, partial[Any]], Any]
) -> Callable[..., Any]:
    def execute(self: Any, *args: Any, **kwargs: Any) -> Any:
        connection = self.connection
        attributes = connection.__dict__
        outer = attributes.get(COMPILER)
        attributes[COMPILER] = self
        try:
            try:
                tracker = tracker_of(self.query.model, connection.vendor)
                capture = capture_of(connection)
            except Exception as error:
                report(error, events=1, doing=f"capture a write of {self.query.model.__name__}")
                tracker = None
            if tracker is None:
                return original(self, *args, **kwargs)
            if disabling.open_blocks and (block := disabling.current()) is not None:
                run = partial(original, self, *args, **kwargs)
                return pass_over(block, self, tracker, capture, run)
            return record(self, tracker, capture, partial(original, self, *args, **kwargs))
        finally:
            attributes[COMPILER] = outer

    return execute


def install() -> None:
    """Wraps the compilers; a second call changes nothing."""
    if _originals:
        return
    _wrap(SQLInsertCompiler, "execute_sql", inserts.record)
    _wrap_update("execute_sql")
    _wrap(SQLDeleteCompiler, "execute_sql", deletes.record)
    if hasattr(SQLUpdateCompiler, "execute_returning_sql"):
        # Where it returns nothing it calls `execute_sql`, which then finds nothing left to do.
        _wrap_update("execute_returning_sql")


def uninstall() -> None:
    """Puts Django's own methods back."""
    while _originals:
        compiler_class, name, original = _originals.pop()
        if original is None:
            delattr(compiler_class, name)
        else:
            setattr(compiler_class, name, original)
