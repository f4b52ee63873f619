"""What joins Trailkeeper with other packages: one module for each, imported only where it is used.

`connect()` looks at what the project has: nothing is imported that it does not use.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec

from django.apps import apps

from trailkeeper.conf import settings

__all__ = ["connect", "uses_celery"]


def connect() -> None:
    """Joins Trailkeeper with the packages that the project uses."""
    if uses_celery():
        from trailkeeper.contrib import celery

        celery.connect()
    if settings["DJANGO_TASKS"] and find_spec("django.tasks") is not None:
        from trailkeeper.contrib import django_tasks

        django_tasks.install()
    if apps.is_installed("django.contrib.admin"):
        from trailkeeper.contrib import admin

        admin.install()
    if apps.is_installed("hijack"):
        from trailkeeper.contrib import hijack

        hijack.connect()


def uses_celery() -> bool:
    """Whether tasks of Celery carry their context: as `CELERY` says, or if it is imported now.

    A project that uses Celery imports it with its own package, so before the apps are ready.
    """
    return settings["CELERY"] == "on" or (settings["CELERY"] == "auto" and "celery" in sys.modules)
