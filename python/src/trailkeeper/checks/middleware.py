"""The middleware: that it is there, and where it stands."""

from __future__ import annotations

from typing import Any, Final

from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Warning

__all__ = ["AUTHENTICATION", "MIDDLEWARE", "check_middleware"]

MIDDLEWARE: Final = "trailkeeper.middleware.TrailkeeperMiddleware"
AUTHENTICATION: Final = "django.contrib.auth.middleware.AuthenticationMiddleware"


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
