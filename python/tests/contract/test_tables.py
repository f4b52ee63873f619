"""What `trailkeeper.tables` uses of Django's private interfaces."""

import pytest
from django.db import connection, transaction

from trailkeeper.tables.stored import locking

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.skipif(connection.vendor != "sqlite", reason="only SQLite locks the whole database")
def test_a_transaction_of_sqlite_begins_in_the_mode_that_is_set():
    statements = []
    connection.ensure_connection()
    mode = connection.transaction_mode
    connection.connection.set_trace_callback(statements.append)
    try:
        with locking("default"):
            assert connection.transaction_mode == mode
        with transaction.atomic():
            pass
    finally:
        connection.connection.set_trace_callback(None)
    begun = [statement for statement in statements if statement.startswith("BEGIN")]
    assert begun == ["BEGIN IMMEDIATE", "BEGIN"]
