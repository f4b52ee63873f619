"""The embedded drainer: brings what all processes have spooled into the store.

One process of those that share a spool is elected by a file lock. By default each process that
records starts a daemon thread that stands for election; if the elected one dies, another takes
over within two intervals. `DRAIN = "none"` leaves the work to `manage.py trailkeeper drain`.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
from typing import TYPE_CHECKING, Any, Final

from django.db import connections

from trailkeeper.conf import settings
from trailkeeper.exceptions import TrailkeeperError, UnavailableError
from trailkeeper.failure import is_news

if TYPE_CHECKING:
    from trailkeeper_engine import Drainer

__all__ = ["flush", "run_once", "start", "stop", "tidy"]

logger: Final = logging.getLogger("trailkeeper")

#: Seconds that the end of a process waits for the drain that is under way.
PATIENCE: Final = 5.0


class _Thread:
    """The thread of this process, if it runs one."""

    def __init__(self) -> None:
        self.thread: threading.Thread | None = None
        self.stopping = threading.Event()
        self.last_error = ""

    def run(self) -> None:
        from trailkeeper import spool

        drainer: Drainer | None = None
        is_untidy = True
        while not self.stopping.wait(float(settings["DRAIN_INTERVAL"])):
            try:
                spool.write_owed()
                if drainer is None and not spool.recorder().has_consumer():
                    # Only the process that drains loads the engine.
                    drainer = _elect()
                if drainer is not None and (run_once(drainer)["batches"] or is_untidy):
                    is_untidy = tidy(drainer)
                self.last_error = ""
            except Exception as error:
                # The events are safe in the spool: say so once, and try again.
                if drainer is not None:
                    drainer.close()
                drainer = None
                if str(error) != self.last_error:
                    logger.error(
                        "trailkeeper cannot drain the spool: %s; the events wait in %s, and are "
                        "drained once this is repaired",
                        error,
                        settings.spool_dir,
                    )
                    self.last_error = str(error)
            finally:
                connections.close_all()
        if drainer is not None:
            drainer.close()


_current = _Thread()


def start() -> None:
    """Starts the thread of this process, if the settings ask for one and it does not run."""
    if settings["DRAIN"] != "thread" or _current.thread is not None:
        return
    thread = threading.Thread(target=_current.run, name="trailkeeper-drain", daemon=True)
    _current.thread = thread
    thread.start()


def stop() -> None:
    """Stops the thread and waits until it has finished what it is doing."""
    global _current
    thread = _current.thread
    if thread is None or thread is threading.current_thread():
        return
    _current.stopping.set()
    thread.join(PATIENCE)
    _current = _Thread()


def run_once(drainer: Drainer) -> dict[str, Any]:
    """Drains what is ready, and asks the databases about transactions in doubt.

    Returns:
        What was done: `events`, `transactions`, `batches`.

    Raises:
        trailkeeper.exceptions.TrailkeeperError: if the store or the spool cannot be used; nothing
        is lost.
    """
    from trailkeeper import engine, resolution

    with engine.errors():
        if settings["SYNC"] == "interval":
            drainer.sync()
        resolution.resolve_all(drainer)
        report: dict[str, Any] = drainer.drain()
    for finding in report.get("reports", ()):
        logger.error("trailkeeper: %s", finding)
    return report


def tidy(drainer: Drainer) -> bool:
    """Merges files of the store, if some are worth it; a failure is logged and stops nothing.

    Returns:
        Whether there may be more to do.
    """
    from trailkeeper import engine

    try:
        with engine.errors():
            return drainer.tidy()
    except TrailkeeperError as error:
        if is_news(("tidy", str(error))):
            logger.warning(
                "trailkeeper cannot merge files of the store: %s; events are drained all the same",
                error,
            )
        return False


def flush(timeout: float = 30.0) -> None:
    """Waits until everything committed before this call is in the store.

    Args:
        timeout: seconds to wait.

    Raises:
        UnavailableError: if it takes longer, or the spool cannot be written.
    """
    from trailkeeper import engine, spool

    owed = spool.write_owed()
    with engine.errors():
        drainer = engine.trail().elect_drainer()
        if drainer is None:
            engine.trail().flush(timeout)
        else:
            try:
                run_once(drainer)
            finally:
                drainer.close()
    if owed is not None:
        raise UnavailableError(
            f"the outcome of a committed transaction cannot be written to the spool: {owed}"
        ) from owed


def _elect() -> Drainer | None:
    from trailkeeper import engine

    with engine.errors():
        elected: Drainer | None = engine.trail().elect_drainer()
        return elected


def _before_fork() -> None:
    """Ends the thread and the engine's threads: they must not be there when a process forks.

    A child has none of them, but would share the lock by which this process was elected, and find
    them asleep in tables of the engine, over memory that is the child's to use again.
    """
    global _starts_again
    _starts_again = _current.thread is not None
    stop()
    engine = sys.modules.get("trailkeeper.engine")
    if engine is not None:
        engine.close()


def _after_fork_in_parent() -> None:
    if _starts_again:
        start()


def _after_fork_in_child() -> None:
    global _current
    _current = _Thread()


_starts_again = False
os.register_at_fork(
    before=_before_fork,
    after_in_parent=_after_fork_in_parent,
    after_in_child=_after_fork_in_child,
)
atexit.register(stop)
