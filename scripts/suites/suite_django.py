"""Settings for Django's own tests: those of Django's, and Trailkeeper."""

import tempfile
from pathlib import Path

import __main__  # isort: skip
from suite_database import database
from suite_report import report_at_exit

FOLDER = Path(tempfile.mkdtemp(prefix="trailkeeper-django-"))
DATABASES = {"default": database(), "other": database("_other")}
# This very key is what one of the tests looks for.
SECRET_KEY = "django_tests_secret_key"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
USE_TZ = False
TEST_RUNNER = "suite_runner.Runner"
TRAILKEEPER = {"STORE": str(FOLDER / "trail"), "SPOOL": str(FOLDER / "spool"), "DRAIN": "none"}

# `runtests.py` puts its own list in place of INSTALLED_APPS.
if "trailkeeper" not in __main__.ALWAYS_INSTALLED_APPS:
    __main__.ALWAYS_INSTALLED_APPS.append("trailkeeper")

report_at_exit(FOLDER)
