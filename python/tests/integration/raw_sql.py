"""What the tests of raw SQL share."""

import pytest
from django.db import connection

import trailkeeper

on_postgresql = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="PostgreSQL alone has it"
)
with_psycopg3 = pytest.mark.skipif(
    connection.vendor != "postgresql" or connection.Database.__name__ != "psycopg",
    reason="psycopg 3 alone has it",
)
with_psycopg2 = pytest.mark.skipif(
    connection.vendor != "postgresql" or connection.Database.__name__ != "psycopg2",
    reason="psycopg 2 alone has it",
)
on_sqlite = pytest.mark.skipif(connection.vendor != "sqlite", reason="SQLite alone has it")
in_transaction = pytest.mark.django_db
in_autocommit = pytest.mark.django_db(transaction=True)


def execute(sql, params=None):
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.rowcount


def told(events):
    """What opaque events say, in short."""
    return [
        (e["action"], e.get("model"), e["data"]["table"], e["data"]["verb"], e["data"]["rows"])
        for e in events
    ]


def in_doubt():
    """How many transactions the spool has prepared and nobody has marked, told as such."""
    trailkeeper.flush()
    return trailkeeper.events().filter(action="transaction.in_doubt").count()
