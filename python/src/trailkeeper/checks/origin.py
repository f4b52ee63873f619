"""Where requests come from: proxies and headers; and what was imported too late."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Any, Final

from django.core.checks import CheckMessage, Error, Warning

from trailkeeper.checks.said import listed
from trailkeeper.conf import DEFAULTS, settings
from trailkeeper.proxies import UNIX, Proxies

__all__ = ["check_celery", "check_headers", "check_proxies"]

_HEADER: Final = re.compile(r"[A-Za-z0-9-]+")


def check_proxies(value: dict[str, Any]) -> Iterator[CheckMessage]:
    """Checks that each trusted proxy is named by a network."""
    for item in listed(value, "TRUSTED_PROXIES"):
        try:
            Proxies.of([item])
        except (TypeError, ValueError) as error:
            yield Error(
                f"TRAILKEEPER['TRUSTED_PROXIES'] has {item!r}, which is no network: {error}.",
                hint=f"Give addresses or networks, such as '10.0.0.0/8', or {UNIX!r} for a proxy "
                "that connects by a Unix socket.",
                id="trailkeeper.E011",
            )


def check_headers(value: dict[str, Any]) -> Iterator[CheckMessage]:
    """Checks that headers are named as they are sent."""
    for key in ("PROXY_HEADER", "REQUEST_ID_HEADER"):
        name = value.get(key, DEFAULTS[key])
        if isinstance(name, str) and name and not _HEADER.fullmatch(name):
            yield Error(
                f"TRAILKEEPER[{key!r}] is {name!r}, which is no name of a header.",
                hint=f"Write it as it is sent, such as {DEFAULTS[key]!r}: with hyphens, and "
                "without HTTP_ before it.",
                id="trailkeeper.E010",
            )


def check_celery() -> Iterator[CheckMessage]:
    """Checks that Celery was seen, if the project uses it."""
    is_connected = "trailkeeper.contrib.celery" in sys.modules
    if settings["CELERY"] == "auto" and "celery.app" in sys.modules and not is_connected:
        yield Warning(
            "Celery was imported after the apps were ready: its tasks do not carry the context of "
            "whoever queues them.",
            hint="Set TRAILKEEPER['CELERY'] to 'on', or import the Celery app in the package of "
            "the project. 'off' silences this.",
            id="trailkeeper.W006",
        )
