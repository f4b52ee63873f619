"""How long the questions of support and of auditors take, in trails of growing size.

.venv/bin/python bench/look_up.py --events 1000000
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Final

from drain import SEED, SOURCE
from harness import postgres
from harness.remote import Worker, has_engine, project_environment
from harness.section import Check, Scale, Section, main
from harness.table import table

#: Milliseconds that half of the look-ups of one object may take, and 99 % of them.
HALF, MOST = 0.5, 5.0
#: An object of the peer's table has so many versions.
VERSIONS: Final = 20

#: Milliseconds of each call, by question.
Measured = dict[str, list[float]]


def run(scale: Scale) -> Section:
    """Asks the same questions of trails of three sizes, and of the peer's table."""
    section = Section(title="Look-up: what people ask of a trail")
    if not has_engine():
        section.text = "NOT MEASURED: the engine is not installed.\n"
        return section
    sizes = sorted({max(scale.events // 100, 1), max(scale.events // 10, 1), scale.events})
    trails = {size: _trail(size, scale) for size in sizes}
    peer = _peer(scale)
    largest = trails[sizes[-1]]
    section.text = _text(trails) + "\n" + _table(trails, peer)
    history = largest["asked"]["history of one object"]
    section.checks = [
        Check(
            what=f"history of one object among {sizes[-1]:,} events, milliseconds, half and 99 %",
            measured=f"{_part(history, 0.5):.2f} and {_part(history, 0.99):.2f}",
            wanted=f"at most {HALF} and {MOST}",
            is_met=_part(history, 0.5) <= HALF and _part(history, 0.99) <= MOST,
        )
    ]
    if peer:
        own, theirs = largest["asked"]["the same, by Django"], peer
        section.checks.append(
            Check(
                what="the same by Django's QuerySet, beside django-simple-history on PostgreSQL",
                measured=f"{_part(own, 0.5):.2f} beside {_part(theirs, 0.5):.2f}",
                wanted="no slower",
                is_met=_part(own, 0.5) <= _part(theirs, 0.5),
            )
        )
    return section


def _trail(events: int, scale: Scale) -> dict[str, Any]:
    """What it takes to ask a trail of so many events, drained and merged as usual."""
    with tempfile.TemporaryDirectory(prefix="trailkeeper-bench-") as name:
        home = Path(name)
        environment = project_environment("trailkeeper", home, ":memory:")
        with Worker("spool.py", environment) as worker:
            worker.call("write", spool=str(home / "spool"), events=events, seed=SEED)
        with Worker("look_up.py", environment) as worker:
            stats = worker.call("drain", source=SOURCE)
            asked = worker.call("ask", rounds=100 * scale.repeats)
    return {"stats": stats, "asked": asked}


def _peer(scale: Scale) -> list[float]:
    """What django-simple-history takes for one object's history; nothing without a server."""
    with postgres.server() as server:
        if server is None:
            return []
        with tempfile.TemporaryDirectory(prefix="trailkeeper-bench-") as home:
            url = f"{server}/look_up"
            environment = project_environment("simple_history", Path(home), url)
            with Worker("history.py", environment) as worker:
                worker.call("prepare", rows=scale.events, versions=VERSIONS)
                taken: list[float] = worker.call("ask", rounds=100 * scale.repeats)
    return taken


def _text(trails: dict[int, dict[str, Any]]) -> str:
    lines = [
        "Trails of the invoicing project, drained by the engine, whose files were merged as the",
        "drainer merges them. Each question is asked of other objects, tenants, people and days in",
        "turn, in one process that has asked before; milliseconds by the clock, half of them and",
        "99 % of them take at most so long. django-simple-history answers from a table of as many",
        f"rows, {VERSIONS} of each object, on PostgreSQL on the same machine.",
        "",
        "| events | bytes of each | files | versions of an object |",
        "| ---: | ---: | ---: | ---: |",
    ]
    for size, trail in trails.items():
        stats = trail["stats"]
        versions = trail["asked"]["versions"]
        lines.append(
            f"| {size:,} | {stats['bytes_per_event']:.1f} | {stats['files']}"
            f" | {_part(versions, 0.5):.0f} |"
        )
    return "\n".join(lines) + "\n"


def _table(trails: dict[int, dict[str, Any]], peer: list[float]) -> str:
    questions = [name for name in next(iter(trails.values()))["asked"] if name != "versions"]
    rows = [
        [name, *(_shown(trail["asked"][name]) for trail in trails.values())] for name in questions
    ]
    shown = _shown(peer) if peer else "no server"
    rows.append(["history of one object, django-simple-history", "", "", shown][: len(trails) + 1])
    return table(["ms: half, 99 %", *(f"{size:,}" for size in trails)], rows)


def _shown(taken: list[float]) -> str:
    return f"{_part(taken, 0.5):.2f}, {_part(taken, 0.99):.2f}"


def _part(values: list[float], part: float) -> float:
    return sorted(values)[min(int(len(values) * part), len(values) - 1)]


if __name__ == "__main__":
    main(run, __doc__)
