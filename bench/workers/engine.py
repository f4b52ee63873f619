"""Drains and verifies with the engine, on one core."""

from __future__ import annotations

import json
import os
import resource
import time
from collections.abc import Callable
from typing import Any

# Before the engine starts its threads: they inherit it.
os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

from harness.answers import answer  # noqa: E402

import trailkeeper_engine  # noqa: E402


def drain(*, store: str, spool: str, source: str) -> dict[str, Any]:
    """Brings all that the spool holds into the store."""
    trail = trailkeeper_engine.Trail(store, spool, source=source)
    drainer = trail.elect_drainer()
    if drainer is None:
        raise SystemExit("another process drains this spool")
    report, cost = _measured(drainer.drain)
    drainer.close()
    return {**cost, "events": report["events"], "stats": json.loads(trail.stats())}


def verify(*, store: str) -> dict[str, Any]:
    """Verifies the store by its own key."""
    trail = trailkeeper_engine.Trail(store)
    report, cost = _measured(trail.verify)
    if not report["verified"]:
        raise SystemExit(f"the store does not verify: {report['findings']}")
    return {**cost, "events": report["events"]}


def _measured(call: Callable[[], dict[str, Any]]) -> tuple[dict[str, Any], dict[str, float]]:
    """What `call` gives, and what it took: seconds of CPU and of the clock, MiB at the peak."""
    before, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    result = call()
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return result, {"cpu": cpu, "wall": wall, "peak_mib": after.ru_maxrss / 1024}


answer(drain, verify)
