"""Runs the benchmarks and writes one report, `bench/results/latest.md`.

    .venv/bin/python bench/run.py                  all of them, some fifteen minutes
    .venv/bin/python bench/run.py save --quick     one of them, only to see that it works

No figure here fails a build: on a shared machine a wall clock proves nothing. The
report says what was wanted, what was measured, how much it varied, and where we lose.
"""

from __future__ import annotations

import argparse
import sys
from typing import Final

import drain
import look_up
import memory
import operations
import read
import save
import verify
from harness import machine
from harness.paths import RESULTS, ROOT
from harness.section import Scale, Section, add_scale_options, require_environment, scale_of
from harness.table import table

PARTS: Final = {
    "save": save,
    "operations": operations,
    "read": read,
    "memory": memory,
    "drain": drain,
    "verify": verify,
    "look_up": look_up,
}

VERDICTS: Final = {True: "yes", False: "**no**", None: "drowned in noise"}

#: Above this load average, times say more about the neighbours than about us.
QUIET: Final = 1.0


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all")
    add_scale_options(parser)
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"there is no {', '.join(sorted(unknown))}: take {', '.join(PARTS)}")
    require_environment()

    started, load = machine.now(), machine.load()
    sections, loads = [], [load]
    for name in options.parts or PARTS:
        print(f"==> {name}", file=sys.stderr, flush=True)
        sections.append(PARTS[name].run(scale_of(options)))
        loads.append(machine.load())
    report = _report(sections, started=started, loads=loads, scale=scale_of(options))
    print(report)
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / "latest.md"
    path.write_text(report)
    print(f"written to {path.relative_to(ROOT)}", file=sys.stderr)


def _report(sections: list[Section], *, started: str, loads: list[float], scale: Scale) -> str:
    parts = ["# Benchmarks\n", _machine(started, loads, scale), _summary(sections)]
    parts += [f"## {section.title}\n\n{section.text}" for section in sections]
    return "\n".join(parts)


def _machine(started: str, loads: list[float], scale: Scale) -> str:
    busy = ", ".join(f"{load:.1f}" for load in loads)
    lines = [
        f"{started} to {machine.now()}.",
        "",
        *(f"- {fact}" for fact in machine.describe()),
        f"- load average before and after each part: {busy}",
        f"- versions: {', '.join(machine.versions())}",
        f"- scale: {scale.rounds} rounds of {scale.seconds} s, {scale.events:,} events, "
        f"{scale.repeats} repeats",
    ]
    if not machine.is_release():
        lines += [
            "",
            "**Not the builds of `scripts/make_bench.sh`:** our own figures mean nothing.",
        ]
    # Our own work alone brings the load to one: the first figure tells of the neighbours.
    if loads[0] > QUIET:
        lines += [
            "",
            f"**The machine was busy with other work (load {loads[0]:.1f}):** times are too long,",
            "for all variants alike; ratios hold better than microseconds.",
        ]
    return "\n".join(lines) + "\n"


def _summary(sections: list[Section]) -> str:
    checks = [check for section in sections for check in section.checks]
    rows = [[c.what, c.measured, c.wanted, VERDICTS[c.is_met]] for c in checks]
    losses = [f"- {loss}." for section in sections for loss in section.losses]
    losses += [f"- {c.what}: {c.measured}; wanted {c.wanted}." for c in checks if c.is_met is False]
    return (
        "## What was wanted\n\n"
        + table(["", "measured", "wanted", "met"], rows)
        + "\n## Where we lose\n\n"
        + ("\n".join(losses) or "Nowhere, in what was measured.")
        + "\n"
    )


if __name__ == "__main__":
    main()
