"""What happens when an event cannot be recorded.

An audit failure never takes the application down, and never goes unseen: under `ON_FAILURE =
"degrade"` it is logged (at most once a minute for each kind of failure) and counted, and the next
event that can be recorded is preceded by a `system` event that says how many were dropped. Under
`"raise"` the application's write fails.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Final, NoReturn, TypeVar

from trailkeeper.conf import settings
from trailkeeper.exceptions import RecordingError

__all__ = ["Losses", "is_news", "losses", "optional", "report", "report_mark"]

T = TypeVar("T")

logger: Final = logging.getLogger("trailkeeper")


class Losses:
    """Events that this process had to drop and has not yet told the trail."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        #: How many events are counted now.
        self.count = 0
        self._reason = ""

    def reset(self) -> None:
        """Starts from zero in a forked child: what the parent has lost, the parent tells."""
        # Another thread may have held the parent's lock at the fork.
        self._lock = threading.Lock()
        self.count = 0

    def add(self, count: int, reason: str) -> None:
        """Counts `count` dropped events."""
        with self._lock:
            self.count += count
            self._reason = reason

    def take(self) -> tuple[int, str]:
        """Gives the count and the last reason, and starts from zero."""
        if not self.count:
            return 0, ""
        with self._lock:
            count, self.count = self.count, 0
            return count, self._reason


losses = Losses()

os.register_at_fork(after_in_child=losses.reset)


def report(error: BaseException, *, events: int, doing: str) -> None:
    """Applies the failure policy to `error`, which cost `events` events.

    Raises:
        RecordingError: if `ON_FAILURE` is `"raise"`.
    """
    if settings.raises:
        _raise(error, doing)
    losses.add(events, f"{doing}: {error}")
    if is_news(type(error)):
        logger.error(
            "trailkeeper could not %s: %s; %d event(s) dropped and not told to the trail yet",
            doing,
            error,
            losses.count,
        )


def report_mark(error: BaseException, *, doing: str) -> None:
    """Logs that the outcome of a transaction could not be written down.

    Nothing is lost, so nothing is raised, whatever `ON_FAILURE` says: the transaction stands
    prepared in the spool. The recorder keeps the outcome and writes it as soon as it can; if the
    process ends before, the drainer asks the database.
    """
    if is_news(type(error)):
        logger.error("trailkeeper could not %s: %s; it is written later", doing, error)


#: Seconds between two log lines about failures of one kind: a full disk must not fill the log too.
QUIET: Final = 60.0
_logged: dict[object, float] = {}


def is_news(what: object) -> bool:
    """Whether nothing was logged about `what` in the last minute; from now on it was."""
    now = time.monotonic()
    if now - _logged.get(what, -QUIET) < QUIET:
        return False
    _logged[what] = now
    return True


def _raise(error: BaseException, doing: str) -> NoReturn:
    if isinstance(error, RecordingError):
        raise error
    raise RecordingError(f"cannot {doing}: {error}") from error


def optional(get: Callable[[], T], *, name: str) -> T | None:
    """Gives `get()`, or None with a warning if it raises: one attribute is lost, not the event."""
    try:
        return get()
    except Exception as error:
        if is_news((name, type(error))):
            logger.warning("trailkeeper could not find out %s of an event: %r", name, error)
        return None
