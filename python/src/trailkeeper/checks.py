"""System checks: what is wrong with the settings, before the first event is lost by it."""

from __future__ import annotations

import difflib
import inspect
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from django.apps import apps
from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Error, Tags, Warning
from django.core.checks import register as django_register
from django.utils.module_loading import import_string

from trailkeeper.capture.fields import pattern_matches
from trailkeeper.conf import DEFAULTS, ENVIRONMENT_URL, settings

__all__ = ["register"]

MIDDLEWARE: Final = "trailkeeper.middleware.TrailkeeperMiddleware"
AUTHENTICATION: Final = "django.contrib.auth.middleware.AuthenticationMiddleware"
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
    """Checks the dict `TRAILKEEPER`, and the store that the environment names."""
    value = getattr(django_settings, "TRAILKEEPER", {})
    if not isinstance(value, dict):
        return [
            Error(
                f"TRAILKEEPER must be a dict, not {type(value).__name__}.",
                hint="Leave it out to use the defaults: TRAILKEEPER = {}.",
                id="trailkeeper.E001",
            )
        ]
    return [
        *_keys(value),
        *_values(value),
        *_environment(),
        *_places(),
        *_patterns(value),
        *_paths(value),
        *_tenant(),
    ]


def _keys(value: dict[Any, Any]) -> Iterator[CheckMessage]:
    for key in value:
        if key not in DEFAULTS:
            known = ", ".join(sorted(DEFAULTS))
            yield Error(
                f"TRAILKEEPER has an unknown key {key!r}.",
                hint=f"{_meant(str(key).upper(), DEFAULTS)}The keys are {known}.",
                id="trailkeeper.E002",
            )


def _values(value: dict[str, Any]) -> Iterator[CheckMessage]:
    for key, types in _TYPES.items():
        given = value.get(key, DEFAULTS[key])
        is_bool_for_number = isinstance(given, bool) and bool not in types
        if not isinstance(given, types) or is_bool_for_number:
            names = " or ".join("None" if t is type(None) else t.__name__ for t in types)
            yield _wrong(key, f"must be {names}, not {type(given).__name__}")
        elif isinstance(given, (int, float)) and not isinstance(given, bool) and not given > 0:
            yield _wrong(key, f"must be above zero, not {given!r}")
        elif given == "":
            yield _wrong(key, "must not be empty")
    for key, choices in _CHOICES.items():
        given = value.get(key, DEFAULTS[key])
        if given not in choices:
            yield _wrong(key, f"must be one of {', '.join(map(repr, choices))}, not {given!r}")


def _wrong(key: str, what: str) -> CheckMessage:
    return Error(
        f"TRAILKEEPER[{key!r}] {what}.",
        hint=f"Leave it out to use the default, {DEFAULTS[key]!r}.",
        id="trailkeeper.E003",
    )


def _meant(text: str, known: Iterable[str]) -> str:
    """A sentence that asks for the nearest of the known names; empty if none is near."""
    near = difflib.get_close_matches(text, known, n=1)
    return f"Did you mean {near[0]!r}? " if near else ""


def _environment() -> Iterator[CheckMessage]:
    if os.environ.get(ENVIRONMENT_URL) == "":
        yield Warning(
            f"The environment has an empty {ENVIRONMENT_URL}, which counts as none: the store is "
            f"{_without_secrets(settings.store_url)}.",
            hint=f"Unset {ENVIRONMENT_URL}, or give it a folder.",
            id="trailkeeper.W004",
        )


def _places() -> Iterator[CheckMessage]:
    reason = _unusable(settings.store_url)
    if reason is not None:
        named = ENVIRONMENT_URL if os.environ.get(ENVIRONMENT_URL) else "TRAILKEEPER['STORE']"
        yield Error(
            f"{named} names the store as {_without_secrets(settings.store_url)}, which {reason}.",
            hint="Give a folder, as a path or as file:///path.",
            id="trailkeeper.E004",
        )
        return
    store, spool = settings.store_path, Path(settings.spool_dir)
    if store is not None:
        yield from _overlap(store.resolve(), spool.resolve())
        # Without a thread of their own, processes write to the spool alone.
        yield from _folder("store", store, is_written=settings["DRAIN"] == "thread")
    yield from _folder("spool", spool, is_written=True)


