"""Executes each way to write, over and over, and measures it."""

from __future__ import annotations

import gc
import os
import time
from typing import Any

from harness import project, writes
from harness.answers import answer

VARIANT = os.environ["INVOICING_AUDIT"]


def prepare() -> list[str]:
    """Makes the tables and what the operations need; gives their names."""
    project.create_tables()
    writes.prepare(project.make_invoice())
    return list(writes.OPERATIONS)


def measure(*, operation: str, seconds: float) -> float:
    """Microseconds of CPU of the usual execution, of those that fit into so many seconds.

    What prepares an execution is not measured.
    """
    clock = time.process_time_ns
    gc.collect()
    taken = []
    while len(taken) < writes.LEAST or sum(taken) < seconds * 1e9:
        run = writes.OPERATIONS[operation]()
        start = clock()
        run()
        taken.append(clock() - start)
    taken.sort()
    return taken[len(taken) // 2] / 1000


def look(*, operation: str) -> dict[str, Any]:
    """How many statements an execution sends, and whether the package has recorded anything."""
    run = writes.OPERATIONS[operation]()
    before = project.recorded(VARIANT)
    sent = project.statements(run)
    return {"queries": len(sent), "is_recorded": project.recorded(VARIANT) != before}


answer(prepare, measure, look)
