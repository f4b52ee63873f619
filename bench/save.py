"""What an audit costs a `save()`: CPU, wall time and queries, beside no audit at all.

Each variant runs in a process of its own on a database of its own; their turns are
interleaved, so that what else the machine does falls on all of them alike.

    .venv/bin/python bench/save.py --quick
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from harness import postgres
from harness.remote import Worker, has_engine, project_environment
from harness.samples import Spread, median, spread_of
from harness.section import Check, Scale, Section, main
from harness.table import table

BASE: Final = "none"
OURS: Final = "trailkeeper"
DRAINING: Final = "trailkeeper, draining"
VARIANTS: Final = (BASE, OURS, DRAINING, "simple_history", "easyaudit")

#: Microseconds of CPU that Trailkeeper may add to a save.
BUDGET: Final = 25.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One way to save, on one database."""

    database: str
    is_atomic: bool

    def __str__(self) -> str:
        return f"{self.database}, {'inside atomic()' if self.is_atomic else 'autocommit'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one variant took in one case: the values of each round, and the queries."""

    rounds: list[dict[str, float]]
    queries: int

    def values(self, name: str) -> list[float]:
        return [each[name] for each in self.rounds]

    def spread(self, name: str) -> Spread:
        return spread_of(self.values(name))

    def extra(self, name: str, base: Outcome) -> Spread:
        """What it takes more than `base`, round by round."""
        pairs = zip(self.values(name), base.values(name), strict=True)
        return spread_of([own - other for own, other in pairs])

    def extra_undisturbed(self, base: Outcome) -> float:
        """The same between the quietest rounds of both, and their quickest tenth of saves."""
        return self.spread("cpu_undisturbed").least - base.spread("cpu_undisturbed").least


def run(scale: Scale) -> Section:
    """Measures all cases."""
    section = Section(title="One `save()` of an invoice of 26 fields")
    variants = [name for name in VARIANTS if name != DRAINING or has_engine()]
    parts = [_explanation(variants)]
    for case, outcomes in _measured(scale, variants):
        parts.append(f"### {case}\n\n{_table(outcomes)}")
        section.checks += _checks(case, outcomes)
        section.losses += _losses(case, outcomes)
    section.text = "\n".join(parts)
    return section


def _measured(scale: Scale, variants: list[str]) -> Iterator[tuple[Case, dict[str, Outcome]]]:
    with postgres.server() as server:
        for database in ("SQLite in memory", "SQLite file", "PostgreSQL"):
            if database == "PostgreSQL" and server is None:
                print("NOT MEASURED: save() on PostgreSQL, for there is no server")
                continue
            with (
                tempfile.TemporaryDirectory(prefix="trailkeeper-bench-") as folder,
                ExitStack() as s,
            ):
                workers = {}
                for variant in variants:
                    home = Path(folder, variant.replace(", ", "-"))
                    url = _database_url(database, server, home.name)
                    workers[variant] = s.enter_context(_worker(variant, home, url))
                for is_atomic in (False, True):
                    case = Case(database=database, is_atomic=is_atomic)
                    yield case, _compare(workers, scale, is_atomic=is_atomic)
                _require_recorded(workers)


def _database_url(database: str, server: str | None, name: str) -> str:
    if database == "SQLite in memory":
        return ":memory:"
    return "" if database == "SQLite file" else f"{server}/{name}"


def _worker(variant: str, home: Path, database: str) -> Worker:
    audit, _, draining = variant.partition(", ")
    drain = "thread" if draining else "none"
    worker = Worker("save.py", project_environment(audit, home, database, drain=drain))
    worker.call("prepare")
    return worker


