"""Record rows at the one place where every ORM write passes: the SQL compilers.

`Model.save()`, `QuerySet.update()`, `bulk_create()`, cascades and many-to-many managers all end in an insert, update or delete compiler of a
connection. Recording there sees what was stored, not what was meant.

Wraps these private interfaces of Django, each held by a contract test: `SQLInsertCompiler.execute_sql`, `SQLUpdateCompiler.execute_sql`,
`SQLDeleteCompiler.execute_sql`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.db.models.sql.compiler import SQLDeleteCompiler, SQLInsertCompiler, SQLUpdateCompiler

from trailkeeper.capture import deletes, inserts, updates
from trailkeeper.capture.registry import tracker_of
from trailkeeper.capture.transactions import capture_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from trailkeeper.capture.registry import Tracker
    from trailkeeper.capture.transactions import Capture

__all__ = ["install", "uninstall"]

_originals: dict[type[Any], Any] = {}


def _wrapper(
    compiler_class: type[Any],
    record: Callable[[Any, Tracker, Capture, Callable[[], Any]], Any],
) -> Callable[..., Any]:
    original = compiler_class.execute_sql
    _originals[compiler_class] = compiler_class.__dict__.get("execute_sql")

    def execute_sql(self: Any, *args: Any, **kwargs: Any) -> Any:
        tracker = tracker_of(self.query.model, self.connection.vendor)
        if tracker is None:
            return original(self, *args, **kwargs)
        capture = capture_of(self.connection)
        return record(self, tracker, capture, lambda: original(self, *args, **kwargs))

    return execute_sql


_RECORDERS: Final = (
    (SQLInsertCompiler, inserts.record),
    (SQLUpdateCompiler, updates.record),
    (SQLDeleteCompiler, deletes.record),
)


def install() -> None:
    """Wraps the compilers; a second call changes nothing."""
    if _originals:
        return
    for compiler_class, record in _RECORDERS:
        compiler_class.execute_sql = _wrapper(compiler_class, record)  # type: ignore[method-assign]


def uninstall() -> None:
    """Puts Django's own methods back."""
    while _originals:
        compiler_class, original = _originals.popitem()
        if original is None:
            del compiler_class.execute_sql
        else:
            compiler_class.execute_sql = original
