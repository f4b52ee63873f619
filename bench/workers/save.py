"""Saves one invoice over and over, and measures each save."""

from __future__ import annotations

import gc
import os
import time
from contextlib import nullcontext
from statistics import median, quantiles
from typing import Any

from harness import project
from harness.answers import answer

VARIANT = os.environ["INVOICING_AUDIT"]
invoice: Any = None
turn = 0


def prepare() -> None:
    """Makes the tables and the invoice."""
    global invoice
    project.create_tables()
    invoice = project.make_invoice()


def measure(*, saves: int, atomic: bool) -> dict[str, float]:
    """Saves so many times; microseconds for each save.

    The medians show the usual save, the first tenth one that nobody disturbed. The mean
    holds all that was used meanwhile: garbage collection, new segments, other threads.
    """
    global turn
    from django.db import transaction

    around = transaction.atomic if atomic else nullcontext
    cpu, wall = [], []
    cpu_clock, wall_clock = time.process_time_ns, time.perf_counter_ns
    gc.collect()
    first = cpu_clock()
    for _ in range(saves):
        turn += 1
        project.edit(invoice, turn)
        wall_start, cpu_start = wall_clock(), cpu_clock()
        with around():
            invoice.save()
        cpu_end, wall_end = cpu_clock(), wall_clock()
        cpu.append(cpu_end - cpu_start)
        wall.append(wall_end - wall_start)
    last = cpu_clock()
    return {
        "cpu": median(cpu) / 1000,
        "cpu_undisturbed": quantiles(cpu, n=10, method="inclusive")[0] / 1000,
        "wall": median(wall) / 1000,
        "cpu_mean": (last - first) / saves / 1000,
    }


def queries(*, atomic: bool) -> int:
    """How many statements one save sends, BEGIN and COMMIT included."""
    global turn
    from django.db import connection, transaction
    from django.test.utils import CaptureQueriesContext

    turn += 1
    project.edit(invoice, turn)
    around = transaction.atomic if atomic else nullcontext
    with CaptureQueriesContext(connection) as captured, around():
        invoice.save()
    return len(captured)


def recorded() -> int:
    """How much the audit package has recorded so far."""
    return project.recorded(VARIANT)


answer(prepare, measure, queries, recorded)
