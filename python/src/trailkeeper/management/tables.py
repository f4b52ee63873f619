"""What the commands that go over tables have in common."""

from __future__ import annotations

from argparse import ArgumentParser

from django.db import DEFAULT_DB_ALIAS

__all__ = ["add_table_arguments"]


def add_table_arguments(parser: ArgumentParser) -> None:
    """Declares which tables are meant."""
    parser.add_argument(
        "models",
        nargs="*",
        metavar="model",
        help="label of a model or an app: billing.invoice, billing; all tracked models by default",
    )
    parser.add_argument(
        "--database", default=DEFAULT_DB_ALIAS, help="alias of the database; default: default"
    )
    parser.add_argument(
        "--tenant", help="the tenant whose tables these are, where each has tables of its own"
    )
