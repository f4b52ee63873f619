"""Fills a spool with events of the project, as its own processes would."""

from __future__ import annotations

import django
from harness.answers import answer
from harness.events import fill


def write(*, spool: str, events: int, seed: int) -> dict[str, int]:
    """Writes so many events; gives how many there are of each kind."""
    django.setup()
    return fill(spool, events, seed)


answer(write)
