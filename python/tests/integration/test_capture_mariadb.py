"""What MariaDB does otherwise than the other databases."""

import threading

import pytest
from django.db import OperationalError, connection, transaction
from tests.shop.models import Customer, Note, Tag

import trailkeeper

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "mysql", reason="MariaDB's own ways"),
]


def told(**filters):
    """Action and name of the events that are committed, in order."""
    events = trailkeeper.events().filter(kind="change", **filters)
    return [
        (event.action, event.object_id, event.after or event.before)
        for event in events.order_by("occurred_at", "position")
    ]


@pytest.fixture
def other():
    """A second connection, of which the trail knows nothing."""
    second = connection.copy()
    yield second
    second.close()


def execute(second, statement, *parameters):
    with second.cursor() as cursor:
        cursor.execute(statement, parameters)


@pytest.fixture
def isolation_level(request, monkeypatch):
    """Connects at the level that is the test's parameter."""
    connection.close()
    with monkeypatch.context() as patch:
        patch.setitem(connection.settings_dict, "OPTIONS", {"isolation_level": request.param})
        yield request.param
        connection.close()


def at(*levels):
    return pytest.mark.parametrize("isolation_level", levels, indirect=True)


@at("repeatable read")
@pytest.mark.usefixtures("isolation_level")
@pytest.mark.parametrize("write", ["update", "delete"])
def test_a_statement_that_sees_more_than_the_transaction_is_told_whole(write, other):
    Note.objects.create(slug="old", body="1")
    with transaction.atomic():
        assert Note.objects.count() == 1
        execute(other, "INSERT INTO shop_note (slug, body) VALUES ('new', '2')")
        execute(other, "UPDATE shop_note SET body = '3' WHERE slug = 'old'")
        assert Note.objects.count() == 1
        if write == "update":
            assert Note.objects.update(body="x") == 2
        else:
            # Django deletes by key what it has selected; this sends one statement.
            assert Note.objects.all()._raw_delete("default") == 2
    events = trailkeeper.events().filter(kind="change", action=write)
    before = {event.object_id: event.before["body"] for event in events}
    assert before == {"old": "3", "new": "2"}


# The statement meets the deadlock, or the look-up before it does.
@at("read committed", "repeatable read")
@pytest.mark.usefixtures("isolation_level")
def test_a_deadlock_takes_the_whole_transaction_with_its_events(other):
    for slug in ("a", "b"):
        Note.objects.create(slug=slug, body="1")
    other.set_autocommit(False)
    # The one that has changed less is rolled back.
    execute(other, "UPDATE shop_note SET body = '2' WHERE slug = 'b'")
    execute(other, "INSERT INTO shop_tag (name) VALUES " + ", ".join(["('x')"] * 500))
    transaction.set_autocommit(False)
    try:
        Customer.objects.create(name="lost")
        Note.objects.filter(slug="a").update(body="3")
        thread = threading.Thread(
            target=execute, args=(other, "UPDATE shop_note SET body = '4' WHERE slug = 'a'")
        )
        other.inc_thread_sharing()
        thread.start()
        with pytest.raises(OperationalError, match="1213"):
            Note.objects.filter(slug="b").update(body="5")
        thread.join()
        other.rollback()
        Customer.objects.create(name="kept")
        transaction.commit()
    finally:
        transaction.set_autocommit(True)
    assert list(Customer.objects.values_list("name", flat=True)) == ["kept"]
    customers = told(model="shop.customer")
    assert [after["name"] for _, _, after in customers] == ["kept"]
    assert told(model="shop.note", action="update") == []


def test_a_statement_that_commits_by_itself_commits_the_events_before_it():
    with connection.cursor() as cursor:
        try:
            with pytest.raises(ZeroDivisionError), transaction.atomic():
                Customer.objects.create(name="kept")
                cursor.execute("CREATE TABLE made_by_a_test (id integer)")
                raise ZeroDivisionError
        finally:
            cursor.execute("DROP TABLE IF EXISTS made_by_a_test")
    assert Customer.objects.count() == 1
    assert [after["name"] for _, _, after in told()] == ["kept"]


def test_a_link_that_is_there_already_is_not_told_again():
    tag = Tag.objects.create(name="a")
    customer = Customer.objects.create(name="Ada")
    order = customer.orders.create(number="1")
    order.tags.add(tag)
    through = order.tags.through
    through.objects.bulk_create([through(order=order, tag=tag)], ignore_conflicts=True)
    assert [action for action, *_ in told(action="link")] == ["link"]


def test_rows_are_matched_without_regard_to_case():
    Note.objects.create(slug="a", body="Word")
    Note.objects.create(slug="b", body="word")
    Note.objects.filter(body="WORD").update(body="other")
    Note.objects.filter(body="OTHER").delete()
    assert sorted((action, key) for action, key, _ in told() if action != "create") == [
        ("delete", "a"),
        ("delete", "b"),
        ("update", "a"),
        ("update", "b"),
    ]
