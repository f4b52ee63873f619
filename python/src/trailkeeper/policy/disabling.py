"""Blocks in which no write is recorded, and which are recorded themselves.

```python
with trailkeeper.disabled(reason="import of the old system, ticket 812"):
    import_everything()
```

- `recording.disabled` when the block begins and `recording.enabled` when it ends, both of the kind
  `system`: who, why, and in `data` how many rows and statements of each model were passed over.
  They are written at once, whatever becomes of the transaction around the block: that nothing was
  recorded is true even if it is rolled back. A block that was killed has no end.
- Writes that were rolled back are not counted. Those in a transaction that is still open when the
  block ends stand in `undecided`, and an event `writes.passed_over` in that transaction has the
  same count: it is there if they are.
- The block holds for its thread or task, and for the tasks that it starts, until it ends: a task
  that outlives it is recorded again. Other threads are recorded.
- Logins, requests, accesses and the application's own events are recorded as always.

An instance that was saved in the block knows what it has written: its next version begins there,
so that `gaps()` shows where the block was.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterable
from contextlib import suppress
from contextvars import ContextVar, Token
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from trailkeeper.exceptions import InvalidRequestError
from trailkeeper.failure import report

if TYPE_CHECKING:
    from trailkeeper.capture.transactions import Capture, Scope

__all__ = ["Block", "current", "disabled"]

#: How many tallies are kept apart before those that are settled are added up.
MANY: Final = 256

#: How many blocks are open in this process: as long as it is zero, nobody looks further.
open_blocks = 0

_lock = threading.Lock()
_innermost: ContextVar[Block | None] = ContextVar("trailkeeper_disabled", default=None)


def disabled(*, reason: str) -> Block:
    """A block, for `with` and `async with`, in which no write is recorded.

    Args:
        reason: why, in words.

    Raises:
        InvalidRequestError: if there is no reason.
        RecordingError: on entering, if the block cannot be recorded and `ON_FAILURE` is `"raise"`.
    """
    if not _is_text(reason) or not reason.strip():
        raise InvalidRequestError("disabled() takes the reason as a text: it is recorded")
    return Block(reason)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def current() -> Block | None:
    """The innermost open block around the caller."""
    block = _innermost.get()
    while block is not None and not block.is_open:
        block = block.parent
    return block


@dataclass(slots=True)
class _Tally:
    """What was passed over of one model in one transaction or savepoint.

    Args:
        scope: the transaction or savepoint; None in autocommit.
        capture: of its connection.
        rows: how many rows, as far as the database has told.
        statements: how many statements.
        uncounted: how many of them with a number of rows that nobody knows.
    """

    scope: Scope | None
    capture: Capture
    rows: int = 0
    statements: int = 0
    uncounted: int = 0

    def add(self, rows: int, statements: int, uncounted: int) -> None:
        self.rows += rows
        self.statements += statements
        self.uncounted += uncounted

    def is_undecided(self) -> bool:
        """Whether the transaction is still open."""
        inner = self.capture.scope
        return self.scope is not None and inner is not None and self.scope.root is inner.root


class Block:
    """One block; see the module.

    Args:
        reason: why nothing is recorded.
    """

    def __init__(self, reason: str) -> None:
        self.id = secrets.token_hex(8)
        self.reason = reason
        self.is_open = False
        self.parent: Block | None = None
        self._token: Token[Block | None] | None = None
        self._settled: dict[str, _Tally] = {}
        self._tallies: dict[tuple[str, Scope | None], _Tally] = {}

    def count(self, label: str, capture: Capture, rows: int | None) -> None:
        """Counts a statement that has succeeded.

        Args:
            label: of the model, or the name of the table.
            capture: of the statement's connection.
            rows: how many it has written; None if nobody knows.
        """
        scope = capture.current_scope()
        with _lock:
            tally = self._tallies.get((label, scope))
            if tally is None:
                if len(self._tallies) >= MANY:
                    self._settle()
                tally = self._tallies[label, scope] = _Tally(scope, capture)
            tally.add(rows or 0, 1, 1 if rows is None else 0)

    def __enter__(self) -> None:
        global open_blocks
        if self.is_open:
            raise InvalidRequestError("a block of disabled() can be entered once at a time")
        self._tell("recording.disabled", {})
        self.parent = current()
        self.is_open = True
        self._token = _innermost.set(self)
        with _lock:
            open_blocks += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        global open_blocks
        self.is_open = False
        if self._token is not None:
            # Another context than the one that entered has nothing to be reset.
            with suppress(ValueError):
                _innermost.reset(self._token)
        with _lock:
            open_blocks -= 1
            self._settle()
            undecided = list(self._tallies.items())
            settled, self._settled, self._tallies = self._settled, {}, {}
        data = {"passed_over": _counts(settled.items())}
        if undecided:
            data["undecided"] = _counts((label, tally) for (label, _), tally in undecided)
        self._tell("recording.enabled", data)
        for capture in {id(tally.capture): tally.capture for _, tally in undecided}.values():
            own = [(label, tally) for (label, _), tally in undecided if tally.capture is capture]
            self._tell_in(capture, _counts(own))

    async def __aenter__(self) -> None:
        self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, traceback)

    def _settle(self) -> None:
        """Adds up what is decided; what was rolled back did not happen."""
        for key, tally in list(self._tallies.items()):
            if tally.is_undecided() and not _is_dead(tally):
                continue
            del self._tallies[key]
            if not _is_dead(tally):
                total = self._settled.setdefault(key[0], _Tally(None, tally.capture))
                total.add(tally.rows, tally.statements, tally.uncounted)

    def _tell(self, action: str, data: dict[str, Any]) -> None:
        # Not above: models import this package before the apps are ready.
        from trailkeeper.recording import system_event

        system_event(action, {"block": self.id, **data}, reason=self.reason)

    def _tell_in(self, capture: Capture, counts: dict[str, Any]) -> None:
        """Adds to an open transaction what it has that is not recorded."""
        items = {
            "kind": "system",
            "action": "writes.passed_over",
            "outcome": "success",
            "reason": self.reason,
            "database": capture.connection.alias,
        }
        try:
            capture.add_event(items, {"data": {"block": self.id, "passed_over": counts}})
        except Exception as error:
            report(error, events=1, doing="record what was passed over")


def _is_dead(tally: _Tally) -> bool:
    return tally.scope is not None and tally.scope.is_dead()


def _counts(tallies: Iterable[tuple[str, _Tally]]) -> dict[str, dict[str, int]]:
    """Rows and statements by model; `uncounted` only where there are such."""
    totals: dict[str, _Tally] = {}
    for label, tally in tallies:
        total = totals.setdefault(label, _Tally(None, tally.capture))
        total.add(tally.rows, tally.statements, tally.uncounted)
    return {
        label: {"rows": total.rows, "statements": total.statements}
        | ({"uncounted": total.uncounted} if total.uncounted else {})
        for label, total in totals.items()
    }
