"""Settings of the test project: SQLite, or the database that the environment names."""

import os
import tempfile
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

BASE_DIR = Path(tempfile.mkdtemp(prefix="trailkeeper-tests-"))
SECRET_KEY = "only for tests, and as long as signed tokens want it"
SALT_KEY = "for fields that are stored encrypted"
USE_TZ = True
TIME_ZONE = "Europe/Paris"
ROOT_URLCONF = "tests.urls"
ALLOWED_HOSTS = ["*"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.admin",
    "rest_framework.authtoken",
    *(["hijack"] if find_spec("hijack") else []),
    "trailkeeper",
    "tests.shop",
    "tests.shapes",
    "tests.ledger",
    "tests.library",
]
if os.environ.get("TRAILKEEPER_TEST_DATABASE_URL", "").startswith("postgres"):
    INSTALLED_APPS.append("django.contrib.postgres")
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "trailkeeper.middleware.TrailkeeperMiddleware",
]
TRAILKEEPER = {"EXCLUDE": ["shop.ignored"], "DRAIN": "none"}


def _database() -> dict[str, object]:
    url = urlsplit(os.environ.get("TRAILKEEPER_TEST_DATABASE_URL", ""))
    if not url.scheme:
        # A file also for the tests: those that fork share it with their children.
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": BASE_DIR / "db.sqlite3",
            "OPTIONS": {"timeout": 30},
            "TEST": {"NAME": BASE_DIR / "test.sqlite3"},
        }
    return {
        "ENGINE": f"django.db.backends.{'mysql' if url.scheme == 'mysql' else 'postgresql'}",
        "NAME": url.path.removeprefix("/"),
        "USER": url.username,
        "PASSWORD": url.password,
        "HOST": url.hostname,
        "PORT": url.port,
    }


DATABASES = {"default": _database()}
