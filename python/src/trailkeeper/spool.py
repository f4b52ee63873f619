"""The process's recorder: made on the first event, and anew in each forked child."""

from __future__ import annotations

import os
import threading

from trailkeeper import drainer
from trailkeeper._recorder import Recorder, RecorderError, Transaction
from trailkeeper.conf import settings

__all__ = ["begin", "prepare", "recorder", "reset", "write_owed"]

_lock = threading.Lock()
_recorder: Recorder | None = None

#: Counts the recorders of this process: what was made under another one is out of date.
generation = 0


def recorder() -> Recorder:
    """The recorder of this process.

    Raises:
        trailkeeper._recorder.RecorderError: if the spool cannot be opened.
    """
    current = _recorder
    if current is not None:
        return current
    return _open()


def _open() -> Recorder:
    global _recorder, generation
    with _lock:
        if _recorder is None:
            _recorder = Recorder(settings.spool_dir, settings["SPOOL_LIMIT"])
            generation += 1
            drainer.start()
        return _recorder


def begin() -> Transaction:
    """A new, empty transaction of this process's recorder."""
    current = _recorder
    return Transaction(current if current is not None else _open())


def prepare(transaction: Transaction, note: bytes) -> None:
    """Writes a transaction as prepared; under `SYNC = "commit"` it survives a power cut from then
    on.

    Args:
        transaction: what to write.
        note: how to ask the database what became of it.

    Raises:
        trailkeeper._recorder.RecorderError: if it cannot be written; nothing is, then.
    """
    transaction.prepare(note)
    if settings.syncs_commits and len(transaction):
        recorder().sync()


def write_owed() -> RecorderError | None:
    """Writes the outcomes of transactions that could not be written when they were known.

    Returns:
        Why they still cannot be written, if so; they are kept.
    """
    current = _recorder
    try:
        if current is not None:
            current.write_owed()
    except RecorderError as error:
        return error
    return None


def reset() -> None:
    """Forgets the recorder: after a fork, or when the settings have changed."""
    global _recorder, _lock
    _lock = threading.Lock()
    _recorder = None


os.register_at_fork(after_in_child=reset)
