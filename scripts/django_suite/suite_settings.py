"""Settings for Django's own tests: those of Django's, and Trailkeeper."""

import atexit
import os
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import __main__

FOLDER = Path(tempfile.mkdtemp(prefix="trailkeeper-django-"))


def _database(suffix: str) -> dict[str, object]:
    url = urlsplit(os.environ.get("TRAILKEEPER_TEST_DATABASE_URL", ""))
    if not url.scheme:
        return {"ENGINE": "django.db.backends.sqlite3"}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": url.path.removeprefix("/") + suffix,
        "USER": url.username,
        "PASSWORD": url.password,
        "HOST": url.hostname,
        "PORT": url.port,
        "TEST": {"NAME": f"test_suite{suffix}"},
    }


DATABASES = {"default": _database(""), "other": _database("_other")}
SECRET_KEY = "only for tests"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
USE_TZ = False
TRAILKEEPER = {"STORE": str(FOLDER / "trail"), "SPOOL": str(FOLDER / "spool"), "DRAIN": "none"}

# `runtests.py` puts its own list in place of INSTALLED_APPS.
if "trailkeeper" not in __main__.ALWAYS_INSTALLED_APPS:
    __main__.ALWAYS_INSTALLED_APPS.append("trailkeeper")


def _report() -> None:
    """Fails the run if an event was dropped, or if nothing was recorded at all."""
    from trailkeeper.failure import losses

    spooled = sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file())
    print(f"trailkeeper: {spooled:,} bytes in the spool, {losses.count} events dropped")
    if losses.count or not spooled:
        sys.stdout.flush()
        os._exit(1)


atexit.register(_report)
