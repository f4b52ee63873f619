"""System checks: what is wrong with the settings, before the first event is lost by it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from django.apps import apps
from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Error, Tags, Warning
from django.core.checks import register as django_register
from django.utils.module_loading import import_string

from trailkeeper.capture.fields import pattern_matches
from trailkeeper.conf import DEFAULTS, settings

__all__ = ["register"]

MIDDLEWARE: Final = "trailkeeper.middleware.TrailkeeperMiddleware"
SCHEMES: Final = frozenset({"", "file"})
_TYPES: Final[dict[str, tuple[type[Any], ...]]] = {
    "STORE": (str, Path, type(None)),
    "SPOOL": (str, Path, type(None)),
    "SPOOL_LIMIT": (int,),
    "SOURCE": (str, type(None)),
    "INCLUDE": (list, tuple),
    "EXCLUDE": (list, tuple),
    "MASK": (list, tuple),
    "REQUESTS": (bool,),
    "EXCLUDE_PATHS": (list, tuple),
    "DRAIN_INTERVAL": (int, float),
    "MAX_VALUE_BYTES": (int,),
}
_CHOICES: Final = {
    "ON_FAILURE": ("degrade", "raise"),
    "DRAIN": ("thread", "none"),
    "SYNC": ("interval", "commit", "none"),
}


def register() -> None:
    """Registers the checks with Django."""
    django_register(check_settings, Tags.compatibility)
    django_register(check_middleware, Tags.compatibility)


def check_settings(**_: Any) -> list[CheckMessage]:
    """Checks the dict `TRAILKEEPER`."""
    value = getattr(django_settings, "TRAILKEEPER", {})
    if not isinstance(value, dict):
        return [Error("TRAILKEEPER must be a dict.", id="trailkeeper.E001")]
    return [*_keys(value), *_values(value), *_places(), *_patterns(value), *_tenant()]


def _keys(value: dict[str, Any]) -> Iterator[CheckMessage]:
    for key in sorted(set(value) - set(DEFAULTS)):
        known = ", ".join(sorted(DEFAULTS))
        yield Error(
            f"TRAILKEEPER has an unknown key {key!r}.",
            hint=f"The keys are {known}.",
            id="trailkeeper.E002",
        )


def _values(value: dict[str, Any]) -> Iterator[CheckMessage]:
    for key, types in _TYPES.items():
        given = value.get(key, DEFAULTS[key])
        is_bool_for_number = isinstance(given, bool) and bool not in types
        if not isinstance(given, types) or is_bool_for_number:
            names = " or ".join("None" if t is type(None) else t.__name__ for t in types)
            yield Error(
                f"TRAILKEEPER[{key!r}] must be {names}, not {type(given).__name__}.",
                id="trailkeeper.E003",
            )
        elif isinstance(given, (int, float)) and not isinstance(given, bool) and given <= 0:
            yield Error(f"TRAILKEEPER[{key!r}] must be above zero.", id="trailkeeper.E003")
    for key, choices in _CHOICES.items():
        if value.get(key, DEFAULTS[key]) not in choices:
            yield Error(
                f"TRAILKEEPER[{key!r}] must be one of {', '.join(map(repr, choices))}.",
                id="trailkeeper.E003",
            )


def _places() -> Iterator[CheckMessage]:
    scheme = urlsplit(settings.store_url).scheme
    if scheme not in SCHEMES:
        yield Error(
            f"The store {settings.store_url!r} has a scheme that this release does not support.",
            hint="Give a folder, as a path or as file:///path.",
            id="trailkeeper.E004",
        )
        return
    store, spool = settings.store_path, Path(settings.spool_dir)
    if store is not None and spool.resolve() == store.resolve():
        yield Error(
            "The store and the spool are the same folder.",
            hint="Leave SPOOL out, or give it a folder of its own.",
            id="trailkeeper.E005",
        )
    for name, folder in (("store", store), ("spool", spool)):
        if folder is not None and folder.exists() and not folder.is_dir():
            yield Error(f"The {name} {folder} is not a folder.", id="trailkeeper.E006")


def _patterns(value: dict[str, Any]) -> Iterator[CheckMessage]:
    labels = [model._meta.label_lower for model in apps.get_models(include_auto_created=True)]
    for key in ("INCLUDE", "EXCLUDE"):
        patterns = value.get(key, DEFAULTS[key])
        for pattern in patterns if isinstance(patterns, (list, tuple)) else ():
            if not isinstance(pattern, str):
                yield Error(
                    f"TRAILKEEPER[{key!r}] takes patterns such as 'billing.*', not {pattern!r}.",
                    id="trailkeeper.E007",
                )
            elif not any(pattern_matches(pattern, label) for label in labels):
                yield Warning(
                    f"TRAILKEEPER[{key!r}] has {pattern!r}, which matches no model.",
                    hint="Patterns are matched against 'app_label.modelname'.",
                    id="trailkeeper.W001",
                )
    for pattern in value.get("EXCLUDE_PATHS", ()) or ():
        try:
            re.compile(pattern)
        except (re.error, TypeError) as error:
            yield Error(
                f"TRAILKEEPER['EXCLUDE_PATHS'] has {pattern!r}, which is no regular expression: "
                f"{error}.",
                id="trailkeeper.E008",
            )


def _tenant() -> Iterator[CheckMessage]:
    tenant = settings["TENANT"]
    if isinstance(tenant, str):
        try:
            tenant = import_string(tenant)
        except ImportError as error:
            yield Error(
                f"TRAILKEEPER['TENANT'] cannot be imported: {error}.", id="trailkeeper.E009"
            )
            return
    if tenant is not None and not callable(tenant):
        yield Error(
            "TRAILKEEPER['TENANT'] must be a callable without arguments, or a dotted path to one.",
            id="trailkeeper.E009",
        )


def check_middleware(**_: Any) -> list[CheckMessage]:
    """Checks that the middleware is there, and behind authentication."""
    middleware = list(getattr(django_settings, "MIDDLEWARE", []))
    if MIDDLEWARE not in middleware:
        return [
            Warning(
                "The middleware of Trailkeeper is not in MIDDLEWARE: events of requests will not "
                "say who acted or from where.",
                hint=f"Add {MIDDLEWARE!r} after AuthenticationMiddleware.",
                id="trailkeeper.W002",
            )
        ]
    authentication = "django.contrib.auth.middleware.AuthenticationMiddleware"
    if authentication in middleware and middleware.index(MIDDLEWARE) < middleware.index(
        authentication
    ):
        return [
            Warning(
                "The middleware of Trailkeeper stands before AuthenticationMiddleware: request "
                "events will not know their user.",
                hint=f"Move {MIDDLEWARE!r} after it.",
                id="trailkeeper.W003",
            )
        ]
    return []
