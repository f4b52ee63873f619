"""A connection that the database's server ends."""

import pytest
from django.db import OperationalError, connection, transaction
from tests.integration.test_kill import drain_until_settled
from tests.shop.models import Customer

import trailkeeper

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has no server"),
]


def lose_connection():
    connection.ensure_connection()
    second = connection.copy()
    with second.cursor() as cursor:
        if connection.vendor == "mysql":
            cursor.execute("KILL %s", [connection.connection.thread_id()])
        else:
            pid = connection.connection.info.backend_pid
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    second.close()


def names():
    return [event.after["name"] for event in trailkeeper.events().filter(action="create")]


def test_a_transaction_whose_connection_is_lost_leaves_nothing():
    with pytest.raises(OperationalError), transaction.atomic():
        Customer.objects.create(name="lost")
        lose_connection()
    connection.close()
    Customer.objects.create(name="kept")
    drain_until_settled()
    assert names() == [customer.name for customer in Customer.objects.all()] == ["kept"]


def test_a_statement_whose_connection_is_lost_leaves_nothing():
    lose_connection()
    with pytest.raises(OperationalError):
        Customer.objects.create(name="lost")
    connection.close()
    Customer.objects.create(name="kept")
    drain_until_settled()
    assert names() == [customer.name for customer in Customer.objects.all()] == ["kept"]
