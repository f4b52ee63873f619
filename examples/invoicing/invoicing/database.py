"""One text names the database: a path of SQLite, or a URL of PostgreSQL."""

from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit


def parse_database_url(url: str) -> dict[str, Any]:
    """Return the entry of `DATABASES` that `url` describes.

    `postgres://user:password@host:port/name` is PostgreSQL; anything without a
    scheme is the path of a SQLite file.
    """
    parts = urlsplit(url)
    if parts.scheme in {"postgres", "postgresql"}:
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": unquote(parts.path.removeprefix("/")),
            "USER": unquote(parts.username or ""),
            "PASSWORD": unquote(parts.password or ""),
            "HOST": parts.hostname or "",
            "PORT": str(parts.port or ""),
        }
    if parts.scheme:
        raise ValueError(f"INVOICING_DATABASE_URL has the unknown scheme {parts.scheme!r}")
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(Path(url).resolve()),
        # Several workers write one file: readers do not block, and a writer
        # takes its lock when its transaction begins, not in the middle of it.
        "OPTIONS": {
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL",
        },
    }