def _compare(workers: dict[str, Worker], scale: Scale, *, is_atomic: bool) -> dict[str, Outcome]:
    saves = {}
    for variant, worker in workers.items():
        # The first saves fill caches; the next say how many fit into a turn.
        worker.call("measure", saves=20, atomic=is_atomic)
        usual = worker.call("measure", saves=20, atomic=is_atomic)["wall"]
        saves[variant] = max(20, int(scale.seconds * 1e6 / usual))
    rounds: dict[str, list[Any]] = {variant: [] for variant in workers}
    for _ in range(scale.rounds):
        for variant, worker in workers.items():
            found = worker.call("measure", saves=saves[variant], atomic=is_atomic)
            rounds[variant].append(found)
    return {
        variant: Outcome(rounds=rounds[variant], queries=worker.call("queries", atomic=is_atomic))
        for variant, worker in workers.items()
    }


def _require_recorded(workers: dict[str, Worker]) -> None:
    """A variant that records nothing is fast and worthless."""
    for variant, worker in workers.items():
        if variant != BASE and not worker.call("recorded"):
            raise SystemExit(f"error: {variant} has recorded nothing")


def _explanation(variants: list[str]) -> str:
    lines = [
        "An invoice is loaded once; each turn changes three fields and saves it, again and again.",
        "CPU is that of the process (user and system), in microseconds for each save: the median",
        "of the rounds' medians, and the quartiles of these. Beside it, over `none`:",
        "",
        "- *extra*: round by round, the median and the quartiles of the differences;",
        "- *undisturbed*: between the quickest tenth of the saves in the quietest rounds, which is",
        "  what is left when the rest of the machine is taken out;",
        "- *in all*: all CPU of a round divided by its saves, so with garbage collection and other",
        "  threads.",
        "",
        "`trailkeeper` drains elsewhere; `trailkeeper, draining` has the drainer as a thread of",
        "its own process. Each package has its default settings, and there is no request.",
    ]
    if DRAINING not in variants:
        lines.append(f"NOT MEASURED: `{DRAINING}`, for the engine is not installed.")
    return "\n".join(lines) + "\n"


def _table(outcomes: dict[str, Outcome]) -> str:
    base = outcomes[BASE]
    head = ["", "CPU", "extra", "undisturbed", "in all", "ratio", "wall", "extra wall", "queries"]
    rows = []
    for variant, outcome in outcomes.items():
        cpu = outcome.spread("cpu")
        rows.append(
            [
                f"`{variant}`",
                cpu,
                outcome.extra("cpu", base),
                f"{outcome.extra_undisturbed(base):,.1f}",
                f"{outcome.extra('cpu_mean', base).median:,.1f}",
                f"{cpu.median / base.spread('cpu').median:.2f}",
                f"{median(outcome.values('wall')):,.1f}",
                f"{outcome.extra('wall', base).median:,.1f}",
                outcome.queries,
            ]
        )
    return table(head, rows)


def _checks(case: Case, outcomes: dict[str, Outcome]) -> list[Check]:
    base, ours = outcomes[BASE], outcomes[OURS]
    extra, best = ours.extra("cpu", base), ours.extra_undisturbed(base)
    return [
        Check(
            what=f"extra CPU of a save ({case})",
            measured=f"{extra} us, {best:.1f} undisturbed",
            wanted=f"at most {BUDGET:.0f} us",
            is_met=_is_within_budget(extra),
        ),
        Check(
            what=f"queries of a save ({case})",
            measured=f"{ours.queries}",
            wanted=f"{base.queries}, as without an audit",
            is_met=ours.queries == base.queries,
        ),
    ]


def _is_within_budget(extra: Spread) -> bool | None:
    """None if the quartiles lie on both sides, or below zero: then noise is what was measured."""
    if extra.low < 0 or extra.low <= BUDGET < extra.high:
        return None
    return extra.high <= BUDGET


def _losses(case: Case, outcomes: dict[str, Outcome]) -> list[str]:
    ours = outcomes[OURS]
    return [
        f"`{variant}` takes less {name} of a save than Trailkeeper ({case})"
        for variant, outcome in outcomes.items()
        if variant not in {BASE, OURS, DRAINING}
        for name in ("cpu", "wall")
        if outcome.spread(name).median < ours.spread(name).median
    ]


if __name__ == "__main__":
    main(run, __doc__)
