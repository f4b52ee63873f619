"""Settings of the invoicing example, as the benchmarks run it."""

import os

from invoicing.settings import *  # noqa: F403
from invoicing.settings import INVOICING_AUDIT

if os.environ["INVOICING_DATABASE_URL"] == ":memory:":
    DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}

# The tables of django-simple-history are made from its models: they have no migrations here.
MIGRATION_MODULES = {"history_tables": None}

if INVOICING_AUDIT == "trailkeeper":
    from invoicing.settings import TRAILKEEPER

    TRAILKEEPER = {**TRAILKEEPER, "DRAIN": os.environ["BENCH_DRAIN"]}
