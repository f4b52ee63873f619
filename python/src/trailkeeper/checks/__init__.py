"""System checks: what is wrong with the settings, before the first event is lost by it.

One module for each concept; `said` has the words that they share.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Error, Tags
from django.core.checks import register as django_register

from trailkeeper.checks.callables import check_callables
from trailkeeper.checks.middleware import AUTHENTICATION, MIDDLEWARE, check_middleware
from trailkeeper.checks.origin import check_celery, check_headers, check_proxies
from trailkeeper.checks.patterns import check_paths, check_patterns, check_shares
from trailkeeper.checks.places import check_environment, check_places
from trailkeeper.checks.policy import check_choices, check_declarations, check_policy
from trailkeeper.checks.scope import is_asked
from trailkeeper.checks.values import CHOICES, TYPES, check_keys, check_values

__all__ = [
    "AUTHENTICATION",
    "CHOICES",
    "MIDDLEWARE",
    "TYPES",
    "check_middleware",
    "check_settings",
    "register",
]


def register() -> None:
    """Registers the checks with Django."""
    django_register(check_settings, Tags.compatibility)
    django_register(check_middleware, Tags.compatibility)


def check_settings(*, app_configs: Any = None, **_: Any) -> list[CheckMessage]:
    """Checks the dict `TRAILKEEPER`, and the store that the environment names."""
    if not is_asked(app_configs):
        return []
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
        *check_keys(value),
        *check_values(value),
        *check_environment(),
        *check_places(),
        *check_patterns(value),
        *check_policy(value),
        *check_choices(value),
        *check_declarations(),
        *check_shares(value),
        *check_paths(value),
        *check_callables(),
        *check_headers(value),
        *check_proxies(value),
        *check_celery(),
    ]
