"""The tenant of django-tenants, by setting."""

import pytest
from django.db import connections
from tests.shop.models import Customer

from trailkeeper.contrib.django_tenants import schema_name

pytestmark = pytest.mark.django_db


@pytest.fixture
def by_schema(settings):
    settings.TRAILKEEPER = {
        **settings.TRAILKEEPER,
        "TENANT": "trailkeeper.contrib.django_tenants.schema_name",
    }


def test_the_schema_of_the_connection_is_the_tenant(recorded, by_schema, monkeypatch):
    # As the connection of django-tenants has it; it needs PostgreSQL, and replaces the backend.
    connection = connections["default"]
    monkeypatch.setattr(connection, "schema_name", "acme", raising=False)
    Customer.objects.create(name="a")
    monkeypatch.setattr(connection, "schema_name", "public")
    Customer.objects.create(name="b")
    assert [event["tenant"] for event in recorded()] == ["acme", "public"]


def test_a_connection_without_schemas_has_no_tenant(recorded, by_schema):
    assert schema_name() is None
    Customer.objects.create(name="a")
    assert "tenant" not in recorded()[0]


def test_django_tenants_keeps_the_schema_under_this_name():
    base = pytest.importorskip(
        "django_tenants.postgresql_backend.base", reason="django-tenants is not installed"
    )
    import inspect

    source = inspect.getsource(base.DatabaseWrapper)
    assert "self.schema_name = " in source
