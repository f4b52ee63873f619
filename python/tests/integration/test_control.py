"""Transactions that the application begins and ends by SQL, which Django does not see."""

import pytest
from django.db import DatabaseError, connection, connections, transaction
from tests.integration.raw_sql import execute, on_postgresql, on_sqlite
from tests.shop.models import Tag

from trailkeeper.capture.transactions import capture_of

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.drift("raw SQL is told, and not row by row"),
]


@pytest.fixture(autouse=True)
def closed():
    """Leaves no transaction of SQL to the next test."""
    yield
    connection.close()


def names(events):
    return [(event["after"] or {}).get("name") or event["data"]["verb"] for event in events]


def test_what_sql_has_begun_is_told_when_sql_commits_it(committed):
    execute("BEGIN")
    Tag.objects.create(name="a")
    execute("UPDATE shop_tag SET name = 'b'")
    assert committed() == []
    execute("COMMIT")
    assert names(committed()) == ["a", "update"]
    Tag.objects.create(name="c")
    assert names(committed()) == ["c"]


def test_what_sql_rolls_back_leaves_nothing(committed):
    execute("BEGIN")
    Tag.objects.create(name="a")
    execute("UPDATE shop_tag SET name = 'b'")
    execute("ROLLBACK")
    Tag.objects.create(name="c")
    assert names(committed()) == ["c"]


def test_savepoints_of_sql_are_followed(committed):
    with transaction.atomic():
        Tag.objects.create(name="a")
        execute("SAVEPOINT mine")
        Tag.objects.create(name="b")
        execute("ROLLBACK TO SAVEPOINT mine")
        Tag.objects.create(name="c")
        execute("RELEASE SAVEPOINT mine")
    assert names(committed()) == ["a", "c"]


def test_a_rollback_by_sql_in_manual_mode_is_followed(committed):
    transaction.set_autocommit(False)
    try:
        Tag.objects.create(name="a")
        execute("ROLLBACK")
        Tag.objects.create(name="b")
        connection.commit()
    finally:
        transaction.set_autocommit(True)
    assert names(committed()) == ["b"]


def test_a_script_that_ends_in_its_own_transaction_waits_for_its_end(committed):
    script = "BEGIN; INSERT INTO shop_tag (name) VALUES ('a')"
    with connection.cursor() as cursor:
        (cursor.executescript if connection.vendor == "sqlite" else cursor.execute)(script)
    assert committed() == []
    execute("ROLLBACK")
    assert committed() == []
    with connection.cursor() as cursor:
        (cursor.executescript if connection.vendor == "sqlite" else cursor.execute)(script)
    execute("COMMIT")
    assert names(committed()) == ["insert"]


def test_a_transaction_that_ended_unseen_is_not_asserted(committed):
    execute("BEGIN")
    execute("INSERT INTO shop_tag (name) VALUES ('a')")
    connection.connection.cursor().execute("ROLLBACK")
    Tag.objects.create(name="b")
    assert names(committed()) == ["b"]


def test_a_connection_that_is_closed_begins_anew(committed):
    execute("BEGIN")
    Tag.objects.create(name="a")
    connection.close()
    Tag.objects.create(name="b")
    assert names(committed()) == ["b"]


@on_sqlite
def test_a_savepoint_that_begins_a_transaction_commits_it(committed):
    execute("SAVEPOINT mine")
    Tag.objects.create(name="a")
    assert committed() == []
    execute("RELEASE mine")
    assert names(committed()) == ["a"]


@on_postgresql
def test_the_commit_of_a_failed_transaction_is_a_rollback(committed):
    execute("BEGIN")
    Tag.objects.create(name="a")
    with pytest.raises(DatabaseError):
        execute("SELECT nobody")
    execute("COMMIT")
    assert committed() == []
    assert not Tag.objects.exists()


def test_savepoints_of_django_are_followed_once():
    with transaction.atomic():
        capture = capture_of(connections["default"])
        with transaction.atomic():
            assert len(capture.stack) == 1
        assert not capture.stack


def test_a_connection_that_is_closed_leaves_its_transaction_behind():
    execute("BEGIN")
    capture = capture_of(connections["default"])
    assert capture.is_manual
    connection.close()
    assert not capture.is_manual
