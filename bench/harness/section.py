"""What a benchmark hands back: a part of the report, and how it compares with what is wanted."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from harness import machine
from harness.paths import PYTHON

__all__ = ["FULL", "QUICK", "Check", "Scale", "Section", "add_scale_options", "main", "scale_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How long to measure.

    Args:
        rounds: turns of each variant in `save`, `operations` and `read`.
        seconds: length of one turn in `save`; of `operations` a part of it.
        events: events of `drain` and `verify`.
        repeats: runs of `drain` and `verify`.
        memory_events: events of `memory`.
    """

    rounds: int
    seconds: float
    events: int
    repeats: int
    memory_events: int


FULL: Final = Scale(rounds=15, seconds=0.3, events=300_000, repeats=3, memory_events=100_000)
QUICK: Final = Scale(rounds=4, seconds=0.1, events=20_000, repeats=1, memory_events=5_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One figure beside what is wanted of it; `is_met` is None where the spread does not say."""

    what: str
    measured: str
    wanted: str
    is_met: bool | None


@dataclass(slots=True, kw_only=True)
class Section:
    """A part of the report.

    Args:
        title: its heading.
        text: Markdown below it.
        checks: figures beside what is wanted of them.
        losses: where a peer does better, in words.
    """

    title: str
    text: str = ""
    checks: list[Check] = field(default_factory=list)
    losses: list[str] = field(default_factory=list)


def add_scale_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options that `scale_of` reads."""
    parser.add_argument("--quick", action="store_true", help="a short run that only shows it works")
    parser.add_argument("--events", type=int, help=f"for drain and verify ({FULL.events:,})")
    parser.add_argument("--rounds", type=int, help=f"for save, operations and read ({FULL.rounds})")


def scale_of(options: argparse.Namespace) -> Scale:
    """The scale that the command line asks for."""
    scale = QUICK if options.quick else FULL
    if options.events:
        scale = replace(scale, events=options.events)
    return replace(scale, rounds=options.rounds) if options.rounds else scale


def main(run: Callable[[Scale], Section], description: str | None) -> None:
    """Runs one benchmark from the command line and prints its part of the report."""
    parser = argparse.ArgumentParser(description=description)
    add_scale_options(parser)
    require_environment()
    section = run(scale_of(parser.parse_args()))
    print(f"## {section.title}\n\n{section.text}")
    for check in section.checks:
        print(f"- {check.what}: {check.measured} (wanted: {check.wanted})")
    print(f"\nLoad average {machine.load():.1f}.")


def require_environment() -> None:
    """Ends the program, with a hint, where the environment of the workers is missing."""
    if not Path(PYTHON).exists():
        sys.exit(f"error: there is no {PYTHON}\n       make it: scripts/make_bench.sh")
