"""The database that the suites of others run on: the environment's, or SQLite."""

import os
from urllib.parse import urlsplit


def database(suffix: str = "") -> dict[str, object]:
    """An entry of `DATABASES`; the suffix tells several of one server apart."""
    url = urlsplit(os.environ.get("TRAILKEEPER_TEST_DATABASE_URL", ""))
    if not url.scheme:
        return {"ENGINE": "django.db.backends.sqlite3"}
    return {
        "ENGINE": f"django.db.backends.{'mysql' if url.scheme == 'mysql' else 'postgresql'}",
        "NAME": url.path.removeprefix("/") + suffix,
        "USER": url.username,
        "PASSWORD": url.password,
        "HOST": url.hostname,
        "PORT": url.port,
        "TEST": {"NAME": f"test_suite{suffix}"},
    }
