"""Fills a spool with events of the project, as its own processes would."""

from __future__ import annotations

import django

# The events are made from the project's models.
django.setup()

from harness.answers import answer  # noqa: E402
from harness.events import fill  # noqa: E402


def write(*, spool: str, events: int, seed: int) -> dict[str, int]:
    """Writes so many events; gives how many there are of each kind."""
    return fill(spool, events, seed)


answer(write)
