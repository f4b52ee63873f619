"""django-tenants: the tenant of an event is the schema that the connection is set to.

In the settings: `TRAILKEEPER = {"TENANT": "trailkeeper.contrib.django_tenants.schema_name"}`.
"""

from __future__ import annotations

from django.conf import settings
from django.db import connections

__all__ = ["schema_name"]


def schema_name() -> str | None:
    """The name of the current tenant's schema; None on a connection that has no schemas."""
    alias = getattr(settings, "TENANT_DB_DATABASE", "default")
    name = getattr(connections[alias], "schema_name", None)
    return None if name is None else str(name)
