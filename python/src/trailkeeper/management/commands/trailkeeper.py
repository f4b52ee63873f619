"""`manage.py trailkeeper`: what is captured, where it goes, draining by hand; what stands in the
tables beside what the trail says of them.
"""

from __future__ import annotations

import json
import time
from argparse import ArgumentParser
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError

from trailkeeper import drainer, engine
from trailkeeper.capture import registry
from trailkeeper.conf import settings
from trailkeeper.exceptions import TrailkeeperError
from trailkeeper.management import baseline, policy, reconcile


class Command(BaseCommand):
    """See the module."""

    help = (
        "Shows what Trailkeeper captures and where it goes; drains the spool; records what was "
        "there before; compares the tables with the trail."
    )
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Adds the subcommands."""
        commands = parser.add_subparsers(dest="subcommand", required=True)
        status = commands.add_parser("status", help="what is captured, where it goes, what waits")
        status.add_argument(
            "models",
            nargs="*",
            metavar="model",
            help="with --policy: label of a model or an app, of which every field is shown",
        )
        status.add_argument(
            "--policy",
            action="store_true",
            help="what is recorded of each model and field, and why",
        )
        drain = commands.add_parser("drain", help="bring what is spooled into the store")
        drain.add_argument(
            "--forever", action="store_true", help="go on until stopped, as a service"
        )

        baseline.add_arguments(
            commands.add_parser("baseline", help="record the rows that the trail does not have")
        )
        reconcile.add_arguments(
            commands.add_parser("reconcile", help="compare the tables with the trail")
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Runs the subcommand."""
        try:
            match options["subcommand"]:
                case "status" if options["policy"]:
                    policy.handle(self, options["models"])
                case "status" if options["models"]:
                    raise CommandError("models are named with --policy: status MODEL --policy")
                case "status":
                    self._status()
                case "drain":
                    self._drain(is_forever=options["forever"])
                case "baseline":
                    baseline.handle(self, options)
                case "reconcile":
                    reconcile.handle(self, options)
        except TrailkeeperError as error:
            raise CommandError(str(error)) from error

    def _status(self) -> None:
        self.stdout.write(f"store    {settings.store_url}")
        self.stdout.write(f"spool    {settings.spool_dir}")
        self.stdout.write(f"source   {settings.source}")
        self.stdout.write(f"failure  {settings['ON_FAILURE']}")
        self.stdout.write(f"drain    {settings['DRAIN']}")
        captured: list[tuple[str, str]] = []
        left_out: list[tuple[str, str]] = []
        for model in apps.get_models(include_auto_created=True):
            is_captured, why = registry.why(model)
            (captured if is_captured else left_out).append((model._meta.label_lower, why))
        self._section(f"captured ({len(captured)})", captured)
        self._section(f"not captured ({len(left_out)})", left_out)
        with engine.errors():
            stats = json.loads(engine.trail().stats())
        spool = stats["spool"]
        self.stdout.write("")
        self.stdout.write(f"events in the store   {stats['events']}")
        self.stdout.write(
            f"waiting in the spool  {spool['events']} events, {spool['bytes']} bytes, "
            f"{spool['in_doubt']} transactions in doubt"
        )

    def _section(self, title: str, rows: list[tuple[str, str]]) -> None:
        self.stdout.write("")
        self.stdout.write(title)
        width = max((len(label) for label, _ in rows), default=0)
        for label, why in sorted(rows):
            self.stdout.write(f"  {label:<{width}}  {why}")

    def _drain(self, *, is_forever: bool) -> None:
        with engine.errors():
            elected = engine.trail().elect_drainer()
            while elected is None and is_forever:
                time.sleep(settings["DRAIN_INTERVAL"])
                elected = engine.trail().elect_drainer()
        if elected is None:
            raise CommandError("Another process drains this spool: there is nothing to do.")
        try:
            while True:
                report = drainer.run_once(elected)
                if report["events"]:
                    self.stdout.write(f"{report['events']} events brought into the store")
                while drainer.tidy(elected):
                    pass
                if not is_forever:
                    return
                time.sleep(settings["DRAIN_INTERVAL"])
        except KeyboardInterrupt:
            self.stdout.write("stopped")
        finally:
            elected.close()
