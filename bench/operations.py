"""What an audit costs each way to write: CPU and queries, beside no audit at all.

.venv/bin/python bench/operations.py --quick
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from harness import postgres
from harness.remote import Worker, project_environment
from harness.samples import median
from harness.section import Check, Scale, Section, main
from harness.table import table

BASE: Final = "none"
OURS: Final = "trailkeeper"
VARIANTS: Final = (BASE, OURS, "simple_history", "easyaudit")
DATABASES: Final = ("SQLite file", "PostgreSQL")

#: Of the length of a turn of `save`: there are many operations.
SHARE: Final = 0.1

#: How many queries Trailkeeper may add to an operation; to others none.
ALLOWED: Final = {
    "`bulk_create(update_conflicts=True)`, 100 rows": 1,
    "`bulk_update()`, 100 rows": 1,
    "`QuerySet.update()`, 100 rows": 1,
    "`QuerySet.update()` with `F()`, 100 rows": 1,
    # In autocommit.
    "`_raw_delete()`, 100 rows": 1,
}

#: What writes nothing that is there to be recorded.
READS: Final = frozenset({"`get_or_create()`, there already", "raw SQL that reads a row"})


def run(scale: Scale) -> Section:
    """Measures all operations on all databases."""
    section = Section(title="Each way to write")
    parts = [_explanation()]
    with postgres.server() as server:
        for database in DATABASES:
            if database == "PostgreSQL" and server is None:
                print("NOT MEASURED: writes on PostgreSQL, for there is no server")
                continue
            measured = _measured(scale, database, server)
            parts.append(f"### {database}\n\n{_table(measured)}")
            section.checks += [_check(database, measured), _recorded(database, measured)]
            section.losses += _losses(database, measured)
    section.text = "\n".join(parts)
    return section


#: For each operation and variant: the microseconds of each round, and what `look` says.
Measured = dict[str, dict[str, dict[str, Any]]]


def _measured(scale: Scale, database: str, server: str | None) -> Measured:
    with tempfile.TemporaryDirectory(prefix="trailkeeper-bench-") as folder, ExitStack() as stack:
        workers: dict[str, Worker] = {}
        names: list[str] = []
        for variant in VARIANTS:
            url = f"{server}/operations_{variant}" if database == "PostgreSQL" else ""
            environment = project_environment(variant, Path(folder, variant), url)
            workers[variant] = stack.enter_context(Worker("operations.py", environment))
            names = workers[variant].call("prepare")
        return {name: _compared(workers, name, scale) for name in names}


def _compared(workers: dict[str, Worker], name: str, scale: Scale) -> dict[str, dict[str, Any]]:
    # Which fills caches, too.
    found = {variant: worker.call("look", operation=name) for variant, worker in workers.items()}
    for outcome in found.values():
        outcome["cpu"] = []
    for _ in range(scale.rounds):
        # By turns: what else the machine does falls on all of them alike.
        for variant, worker in workers.items():
            taken = worker.call("measure", operation=name, seconds=scale.seconds * SHARE)
            found[variant]["cpu"].append(taken)
    return found


def _explanation() -> str:
    lines = [
        "CPU of the process in microseconds for each operation: the median of the rounds' medians;",
        "for the others the median of their ratios to `none`, round by round. Behind it the number",
        "of statements sent, those that the log of queries does not show included, BEGIN and",
        "savepoints left out. *Silent*: nothing was recorded, so that the figure is the price of",
        "nothing. In autocommit; what Django wraps in a transaction by itself, it does.",
    ]
    return "\n".join(lines) + "\n"


def _table(measured: Measured) -> str:
    rows = []
    for name, found in measured.items():
        base = found[BASE]
        row = [name, f"{median(base['cpu']):,.0f} us, {base['queries']}"]
        for variant in VARIANTS[1:]:
            outcome = found[variant]
            cell = f"{_ratio(outcome, base):.2f}, {outcome['queries']}"
            is_silent = name not in READS and not outcome["is_recorded"]
            row.append(f"{cell}, *silent*" if is_silent else cell)
        rows.append(row)
    return table(["", *(f"`{variant}`" for variant in VARIANTS)], rows)


def _ratio(outcome: dict[str, Any], base: dict[str, Any]) -> float:
    pairs = zip(outcome["cpu"], base["cpu"], strict=True)
    return median([own / other for own, other in pairs])


def _check(database: str, measured: Measured) -> Check:
    """Whether Trailkeeper sends as many queries as it says."""
    over = [
        name
        for name, found in measured.items()
        if found[OURS]["queries"] - found[BASE]["queries"] > ALLOWED.get(name, 0)
    ]
    return Check(
        what=f"queries beside those of the operation ({database})",
        measured=", ".join(over) or "as many as said",
        wanted="none; one for a bulk update",
        is_met=not over,
    )


def _recorded(database: str, measured: Measured) -> Check:
    """Whether Trailkeeper records each operation that writes."""
    silent = [
        name
        for name, found in measured.items()
        if name not in READS and not found[OURS]["is_recorded"]
    ]
    return Check(
        what=f"operations that leave events ({database})",
        measured=", ".join(silent) or "all",
        wanted="all",
        is_met=not silent,
    )


def _losses(database: str, measured: Measured) -> list[str]:
    return [
        f"`{variant}` records {name} for less CPU than Trailkeeper ({database})"
        for name, found in measured.items()
        for variant in VARIANTS[2:]
        if found[variant]["is_recorded"]
        and _ratio(found[variant], found[BASE]) < _ratio(found[OURS], found[BASE])
    ]


if __name__ == "__main__":
    main(run, __doc__)
