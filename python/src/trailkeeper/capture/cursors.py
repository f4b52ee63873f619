"""Record raw SQL at the cursor, through which it passes to the driver.

A statement that may write is examined, unless a compiler has made it: that one is recorded row by
row, or its model is not tracked. Statements that read pay for a look at their first word.

Wraps these private interfaces of Django, each held by a contract test: `CursorWrapper._execute`,
`CursorWrapper._executemany`, `CursorWrapper.callproc`. These run inside everybody's
`execute_wrappers`, so that the text is the one that the database gets, and a statement that a
wrapper stops is not recorded.

Adds to it what its `__getattr__` passes to the driver's cursor: `CursorWrapper.copy` and
`CursorWrapper.stream` (psycopg 3), `CursorWrapper.copy_expert` and `CursorWrapper.copy_from`
(psycopg 2), `CursorWrapper.executescript` (sqlite3). Where the driver has none, there is none.

What takes the driver's own cursor or connection (`connection.connection`, `cursor.cursor`) passes
by.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

from django.db.backends.utils import CursorWrapper

from trailkeeper._recorder import raw_look
from trailkeeper.capture import control, opaque, triggers
from trailkeeper.capture.opaque import Found, Write
from trailkeeper.capture.transactions import capture_of

__all__ = ["COMPILER", "compiling", "install", "uninstall"]

#: Attribute of a connection: the compiler that is executing its statement, which is no raw SQL.
COMPILER: Final = "_trailkeeper_compiler"

#: What `raw_look` says of a statement that controls the transaction, and of one that changes the
#: schema; it says 0 of one that only reads, or that a compiler has made.
CONTROLS: Final = 2
DEFINES: Final = 3


@contextmanager
def compiling(compiler: Any) -> Iterator[None]:
    """Says that a compiler executes its statement."""
    attributes = compiler.connection.__dict__
    outer = attributes.get(COMPILER)
    attributes[COMPILER] = compiler
    try:
        yield
    finally:
        attributes[COMPILER] = outer


def _found(cursor: Any, sql: Any, has_parameters: bool) -> Found:
    if isinstance(sql, bytes):
        sql = sql.decode(errors="replace")
    elif not isinstance(sql, str):
        # psycopg composes statements of parts.
        sql = sql.as_string(cursor.cursor)
    return opaque.found_in(cursor.db, sql, has_parameters)


_originals: dict[str, Any] = {}


def _execute(self: Any, sql: Any, params: Any, *more: Any) -> Any:
    kind = raw_look(self.db, sql)
    execute = _originals["_execute"]
    if not kind:
        return execute(self, sql, params, *more)
    run = partial(execute, self, sql, params, *more)
    if kind == CONTROLS:
        return control.follow(self, sql, run)
    try:
        if kind == DEFINES:
            return run()
        return opaque.run(self, partial(_found, self, sql, params is not None), run)
    finally:
        if triggers.may_concern(sql):
            capture_of(self.db).define()


def _executemany(self: Any, sql: Any, param_list: Any, *more: Any) -> Any:
    execute = _originals["_executemany"]
    if not raw_look(self.db, sql):
        return execute(self, sql, param_list, *more)
    return opaque.run(
        self, partial(_found, self, sql, True), partial(execute, self, sql, param_list, *more)
    )


def _callproc(self: Any, procname: str, params: Any = None, kparams: Any = None) -> Any:
    def find() -> Found:
        marks = ", ".join("?" for _ in [*(params or ()), *(kparams or ())])
        text = f"CALL {procname}({marks})"
        write = Write(verb="call", table=None, model=None, is_counted=False)
        return Found(writes=[write], text=text)

    return opaque.run(self, find, partial(_originals["callproc"], self, procname, params, kparams))


class _Driver:
    """A method of the driver's cursor, recorded; missing where the driver has none.

    Args:
        name: the method.
        record: calls it, given Django's cursor, the method and its arguments.
    """

    def __init__(self, name: str, record: Callable[..., Any]) -> None:
        self.name = name
        self.record = record

    def __get__(self, cursor: Any, owner: type[Any] | None = None) -> Any:
        if cursor is None:
            return self
        return partial(self.record, cursor, getattr(cursor.cursor, self.name))


@contextmanager
def _copy(
    cursor: Any, method: Callable[..., Any], sql: Any, params: Any = None, **more: Any
) -> Iterator[Any]:
    find = partial(_found, cursor, sql, params is not None)
    with opaque.around(cursor, find), method(sql, params, **more) as copy:
        yield copy


def _stream(
    cursor: Any, method: Callable[..., Any], sql: Any, params: Any = None, **more: Any
) -> Iterator[Any]:
    with opaque.around(cursor, partial(_found, cursor, sql, params is not None)):
        yield from method(sql, params, **more)


def _copy_expert(cursor: Any, method: Callable[..., Any], sql: Any, *args: Any, **more: Any) -> Any:
    return opaque.run(
        cursor, partial(_found, cursor, sql, False), partial(method, sql, *args, **more)
    )


def _executescript(cursor: Any, method: Callable[..., Any], sql: str) -> Any:
    find = partial(_found, cursor, sql, False)
    # In autocommit, what stands before the statement that fails is committed.
    try:
        with opaque.around(cursor, find, may_end_halfway=True):
            return method(sql)
    finally:
        if triggers.may_concern(sql):
            capture_of(cursor.db).define()


def _copy_from(
    cursor: Any, method: Callable[..., Any], file: Any, table: str, *args: Any, **more: Any
) -> Any:
    quoted = ".".join(cursor.db.ops.quote_name(part) for part in table.split("."))
    return opaque.run(
        cursor,
        partial(_found, cursor, f"COPY {quoted} FROM STDIN", False),
        partial(method, file, table, *args, **more),
    )


_WRAPPERS: Final[dict[str, Any]] = {
    "_execute": _execute,
    "_executemany": _executemany,
    "callproc": _callproc,
}

_RECORDED: Final[dict[str, Callable[..., Any]]] = {
    "copy": _copy,
    "stream": _stream,
    "copy_expert": _copy_expert,
    "copy_from": _copy_from,
    "executescript": _executescript,
}
_ADDED: Final = {name: _Driver(name, record) for name, record in _RECORDED.items()}


def install() -> None:
    """Wraps the cursor's methods; a second call changes nothing."""
    if _originals:
        return
    for name in _WRAPPERS:
        _originals[name] = CursorWrapper.__dict__[name]
    for name, method in (_WRAPPERS | _ADDED).items():
        setattr(CursorWrapper, name, method)


def uninstall() -> None:
    """Puts Django's own methods back."""
    if not _originals:
        return
    for name in _ADDED:
        delattr(CursorWrapper, name)
    while _originals:
        name, original = _originals.popitem()
        setattr(CursorWrapper, name, original)
