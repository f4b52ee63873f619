"""The database alias `trailkeeper`, known to whoever asks for it by name and to nobody else.

Django's commands, tests and checks walk over `connections` and expect to migrate, flush,
clone or guard what they find. So the alias answers `connections["trailkeeper"]`, and is
not among the aliases that iteration gives.

Uses this private interface of Django, held by a contract test: `ConnectionHandler.settings`, a
`cached_property` that `__getitem__` asks with `in` and `[]`, and `__iter__` iterates.
"""

from contextlib import suppress
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import connections

ALIAS = "trailkeeper"
ENGINE = "trailkeeper.backend"

Settings = dict[str, Any]


class _WithHidden(dict[str, Settings]):
    """Database settings that answer for one more alias than they list."""

    def __init__(self, listed: dict[str, Settings], hidden: Settings) -> None:
        super().__init__(listed)
        self.listed = listed
        self._hidden = hidden

    def __contains__(self, alias: object) -> bool:
        return alias == ALIAS or super().__contains__(alias)

    def __missing__(self, alias: str) -> Settings:
        if alias == ALIAS:
            return self._hidden
        raise KeyError(alias)


def install() -> None:
    """Make `connections["trailkeeper"]` the trail. A second call changes nothing."""
    listed = connections.settings
    if isinstance(listed, _WithHidden):
        return
    if ALIAS in listed:
        raise ImproperlyConfigured(
            f"DATABASES has an entry {ALIAS!r}, the alias that trailkeeper adds for itself: "
            "remove or rename it."
        )
    connections.settings = _WithHidden(listed, _settings())


def uninstall() -> None:
    """Undo `install()`."""
    listed = connections.settings
    if isinstance(listed, _WithHidden):
        connections.settings = listed.listed
    # Per thread: those of other threads go with their threads.
    with suppress(AttributeError):
        del connections[ALIAS]


def _settings() -> Settings:
    # The keys that Django fills in for an entry of DATABASES.
    return {
        "ENGINE": ENGINE,
        "NAME": "trail",
        "USER": "",
        "PASSWORD": "",
        "HOST": "",
        "PORT": "",
        "ATOMIC_REQUESTS": False,
        "AUTOCOMMIT": True,
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": False,
        "OPTIONS": {},
        "TIME_ZONE": None,
        "TEST": {
            "CHARSET": None,
            "COLLATION": None,
            "MIGRATE": False,
            "MIRROR": None,
            "NAME": None,
        },
    }
