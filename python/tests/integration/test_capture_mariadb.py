"""What MariaDB does otherwise than the other databases."""

import threading

import pytest
from django.db import OperationalError, connection, transaction
from tests.shop.kinds import Folder
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


def test_a_save_under_another_spelling_of_the_key_is_told_of_the_row_that_it_changed():
    Folder.objects.create(path="docs", title="old")
    Folder(path="DOCS", title="new").save()
    assert list(Folder.objects.values_list("path", "title")) == [("docs", "new")]
    *_, (action, object_id, after) = told()
    assert (action, object_id, after["title"]) == ("update", "docs", "new")


@pytest.fixture
def repeatable_read(monkeypatch):
    connection.close()
    with monkeypatch.context() as patch:
        options = {"isolation_level": "repeatable read"}
        patch.setitem(connection.settings_dict, "OPTIONS", options)
        yield
        connection.close()


@pytest.mark.usefixtures("repeatable_read")
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


def test_an_upsert_under_another_spelling_of_the_key_is_told_of_the_row_that_it_changed():
    Folder.objects.create(path="docs", title="old")
    Folder.objects.bulk_create(
        [Folder(path="DOCS", title="new"), Folder(path="more", title="x")],
        update_conflicts=True,
        update_fields=["title"],
    )
    assert told()[1:] == [
        ("update", "docs", {"path": "docs", "title": "new"}),
        ("create", "more", {"path": "more", "title": "x"}),
    ]


@pytest.mark.usefixtures("repeatable_read")
def test_a_deadlock_of_the_look_up_is_the_statements(other):
    for slug in ("a", "b"):
        Note.objects.create(slug=slug, body="1")
    other.set_autocommit(False)
    execute(other, "UPDATE shop_note SET body = '2' WHERE slug = 'b'")
    execute(other, "INSERT INTO shop_tag (name) VALUES " + ", ".join(["('x')"] * 500))
    other.inc_thread_sharing()
    with pytest.raises(OperationalError, match="1213"), transaction.atomic():
        Customer.objects.create(name="lost")
        Note.objects.filter(slug="a").update(body="3")
        thread = threading.Thread(
            target=execute, args=(other, "UPDATE shop_note SET body = '4' WHERE slug = 'a'")
        )
        thread.start()
        Note.objects.filter(slug="b").update(body="5")
    thread.join()
    other.rollback()
    assert not Customer.objects.exists()
    assert [action for action, *_ in told()] == ["create", "create"]
