"""What a run of a suite leaves in the trail, said at its end."""

import atexit
import os
import sys
from collections import Counter
from pathlib import Path

from trailkeeper.failure import losses


def report_at_exit(folder: Path) -> None:
    """Fails the run, with exit code 3, if an event was dropped, or if nothing was recorded at all.

    `SUITE_MAY_DROP` says that tests make tables unreadable on purpose: what was dropped is told
    then, and fails nothing.
    """
    dropped: Counter[str] = Counter()
    add = losses.add

    def count(events: int, reason: str) -> None:
        dropped[reason] += events
        add(events, reason)

    # Its own count starts anew when the trail has been told.
    losses.add = count  # type: ignore[method-assign]

    def report() -> None:
        kept = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        print(f"trailkeeper: {kept:,} bytes kept, {dropped.total()} events dropped")
        for reason, events in dropped.most_common():
            print(f"dropped: {events} times: {reason}")
        if not kept or (dropped and not os.environ.get("SUITE_MAY_DROP")):
            sys.stdout.flush()
            os._exit(3)

    atexit.register(report)
