"""Settings of the invoicing example.

Read from the environment:

- `INVOICING_HOME`: the folder of the database, the trail and the spool (`var/`).
- `INVOICING_DATABASE_URL`: a SQLite path or `postgres://user:pass@host:port/name`.
- `INVOICING_AUDIT`: `trailkeeper`, or a peer for comparison: `easyaudit`,
  `simple_history`, `none`.
- `INVOICING_DEBUG`: `1` for `runserver`, so that the admin finds its style sheets.
"""

import os
from pathlib import Path

from invoicing.database import parse_database_url

BASE_DIR = Path(__file__).resolve().parent.parent
HOME = Path(os.environ.get("INVOICING_HOME", BASE_DIR / "var")).resolve()
HOME.mkdir(parents=True, exist_ok=True)

SECRET_KEY = "a demonstration has no secrets; never copy this line into a real project"
DEBUG = os.environ.get("INVOICING_DEBUG") == "1"
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]

DATABASES = {
    "default": parse_database_url(
        os.environ.get("INVOICING_DATABASE_URL") or str(HOME / "db.sqlite3")
    )
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "rest_framework.authtoken",
    "tenants",
    "accounts",
    "billing",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    # Before the audit, so that the tenant is still set when a request is recorded.
    "invoicing.tenancy.TenantMiddleware",
]

# The audit: all that a project adds to have a trail.
INVOICING_AUDIT = os.environ.get("INVOICING_AUDIT", "trailkeeper")

if INVOICING_AUDIT == "trailkeeper":
    INSTALLED_APPS += ["trailkeeper"]
    MIDDLEWARE += ["trailkeeper.middleware.TrailkeeperMiddleware"]
    TRAILKEEPER = {
        "STORE": (HOME / "trail").as_uri(),
        "SPOOL": str(HOME / "spool"),
        "TENANT": "invoicing.tenancy.current_tenant",
    }
elif INVOICING_AUDIT == "easyaudit":
    INSTALLED_APPS += ["easyaudit"]
    MIDDLEWARE += ["easyaudit.middleware.easyaudit.EasyAuditMiddleware"]
elif INVOICING_AUDIT == "simple_history":
    INSTALLED_APPS += ["simple_history", "history_tables"]
    MIDDLEWARE += ["simple_history.middleware.HistoryRequestMiddleware"]
elif INVOICING_AUDIT != "none":
    raise ValueError(f"INVOICING_AUDIT names the unknown package {INVOICING_AUDIT!r}")

ROOT_URLCONF = "invoicing.urls"
WSGI_APPLICATION = "invoicing.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "invoicing" / "templates"],
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

AUTH_USER_MODEL = "accounts.User"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.ScryptPasswordHasher"]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "/api/"
LOGOUT_REDIRECT_URL = "login"

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rest_framework.authentication.SessionAuthentication",
        "rest_framework.authentication.TokenAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["billing.api.permissions.RolePermission"],
    "DEFAULT_PAGINATION_CLASS": "rest_framework.pagination.PageNumberPagination",
    "EXCEPTION_HANDLER": "billing.api.errors.handle_exception",
    "PAGE_SIZE": 50,
}

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "static/"
