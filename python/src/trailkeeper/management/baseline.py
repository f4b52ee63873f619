"""`manage.py trailkeeper baseline`."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError
from django.db import DatabaseError

from trailkeeper.baseline import Step, baseline
from trailkeeper.exceptions import TrailkeeperError
from trailkeeper.management.progress import Progress
from trailkeeper.management.tables import add_table_arguments

if TYPE_CHECKING:
    from django.core.management.base import BaseCommand

__all__ = ["add_arguments", "handle"]


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the options."""
    add_table_arguments(parser)
    parser.add_argument(
        "--dry-run", action="store_true", help="only count the rows that would be recorded"
    )


def handle(command: BaseCommand, options: dict[str, Any]) -> None:
    """Records what the trail does not have, and says how much that was, table by table."""
    is_dry_run = options["dry_run"]
    progress = Progress(command.stderr)
    steps: dict[str, Step] = {}
    try:
        for step in baseline(
            models=options["models"] or None,
            using=options["database"],
            tenant=options["tenant"],
            is_dry_run=is_dry_run,
        ):
            steps[step.model] = step
            progress.show(f"{step.model}: {step.rows} rows, {step.recorded} recorded")
    except KeyboardInterrupt:
        progress.clear()
        raise CommandError("stopped: run it again, and it goes on", returncode=130) from None
    except (TrailkeeperError, DatabaseError) as error:
        progress.clear()
        raise CommandError(f"{error}. Run it again, and it goes on.", returncode=2) from error
    progress.clear()
    width = max(map(len, steps), default=0)
    verb = "to record" if is_dry_run else "recorded"
    for step in steps.values():
        command.stdout.write(f"{step.model:<{width}}  {step.rows} rows, {step.recorded} {verb}")
    total = sum(step.recorded for step in steps.values())
    command.stdout.write(f"{total} rows {verb}")