def _unusable(url: str) -> str | None:
    """Why a store's URL names no folder; None if it does."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        return f"is no URL ({error})"
    if parts.scheme not in SCHEMES:
        return f"has the scheme {parts.scheme!r}, and this release does not support it"
    if parts.scheme and parts.netloc not in {"", "localhost"}:
        return f"has {parts.netloc.rpartition('@')[2]!r} where a file URL has a host"
    if parts.scheme and not parts.path.strip("/"):
        return "has no path"
    return None


def _without_secrets(url: str) -> str:
    """The URL without what stands before the host, and without a query."""
    return re.sub(r"(?<=://)[^/]*@", "***@", url.partition("?")[0])


def _overlap(store: Path, spool: Path) -> Iterator[CheckMessage]:
    if spool == store:
        found = f"The store and the spool are the same folder, {store}."
    elif spool.is_relative_to(store):
        found = f"The spool {spool} lies inside the store {store}."
    elif store.is_relative_to(spool):
        found = f"The store {store} lies inside the spool {spool}."
    else:
        return
    yield Error(
        found,
        hint="Leave SPOOL out, and it stands beside the store, or give it a folder of its own.",
        id="trailkeeper.E005",
    )


def _folder(name: str, folder: Path, *, is_written: bool) -> Iterator[CheckMessage]:
    """Checks that a folder is one, or can be made."""
    key = name.upper()
    there = folder.absolute()
    try:
        while not there.exists() and there != there.parent:
            there = there.parent
        is_folder = there.is_dir()
    except OSError:
        # Nothing can be seen from here: a folder above may not be entered.
        is_folder = True
    if not is_folder:
        yield Error(
            f"The {name} {folder} cannot be used: {there} is not a folder.",
            hint=f"Give {key} another place, or move that file away.",
            id="trailkeeper.E006",
        )
    elif is_written and not os.access(there, os.W_OK | os.X_OK):
        what = "be written to" if there == folder.absolute() else f"be made in {there}"
        yield Warning(
            f"The {name} {folder} cannot {what} by the user who runs this check.",
            hint=f"Give the user who runs the application the right to write to it, or give {key} "
            "another place.",
            id="trailkeeper.W005",
        )


def _patterns(value: dict[str, Any]) -> Iterator[CheckMessage]:
    all_models = apps.get_models(include_auto_created=True)
    labels = [model._meta.label_lower for model in all_models]
    fields = [
        f"{model._meta.label_lower}.{field.name}"
        for model in all_models
        for field in model._meta.concrete_fields
    ]
    known = {"INCLUDE": labels, "EXCLUDE": labels, "MASK": fields}
    for key, names in known.items():
        kind, example = ("field", "billing.*.iban") if key == "MASK" else ("model", "billing.*")
        for pattern in _listed(value, key):
            if not isinstance(pattern, str):
                yield Error(
                    f"TRAILKEEPER[{key!r}] takes patterns such as {example!r}, not {pattern!r}.",
                    hint="Write each pattern as a text, with * and ? for what may differ.",
                    id="trailkeeper.E007",
                )
            elif not any(pattern_matches(pattern, name) for name in names):
                shape = "app_label.modelname" + ".fieldname" * (key == "MASK")
                yield Warning(
                    f"TRAILKEEPER[{key!r}] has {pattern!r}, which matches no {kind}.",
                    hint=f"{_meant(pattern.lower(), names)}Patterns are matched against {shape!r}.",
                    id="trailkeeper.W001",
                )


def _paths(value: dict[str, Any]) -> Iterator[CheckMessage]:
    for pattern in _listed(value, "EXCLUDE_PATHS"):
        try:
            # Matched against a path, so that a pattern for bytes is refused.
            re.compile(pattern).search("/")
        except (re.error, TypeError) as error:
            yield Error(
                f"TRAILKEEPER['EXCLUDE_PATHS'] has {pattern!r}, which is no regular expression: "
                f"{error}.",
                hint=r"Give one that is searched for in the path of a request, such as '^/health'.",
                id="trailkeeper.E008",
            )


def _listed(value: dict[str, Any], key: str) -> Iterable[Any]:
    """The items of a list; none if it is something else, which `_values` reports."""
    items = value.get(key, DEFAULTS[key])
    return items if isinstance(items, (list, tuple)) else ()


def _tenant() -> Iterator[CheckMessage]:
    reason = _no_tenant(settings["TENANT"])
    if reason is not None:
        yield Error(
            f"TRAILKEEPER['TENANT'] {reason}.",
            hint="Give a function without arguments that returns the tenant's name or key, or the "
            "dotted path of one, such as 'shop.tenants.current'.",
            id="trailkeeper.E009",
        )


def _no_tenant(tenant: Any) -> str | None:
    """Why something cannot tell the tenant; None if it can."""
    if isinstance(tenant, str):
        try:
            tenant = import_string(tenant)
        except Exception as error:
            # Its module runs when it is imported, and may raise anything.
            return f"cannot be imported: {error}"
    if tenant is None:
        return None
    if not callable(tenant):
        return f"cannot be called: it is of type {type(tenant).__name__}"
    if inspect.iscoroutinefunction(tenant):
        return "is async, and events are recorded in synchronous code too"
    try:
        inspect.signature(tenant).bind()
    except TypeError as error:
        return f"cannot be called without arguments: {error}"
    except ValueError:
        # A callable that does not say what it takes.
        return None
    return None


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
    if AUTHENTICATION in middleware[middleware.index(MIDDLEWARE) :]:
        return [
            Warning(
                "The middleware of Trailkeeper stands before AuthenticationMiddleware: what is "
                "recorded between the two does not know its user.",
                hint=f"Move {MIDDLEWARE!r} after {AUTHENTICATION!r}.",
                id="trailkeeper.W003",
            )
        ]
    return []
