"""What an audit costs those who only read: CPU of `list(queryset)` of ten thousand objects.

.venv/bin/python bench/read.py --quick
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from harness.remote import Worker, project_environment
from harness.samples import Spread, spread_of
from harness.section import Check, Scale, Section, main
from harness.table import table

BASE: Final = "none"
OURS: Final = "trailkeeper"
VARIANTS: Final = (BASE, OURS, "simple_history", "easyaudit")

READS: Final = {
    "invoices": "invoices, 26 fields",
    "tags": "tags, 3 fields",
    "only": "invoices, `only()` of 2 fields",
    "related": "invoices, `select_related()` of the customer",
    "values": "`values_list()` of invoices",
}
#: The part of its time by which a list of invoices may be slower.
BUDGET: Final = 0.03

#: For each variant, the microseconds for each object in each round.
Measured = dict[str, list[float]]


def run(scale: Scale) -> Section:
    """Measures all reads, on SQLite in memory: where the database takes the least beside them."""
    section = Section(title="`list()` of 10,000 objects")
    with tempfile.TemporaryDirectory(prefix="trailkeeper-bench-") as folder, ExitStack() as stack:
        workers = {}
        for variant in VARIANTS:
            environment = project_environment(variant, Path(folder, variant), ":memory:")
            workers[variant] = stack.enter_context(Worker("read.py", environment))
            workers[variant].call("prepare")
        measured = {read: _compared(workers, read, scale) for read in READS}
    section.text = _explanation() + "\n" + _table(measured)
    section.checks.append(_check(measured["invoices"]))
    return section


def _compared(workers: dict[str, Worker], read: str, scale: Scale) -> Measured:
    found: Measured = {variant: [] for variant in workers}
    # The first round fills caches.
    for turn in range(scale.rounds + 1):
        for variant, worker in workers.items():
            taken = worker.call("measure", read=read)
            if turn:
                found[variant].append(taken)
    return found


def _explanation() -> str:
    lines = [
        "From SQLite in memory, in microseconds of CPU for each object: the median of the rounds",
        "and their quartiles for `none`; for the others how much more, as the median of the",
        "differences round by round, its part of the time of `none`, and *undisturbed* the same",
        "between the quickest rounds of both.",
    ]
    return "\n".join(lines) + "\n"


def _table(measured: dict[str, Measured]) -> str:
    rows = []
    for read, found in measured.items():
        base = spread_of(found[BASE])
        row = [READS[read], str(base)]
        for variant in VARIANTS[1:]:
            extra = _extra(found, variant)
            row.append(
                f"{extra.median:+.2f}, {extra.median / base.median:+.1%}, "
                f"*undisturbed* {_undisturbed(found, variant):+.1%}"
            )
        rows.append(row)
    return table(["", *(f"`{variant}`" for variant in VARIANTS)], rows)


def _extra(found: Measured, variant: str) -> Spread:
    pairs = zip(found[variant], found[BASE], strict=True)
    return spread_of([own - other for own, other in pairs])


def _undisturbed(found: Measured, variant: str) -> float:
    return min(found[variant]) / min(found[BASE]) - 1


def _check(found: Measured) -> Check:
    extra, base = _extra(found, OURS), spread_of(found[BASE]).median
    low, high = extra.low / base, extra.high / base
    is_met = high < BUDGET
    return Check(
        what="slow-down of a list of 10,000 invoices",
        measured=f"{extra.median / base:+.1%} ({low:+.1%} to {high:+.1%}), "
        f"{_undisturbed(found, OURS):+.1%} undisturbed",
        wanted=f"under {BUDGET:.0%}",
        # With quartiles on both sides, or below zero, noise is what was measured.
        is_met=None if low < 0 or low < BUDGET <= high else is_met,
    )


if __name__ == "__main__":
    main(run, __doc__)
