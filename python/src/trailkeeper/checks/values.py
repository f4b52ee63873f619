"""Keys, types and choices of the settings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from django.core.checks import CheckMessage, Error

from trailkeeper.checks.said import meant, wrong
from trailkeeper.conf import DEFAULTS

__all__ = ["CHOICES", "TYPES", "check_keys", "check_values"]

TYPES: Final[dict[str, tuple[type[Any], ...]]] = {
    "STORE": (str, Path, type(None)),
    "SPOOL": (str, Path, type(None)),
    "SPOOL_LIMIT": (int,),
    "SOURCE": (str, type(None)),
    "INCLUDE": (list, tuple),
    "EXCLUDE": (list, tuple),
    "POLICY": (list, tuple),
    "MASK": (list, tuple),
    "UNCHANGED": (dict,),
    "VETO": (dict,),
    "ENRICH": (dict,),
    "TENANT_FIELD": (dict,),
    "TRUSTED_PROXIES": (int, list, tuple),
    "PROXY_HEADER": (str,),
    "REQUEST_ID_HEADER": (str, type(None)),
    "REQUESTS": (bool,),
    "EXCLUDE_PATHS": (list, tuple),
    "ACCESS": (dict,),
    "DJANGO_TASKS": (bool,),
    "DRAIN_INTERVAL": (int, float),
    "MAX_VALUE_BYTES": (int,),
}
CHOICES: Final = {
    "CELERY": ("auto", "on", "off"),
    "ON_FAILURE": ("degrade", "raise"),
    "DRAIN": ("thread", "none"),
    "SYNC": ("interval", "commit", "none"),
}


def check_keys(value: dict[Any, Any]) -> Iterator[CheckMessage]:
    """Checks that every key is one of the settings."""
    for key in value:
        if key not in DEFAULTS:
            known = ", ".join(sorted(DEFAULTS))
            yield Error(
                f"TRAILKEEPER has an unknown key {key!r}.",
                hint=f"{meant(str(key).upper(), DEFAULTS)}The keys are {known}.",
                id="trailkeeper.E002",
            )


def check_values(value: dict[str, Any]) -> Iterator[CheckMessage]:
    """Checks the type of each value, and that it is one of the choices."""
    for key, types in TYPES.items():
        given = value.get(key, DEFAULTS[key])
        is_bool_for_number = isinstance(given, bool) and bool not in types
        if not isinstance(given, types) or is_bool_for_number:
            names = " or ".join("None" if t is type(None) else t.__name__ for t in types)
            yield wrong(key, f"must be {names}, not {type(given).__name__}")
        elif isinstance(given, (int, float)) and not isinstance(given, bool) and not given > 0:
            yield wrong(key, f"must be above zero, not {given!r}")
        elif given == "":
            yield wrong(key, "must not be empty")
    for key, choices in CHOICES.items():
        given = value.get(key, DEFAULTS[key])
        if given not in choices:
            yield wrong(key, f"must be one of {', '.join(map(repr, choices))}, not {given!r}")
