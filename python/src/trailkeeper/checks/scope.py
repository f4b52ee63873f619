"""Which applications a run of checks is about."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.apps import apps

__all__ = ["is_asked"]


def is_asked(app_configs: Iterable[Any] | None) -> bool:
    """Whether a run of checks is about Trailkeeper: about all applications, or about this one too.

    Args:
        app_configs: what Django gives to a check; None for all applications.
    """
    if app_configs is None:
        # Checks outlive their application, where a test installs others in its place.
        return apps.is_installed("trailkeeper")
    return any(config.name == "trailkeeper" for config in app_configs)
