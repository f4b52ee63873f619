"""How fast one core verifies a store: every row rehashed, every proof checked.

.venv/bin/python bench/verify.py --events 1000000
"""

from __future__ import annotations

from typing import Any, Final

from drain import drain, filled_spool
from harness.remote import Worker, has_engine
from harness.samples import median, spread_of
from harness.section import Check, Scale, Section, main
from harness.table import table

#: Events a second that one core must verify.
WANTED: Final = 500_000


def run(scale: Scale) -> Section:
    """Verifies one store several times, each time in a new process."""
    section = Section(title="Verify: every event rehashed")
    if not has_engine():
        section.text = "NOT MEASURED: the engine is not installed.\n"
        return section
    with filled_spool(scale.events) as (spool, _):
        store = spool.with_name("store")
        drain(spool, store)
        runs = [_verify(store.as_uri()) for _ in range(scale.repeats)]
    if any(run["events"] != scale.events for run in runs):
        raise SystemExit(f"error: verified {runs[0]['events']} events of {scale.events}")
    rates = [run["events"] / run["cpu"] for run in runs]
    section.text = (
        f"{scale.events:,} events as the drain leaves them; one core, a new process each time.\n\n"
    ) + table(
        [f"{len(runs)} runs", "median (quartiles)"],
        [
            ["events a second of CPU", spread_of(rates)],
            ["events a second by the clock", spread_of([r["events"] / r["wall"] for r in runs])],
            ["peak memory, MiB", spread_of([run["peak_mib"] for run in runs])],
        ],
    )
    section.checks = [
        Check(
            what="events verified in a second of CPU, one core",
            measured=f"{median(rates):,.0f}",
            wanted=f"at least {WANTED:,}",
            is_met=median(rates) >= WANTED,
        )
    ]
    return section


def _verify(store: str) -> dict[str, Any]:
    with Worker("engine.py") as worker:
        found: dict[str, Any] = worker.call("verify", store=store)
    return found


if __name__ == "__main__":
    main(run, __doc__)
