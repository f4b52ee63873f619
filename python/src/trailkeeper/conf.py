"""Settings: the dict `TRAILKEEPER` of the project's settings, read lazily.

Each key, its type and its default stand in `DEFAULTS`; `docs/reference/settings.md` explains them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from django.conf import settings as django_settings
from django.core.signals import setting_changed
from django.utils.functional import cached_property
from django.utils.module_loading import import_string

from trailkeeper.proxies import Proxies

__all__ = ["DEFAULTS", "ENVIRONMENT_URL", "Settings", "settings"]

#: The environment's name for the store's URL; it overrides `STORE`.
ENVIRONMENT_URL: Final = "TRAILKEEPER_URL"

#: Models of Django's own bookkeeping: not captured unless `INCLUDE` names them.
BOOKKEEPING: Final = (
    "admin.logentry",
    "auth.permission",
    "contenttypes.contenttype",
    "migrations.migration",
    "sessions.session",
)

DEFAULTS: Final[dict[str, Any]] = {
    "STORE": None,
    "SPOOL": None,
    "SPOOL_LIMIT": 4 << 30,
    "SOURCE": None,
    "INCLUDE": ["*"],
    "EXCLUDE": [],
    "POLICY": [],
    "MASK": [],
    "UNCHANGED": {},
    "VETO": {},
    "ENRICH": {},
    "TENANT": None,
    "TENANT_FIELD": {},
    "ACTOR": None,
    "IMPERSONATOR": None,
    "TRUSTED_PROXIES": [],
    "PROXY_HEADER": "X-Forwarded-For",
    "REQUEST_ID_HEADER": "X-Request-ID",
    "REQUESTS": True,
    "EXCLUDE_PATHS": [r"^/static/", r"^/media/", r"^/favicon\.ico$"],
    "ACCESS": {"*": 1.0},
    "CELERY": "auto",
    "DJANGO_TASKS": True,
    "ON_FAILURE": "degrade",
    "DRAIN": "thread",
    "DRAIN_INTERVAL": 1.0,
    "SYNC": "interval",
    "MAX_VALUE_BYTES": 8 << 20,
}


class Settings:
    """The settings as the code uses them: resolved, with defaults."""

    @cached_property
    def user(self) -> dict[str, Any]:
        """What the project has set."""
        value = getattr(django_settings, "TRAILKEEPER", {})
        return value if isinstance(value, dict) else {}

    def __getitem__(self, name: str) -> Any:
        return self.user.get(name, DEFAULTS[name])

    @cached_property
    def base_dir(self) -> Path:
        """`BASE_DIR` of the project, or the working directory."""
        return Path(getattr(django_settings, "BASE_DIR", None) or Path.cwd())

    @cached_property
    def store_url(self) -> str:
        """Where the trail is: a folder's path, or a URL."""
        value = os.environ.get(ENVIRONMENT_URL) or self["STORE"] or self.base_dir / "trail"
        return str(value)

    @cached_property
    def store_path(self) -> Path | None:
        """The trail's folder, if it is one."""
        parts = urlsplit(self.store_url)
        if parts.scheme == "file":
            return Path(unquote(parts.path))
        return None if "://" in self.store_url else Path(self.store_url)

    @cached_property
    def spool_dir(self) -> str:
        """The folder of the spool: beside the store's folder by default."""
        if self["SPOOL"]:
            return str(self["SPOOL"])
        store = self.store_path
        if store is None:
            return str(self.base_dir / "trail-spool")
        return str(store.with_name(store.name + "-spool"))

    @cached_property
    def source(self) -> str:
        """What the events' `source` says: `django:` and the project's name."""
        if self["SOURCE"]:
            return str(self["SOURCE"])
        module = getattr(django_settings, "ROOT_URLCONF", None) or self.base_dir.name
        return "django:" + str(module).split(".")[0]

    @cached_property
    def raises(self) -> bool:
        """Whether a failure to record fails the application's write."""
        return bool(self["ON_FAILURE"] == "raise")

    @cached_property
    def syncs_commits(self) -> bool:
        """Whether the spool is synced before every COMMIT."""
        return bool(self["SYNC"] == "commit")

    @cached_property
    def tenant(self) -> Any:
        """The callable that names the tenant, or None."""
        return self._callable("TENANT")

    @cached_property
    def actor(self) -> Any:
        """The callable that names the actor of a request, or None."""
        return self._callable("ACTOR")

    @cached_property
    def impersonator(self) -> Any:
        """The callable that names the real user behind the user of a request, or None."""
        return self._callable("IMPERSONATOR")

    @cached_property
    def proxies(self) -> Proxies:
        """The proxies whose word on a client's address counts."""
        return Proxies.of(self["TRUSTED_PROXIES"])

    def _callable(self, name: str) -> Any:
        value = self[name]
        if not isinstance(value, str):
            return value
        try:
            return import_string(value)
        except Exception as error:
            # Told when it is called: it costs one attribute of an event, not the event.
            return _failing(error)

    def reset(self) -> None:
        """Forgets what was read, so that changed settings are seen."""
        self.__dict__.clear()


def _failing(error: Exception) -> Callable[..., Any]:
    def fail(*_: Any) -> Any:
        raise error

    return fail


settings = Settings()


def _on_setting_changed(*, setting: str, **_: object) -> None:
    if setting in {"TRAILKEEPER", "BASE_DIR"}:
        settings.reset()


setting_changed.connect(_on_setting_changed, dispatch_uid="trailkeeper.conf")
