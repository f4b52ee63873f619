"""The Django app."""

from __future__ import annotations

from django.apps import AppConfig


class TrailkeeperConfig(AppConfig):
    """Starts capture and adds the trail's database alias."""

    name = "trailkeeper"
    verbose_name = "Audit trail"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Puts capture in place; importing the package alone changes nothing."""
        from trailkeeper import auth, capture, checks, contrib, rights
        from trailkeeper.backend import alias

        alias.install()
        capture.install()
        auth.connect()
        rights.connect()
        contrib.connect()
        checks.register()
