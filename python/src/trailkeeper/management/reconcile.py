"""`manage.py trailkeeper reconcile`."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError
from django.db import DatabaseError

from trailkeeper import engine
from trailkeeper.exceptions import TrailkeeperError
from trailkeeper.management.progress import Progress
from trailkeeper.management.tables import add_table_arguments
from trailkeeper.reconcile import Drift, Kind, Reconciliation

if TYPE_CHECKING:
    from django.core.management.base import BaseCommand

__all__ = ["add_arguments", "handle"]


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the options."""
    add_table_arguments(parser)
    parser.add_argument(
        "--record", action="store_true", help="write what is found as events, marked as such"
    )
    parser.add_argument(
        "--json", action="store_true", help="one JSON object for each finding, with the values"
    )


def handle(command: BaseCommand, options: dict[str, Any]) -> None:
    """Reports what differs. Exit codes: 0 nothing, 1 something, 2 it could not be checked."""
    progress = Progress(command.stderr)
    try:
        reconciliation = Reconciliation(
            models=options["models"] or None,
            using=options["database"],
            tenant=options["tenant"],
            records=options["record"],
            progress=lambda model, rows: progress.show(f"{model}: {rows} rows"),
        )
        kinds = dict.fromkeys(Kind, 0)
        for drift in reconciliation:
            progress.clear()
            kinds[drift.kind] += 1
            command.stdout.write(_as_json(drift) if options["json"] else str(drift))
        in_doubt = _in_doubt() if any(kinds.values()) else 0
    except (TrailkeeperError, DatabaseError) as error:
        progress.clear()
        raise CommandError(f"could not check: {error}", returncode=2) from error
    progress.clear()
    if not options["json"]:
        _summary(command, reconciliation, kinds)
    if kinds[Kind.MISSING] and not options["record"]:
        command.stderr.write(
            "Rows that were there before Trailkeeper are missing until "
            "`manage.py trailkeeper baseline` has recorded them."
        )
    if in_doubt:
        command.stderr.write(
            f"{in_doubt} transactions are in doubt, and their events are not seen: run "
            "`manage.py trailkeeper drain`, then this again."
        )
    if reconciliation.unsettled:
        raise CommandError(
            f"could not check {reconciliation.unsettled} rows: they changed at every look",
            returncode=1 if any(kinds.values()) else 2,
        )
    if any(kinds.values()):
        sys.exit(1)


def _as_json(drift: Drift) -> str:
    return json.dumps(drift.as_dict(), ensure_ascii=False)


def _in_doubt() -> int:
    with engine.errors():
        return int(json.loads(engine.trail().stats())["spool"]["in_doubt"])


def _summary(command: BaseCommand, reconciliation: Reconciliation, kinds: dict[Kind, int]) -> None:
    for name, rows in sorted(reconciliation.not_comparable.items()):
        command.stdout.write(f"not comparable: {name} in {rows} rows")
    found = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in kinds.items())
    command.stdout.write(f"{reconciliation.rows} rows compared: {found}")
    if reconciliation.recorded:
        command.stdout.write(f"{reconciliation.recorded} events written")
