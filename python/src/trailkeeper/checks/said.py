"""How checks word what several of them say."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from django.core.checks import CheckMessage, Error

from trailkeeper.conf import DEFAULTS

__all__ = ["listed", "meant", "wrong"]


def wrong(key: str, what: str) -> CheckMessage:
    """The value of a key cannot be."""
    return Error(
        f"TRAILKEEPER[{key!r}] {what}.",
        hint=f"Leave it out to use the default, {DEFAULTS[key]!r}.",
        id="trailkeeper.E003",
    )


def meant(text: str, known: Iterable[str]) -> str:
    """A sentence that asks for the nearest of the known names; empty if none is near."""
    near = difflib.get_close_matches(text, known, n=1)
    return f"Did you mean {near[0]!r}? " if near else ""


def listed(value: dict[str, Any], key: str) -> Iterable[Any]:
    """The items of a list or the keys of a dict; none of anything else, which `values` reports."""
    items = value.get(key, DEFAULTS[key])
    return items if isinstance(items, (list, tuple, dict)) else ()
