"""What an audit costs those who only read: CPU of `list(queryset)` of ten thousand objects.

.venv/bin/python bench/read.py --quick
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

from harness.remote import Worker, project_environment
from harness.samples import Spread, spread_of
from harness.section import Check, Scale, Section, main
from harness.table import table

READS: Final = {
    "invoices": "invoices, 26 fields",
    "tags": "tags, 3 fields",
    "only": "invoices, `only()` of 2 fields",
    "related": "invoices, `select_related()` of the customer",
    "values": "`values_list()` of invoices",
}
#: The part of its time by which a list of invoices may be slower.
BUDGET: Final = 0.03

#: Microseconds for each object, without capture and with it, in each round.
Measured = list[tuple[float, float]]


def run(scale: Scale) -> Section:
    """Measures all reads, on SQLite in memory: where the database takes the least beside them."""
    section = Section(title="`list()` of 10,000 objects")
    with tempfile.TemporaryDirectory(prefix="trailkeeper-bench-") as folder:
        environment = project_environment("trailkeeper", Path(folder), ":memory:")
        with Worker("read.py", environment) as worker:
            worker.call("prepare")
            measured = {read: _measured(worker, read, scale) for read in READS}
    section.text = _explanation() + "\n" + _table(measured)
    section.checks.append(_check(measured["invoices"]))
    return section


def _measured(worker: Worker, read: str, scale: Scale) -> Measured:
    found: Measured = []
    # The first round fills caches.
    for turn in range(2 * scale.rounds + 1):
        # Each of the two comes first by turns.
        order = (False, True) if turn % 2 else (True, False)
        taken = {each: worker.call("measure", read=read, captured=each) for each in order}
        if turn:
            found.append((taken[False], taken[True]))
    return found


def _explanation() -> str:
    lines = [
        "With Trailkeeper installed, and with its capture taken away, by turns in one process;",
        "from SQLite in memory, in microseconds of CPU for each object: the median of the rounds",
        "and their quartiles. *Extra* is the median of the differences round by round, as a part",
        "of the time without; *undisturbed* the same between the quickest rounds of both. The",
        "peers do nothing when an object is loaded.",
    ]
    return "\n".join(lines) + "\n"


def _table(measured: dict[str, Measured]) -> str:
    rows = []
    for read, found in measured.items():
        bases, owns = zip(*found, strict=True)
        extra = _extra(found)
        row = [READS[read], spread_of(bases), spread_of(owns)]
        row += [f"{extra.median:+.1%} ({extra.low:+.1%} to {extra.high:+.1%})"]
        rows.append([*row, f"{_undisturbed(found):+.1%}"])
    return table(["", "without", "with", "extra", "undisturbed"], rows)


def _extra(found: Measured) -> Spread:
    """How much longer it takes, as a part of the time without."""
    return spread_of([own / base - 1 for base, own in found])


def _undisturbed(found: Measured) -> float:
    bases, owns = zip(*found, strict=True)
    return min(owns) / min(bases) - 1


def _check(found: Measured) -> Check:
    extra, undisturbed = _extra(found), _undisturbed(found)
    is_met = extra.high < BUDGET
    return Check(
        what="slow-down of a list of 10,000 invoices",
        measured=f"{extra.median:+.1%} ({extra.low:+.1%} to {extra.high:+.1%}), "
        f"{undisturbed:+.1%} undisturbed",
        wanted=f"under {BUDGET:.0%}",
        # With quartiles on both sides, noise is what was measured.
        is_met=None if extra.low < BUDGET <= extra.high else is_met,
    )


if __name__ == "__main__":
    main(run, __doc__)
