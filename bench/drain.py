"""How fast one core brings events from the spool into the store, hashes and tiles included.

.venv/bin/python bench/drain.py --events 1000000
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from harness.remote import Worker, has_engine, project_environment
from harness.samples import median, spread_of
from harness.section import Check, Scale, Section, main
from harness.table import table

SOURCE: Final = "django:invoicing"
SEED: Final = 20261123

#: Events a second that one core must drain.
WANTED: Final = 100_000
#: Bytes that an event may take in the store, proofs included.
BYTES: Final = 120


@contextmanager
def filled_spool(events: int) -> Iterator[tuple[Path, dict[str, int]]]:
    """A spool with so many events, in a folder that goes away; and how many of each kind."""
    with tempfile.TemporaryDirectory(prefix="trailkeeper-bench-") as name:
        folder = Path(name)
        environment = project_environment("trailkeeper", folder / "home")
        with Worker("spool.py", environment) as worker:
            kinds = worker.call("write", spool=str(folder / "spool"), events=events, seed=SEED)
        yield folder / "spool", kinds


def drain(spool: Path, store: Path) -> dict[str, Any]:
    """Drains a copy of `spool` into a new store; gives what it took."""
    copy = store.with_name(store.name + "-spool")
    shutil.copytree(spool, copy)
    with Worker("engine.py") as worker:
        found: dict[str, Any] = worker.call(
            "drain", store=store.as_uri(), spool=str(copy), source=SOURCE
        )
    return found


def run(scale: Scale) -> Section:
    """Drains the same spool several times, each time into a new store."""
    section = Section(title="Drain: from the spool into the store")
    if not has_engine():
        section.text = "NOT MEASURED: the engine is not installed.\n"
        return section
    with filled_spool(scale.events) as (spool, kinds):
        size = sum(file.stat().st_size for file in spool.rglob("*") if file.is_file())
        runs = [drain(spool, spool.with_name(f"store-{n}")) for n in range(scale.repeats)]
    if any(run["events"] != scale.events for run in runs):
        raise SystemExit(f"error: drained {runs[0]['events']} events of {scale.events}")
    rates = [run["events"] / run["cpu"] for run in runs]
    stats = runs[0]["stats"]
    section.text = _text(scale, kinds, size) + _table(runs) + "\n" + _sizes(stats)
    section.checks = [
        Check(
            what="events drained in a second of CPU, one core",
            measured=f"{median(rates):,.0f}",
            wanted=f"at least {WANTED:,}",
            is_met=median(rates) >= WANTED,
        ),
        Check(
            what="bytes of an event in the store",
            measured=f"{stats['bytes_per_event']:.1f}",
            wanted=f"at most {BYTES}",
            is_met=stats["bytes_per_event"] <= BYTES,
        ),
    ]
    return section


def _text(scale: Scale, kinds: dict[str, int], size: int) -> str:
    mix = ", ".join(f"{count:,} {name}" for name, count in sorted(kinds.items()))
    return (
        f"{scale.events:,} events, written by the recorder with the schemas of the example's\n"
        f"models (seed {SEED}): {mix};\n"
        f"{size / scale.events:,.0f} bytes each in the spool. The process is bound to one core.\n"
        "The generator writes faster than people work, so times lie closer together than in a\n"
        "real trail, and take somewhat fewer bytes.\n\n"
    )


def _table(runs: list[dict[str, Any]]) -> str:
    def row(name: str, values: list[float]) -> list[object]:
        return [name, spread_of(values)]

    return table(
        [f"{len(runs)} runs", "median (quartiles)"],
        [
            row("events a second of CPU", [run["events"] / run["cpu"] for run in runs]),
            row("events a second by the clock", [run["events"] / run["wall"] for run in runs]),
            row("peak memory, MiB", [run["peak_mib"] for run in runs]),
        ],
    )


def _sizes(stats: dict[str, Any]) -> str:
    parts = {name: stats[f"{name}_bytes"] / stats["events"] for name in ("file", "tile", "log")}
    each = ", ".join(f"{name}s {value:.1f}" for name, value in parts.items())
    total, files = stats["bytes_per_event"], stats["files"]
    return f"Bytes of an event in the store: {total:.1f} ({each}), {files} files.\n"


if __name__ == "__main__":
    main(run, __doc__)
