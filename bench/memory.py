"""What Trailkeeper adds to the memory of a Django process, step by step.

.venv/bin/python bench/memory.py --quick
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from harness.remote import Worker, has_engine, project_environment
from harness.section import Check, Scale, Section, main
from harness.table import table

BASE: Final = "none"
OURS: Final = "trailkeeper"
DRAINING: Final = "trailkeeper, draining"
PEERS: Final = ("simple_history", "easyaudit")

#: MiB that writing many events may add to what the first write took.
GROWTH: Final = 8.0

Usage = dict[str, int]


def run(scale: Scale) -> Section:
    """Measures all variants, one after the other."""
    section = Section(title="Memory of a Django process")
    measured = {}
    for variant in (BASE, OURS, DRAINING, *PEERS):
        if variant == DRAINING and not has_engine():
            continue
        with tempfile.TemporaryDirectory(prefix="trailkeeper-bench-") as folder:
            measured[variant] = _steps(variant, Path(folder), scale)
    section.text = _explanation() + _table(measured)
    section.checks = _checks(measured, scale)
    section.losses = _losses(measured)
    return section


def _steps(variant: str, home: Path, scale: Scale) -> dict[str, Usage]:
    audit, _, draining = variant.partition(", ")
    environment = project_environment(audit, home, drain="thread" if draining else "none")
    with Worker("memory.py", environment) as worker:
        worker.call("prepare")
    found: dict[str, Usage] = {}
    with Worker("memory.py", environment) as worker:

        def step(name: str, call: Callable[[], object]) -> None:
            call()
            found[name] = worker.call("usage")

        step("idle", lambda: worker.call("start"))
        step("after the first write", lambda: worker.call("write", events=1))
        if variant in PEERS:
            return found
        events = scale.memory_events
        step(f"after {events:,} events", lambda: worker.call("write", events=events))
        if audit == OURS and not worker.call("recorded"):
            raise SystemExit("error: trailkeeper has recorded nothing")
        found[_in_one(events)] = worker.call("write_in_one", events=events)
        if has_engine() and audit == OURS:
            # Without a drainer of its own: what another process has drained, this one reads.
            step("after the drain", lambda: worker.call("drain") if draining else _drain(home))
            step("after the first read", lambda: worker.call("read"))
    return found


def _in_one(events: int) -> str:
    return f"inside a transaction of {events:,} events"


def _drain(home: Path) -> None:
    with Worker("engine.py") as worker:
        store, spool = (home / "trail").as_uri(), str(home / "spool")
        worker.call("drain", store=store, spool=spool, source="django:invoicing")


def _explanation() -> str:
    text = (
        "The project's process as a server starts it: URLs, admin and API loaded, one query sent.\n"
        "MiB of resident memory (RSS); in brackets the proportional share (PSS); then what it is\n"
        "over `none` at the same step, or at the last one that `none` has. `trailkeeper` is\n"
        "drained by another process, `trailkeeper, draining` by a thread of its own.\n"
    )
    if not has_engine():
        text += "NOT MEASURED: reading and draining, for the engine is not installed.\n"
    return text + "\n"


def _table(measured: dict[str, dict[str, Usage]]) -> str:
    base = measured[BASE]
    rows = []
    for variant, steps in measured.items():
        beside = base["idle"]
        for name, usage in steps.items():
            beside = base.get(name, beside)
            rows.append(
                [
                    f"`{variant}`, {name}",
                    f"{_mib(usage['rss']):.1f} ({_mib(usage['pss']):.1f})",
                    f"{_mib(usage['rss'] - beside['rss']):+.1f}",
                ]
            )
    return table(["", "RSS (PSS)", "over `none`"], rows)


def _checks(measured: dict[str, dict[str, Usage]], scale: Scale) -> list[Check]:
    ours = measured[OURS]
    first = ours["after the first write"]["rss"]
    checks = []
    for name in (f"after {scale.memory_events:,} events", _in_one(scale.memory_events)):
        growth = _mib(ours[name]["rss"] - first)
        checks.append(
            Check(
                what=f"memory {name}, over that after the first write",
                measured=f"{growth:+.1f} MiB",
                wanted=f"bounded: at most {GROWTH:.0f} MiB",
                is_met=growth <= GROWTH,
            )
        )
    return checks


def _losses(measured: dict[str, dict[str, Usage]]) -> list[str]:
    step = "after the first write"
    less = {peer: _mib(measured[OURS][step]["rss"] - measured[peer][step]["rss"]) for peer in PEERS}
    return [
        f"`{peer}` needs {mib:.1f} MiB less than Trailkeeper {step}"
        for peer, mib in less.items()
        if mib > 0
    ]


def _mib(kib: int) -> float:
    return kib / 1024


if __name__ == "__main__":
    main(run, __doc__)
