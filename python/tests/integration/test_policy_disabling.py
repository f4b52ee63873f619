"""Blocks in which nothing is recorded, and what is recorded of them."""

import asyncio
import contextvars
import threading

import pytest
from asgiref.sync import sync_to_async
from django.db import connection, transaction
from django.db.models import F
from tests.shop.models import Customer, Ignored, Membership, Note, Order, Tag, Team

import trailkeeper
from trailkeeper.exceptions import InvalidRequestError
from trailkeeper.policy import disabling

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.drift("what is written in a block is not recorded"),
]


def system_events():
    return list(trailkeeper.events().filter(kind="system").oldest_first())


def counts(event):
    return read_counts(event.data)


def read_counts(data):
    return {name: tuple(c.values()) for name, c in data["passed_over"].items()}


@pytest.mark.django_db(transaction=True)
def test_a_block_is_recorded_itself():
    with trailkeeper.context(actor="operator"), trailkeeper.disabled(reason="import"):
        note = Note.objects.create(slug="a", body="x")
        note.body = "y"
        note.save()
    begin, end = system_events()
    assert (begin.action, begin.reason, begin.actor_label) == (
        "recording.disabled",
        "import",
        "operator",
    )
    assert (end.action, end.reason, end.actor_label) == (
        "recording.enabled",
        "import",
        "operator",
    )
    assert begin.data["block"] == end.data["block"]
    assert counts(end) == {"shop.note": (2, 2)}
    assert "undecided" not in end.data
    assert not trailkeeper.events().filter(kind="change").exists()
    assert disabling.open_blocks == 0


def every_write():
    customer = Customer.objects.create(name="Ada")
    Customer.objects.bulk_create([Customer(name="Eve"), Customer(name="Bob")])
    order = Order.objects.create(number="1", customer=customer)
    order.notes = "x"
    order.save(update_fields=["notes"])
    Order.objects.update(count=F("count") + 1)
    order.tags.add(Tag.objects.create(name="t"))
    order.tags.clear()
    team = Team.objects.create(name="t")
    Membership.objects.create(team=team, customer=customer)
    Customer.objects.filter(name="Eve").delete()
    order.delete()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE shop_note SET body = 'x'")
        cursor.execute("DELETE FROM shop_tag WHERE name = 't'")
        cursor.executemany("INSERT INTO shop_tag (name) VALUES (%s)", [["a"], ["b"]])


EVERY = {
    "shop.customer": (4, 3),
    "shop.order": (4, 4),
    # An insert that skips links which are there already does not say how many it has added.
    "shop.order.tags": (1, 2, 1),
    "shop.tag": (4, 3),
    "shop.team": (1, 1),
    "shop.membership": (1, 1),
}


@pytest.mark.django_db(transaction=True)
def test_every_way_of_writing_is_passed_over_in_autocommit():
    with trailkeeper.disabled(reason="test"):
        every_write()
    _, end = system_events()
    assert counts(end) == EVERY
    assert trailkeeper.events().exclude(kind="system").count() == 0


def test_every_way_of_writing_is_passed_over_in_a_transaction(recorded):
    with trailkeeper.disabled(reason="test"):
        every_write()
    (inside,) = recorded()
    assert (inside["kind"], inside["action"]) == ("system", "writes.passed_over")
    assert inside["reason"] == "test"
    assert read_counts(inside["data"]) == EVERY
    end = next(e for e in system_events() if e.action == "recording.enabled")
    assert end.data["passed_over"] == {}
    assert end.data["undecided"] == inside["data"]["passed_over"]


def test_an_untracked_model_is_not_counted(recorded):
    with trailkeeper.disabled(reason="test"):
        Ignored.objects.create()
        list(Customer.objects.all())
        Customer.objects.filter(name="nobody").update(vip=True)
    assert recorded() == []


# Transactions.


@pytest.mark.django_db(transaction=True)
def test_what_is_rolled_back_is_not_counted():
    with trailkeeper.disabled(reason="test"):
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            Note.objects.create(slug="a")
            raise ZeroDivisionError
        with transaction.atomic():
            Note.objects.create(slug="b")
            with pytest.raises(ZeroDivisionError), transaction.atomic():
                Note.objects.create(slug="c")
                raise ZeroDivisionError
            with transaction.atomic():
                Note.objects.create(slug="d")
    assert counts(system_events()[-1]) == {"shop.note": (2, 2)}


@pytest.mark.django_db(transaction=True)
def test_a_block_in_a_transaction_that_rolls_back_is_still_told():
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        with trailkeeper.disabled(reason="test"):
            Note.objects.create(slug="a")
        raise ZeroDivisionError
    begin, end = system_events()
    assert (begin.action, end.action) == ("recording.disabled", "recording.enabled")
    assert end.data["passed_over"] == {}
    assert end.data["undecided"] == {"shop.note": {"rows": 1, "statements": 1}}
    assert not Note.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_block_in_a_transaction_that_commits_is_told_in_it():
    with transaction.atomic():
        Note.objects.create(slug="before")
        with trailkeeper.disabled(reason="test"):
            Note.objects.create(slug="a")
        Note.objects.create(slug="after")
    actions = [e.action for e in trailkeeper.events().oldest_first() if e.kind != "request"]
    assert sorted(actions) == [
        "create",
        "create",
        "recording.disabled",
        "recording.enabled",
        "writes.passed_over",
    ]


@pytest.mark.django_db(transaction=True)
def test_many_transactions_in_one_block_are_added_up():
    with trailkeeper.disabled(reason="test") as block:
        assert block is None
        for number in range(disabling.MANY + 5):
            with transaction.atomic():
                Note.objects.create(slug=str(number))
    count = disabling.MANY + 5
    assert counts(system_events()[-1]) == {"shop.note": (count, count)}


# Instances.


def test_the_version_after_a_block_starts_where_the_row_was(recorded):
    note = Note.objects.create(slug="a", body="one")
    with trailkeeper.disabled(reason="test"):
        note.body = "two"
        note.save()
    recorded()
    note.body = "three"
    note.save()
    (event,) = recorded()
    assert event["before"] == {"body": "two"}
    (gap,) = trailkeeper.history(note).gaps()
    assert (gap.fields, gap.changes[0].old, gap.changes[0].new) == (("body",), "one", "two")


def test_a_save_in_a_block_that_was_rolled_back_is_forgotten(recorded):
    note = Note.objects.create(slug="a", body="one")
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        with trailkeeper.disabled(reason="test"):
            note.body = "two"
            note.save()
        raise ZeroDivisionError
    recorded()
    note.body = "three"
    note.save()
    (event,) = recorded()
    assert event["before"] == {"body": "one"}


# Blocks.


def test_a_block_needs_a_reason():
    for reason in ("", "  ", None):
        with pytest.raises(InvalidRequestError):
            trailkeeper.disabled(reason=reason)
    with pytest.raises(TypeError):
        trailkeeper.disabled()


def test_a_block_that_raises_ends(recorded):
    with pytest.raises(ZeroDivisionError), trailkeeper.disabled(reason="test"):
        raise ZeroDivisionError
    Note.objects.create(slug="a")
    assert [e["action"] for e in recorded()] == ["create"]
    assert [e.action for e in system_events()] == ["recording.disabled", "recording.enabled"]


@pytest.mark.django_db(transaction=True)
def test_an_inner_block_counts_for_itself():
    with trailkeeper.disabled(reason="outer"):
        Note.objects.create(slug="a")
        with trailkeeper.disabled(reason="inner"):
            Note.objects.create(slug="b")
        Note.objects.create(slug="c")
    ends = {e.reason: counts(e) for e in system_events() if e.action == "recording.enabled"}
    assert ends == {"outer": {"shop.note": (2, 2)}, "inner": {"shop.note": (1, 1)}}


def test_what_is_no_write_is_recorded(recorded):
    with trailkeeper.disabled(reason="test"):
        trailkeeper.record("import.done", data={"rows": 3})
    assert [e["action"] for e in recorded()] == ["import.done"]


@pytest.mark.django_db(transaction=True)
def test_other_threads_are_recorded():
    def write():
        Note.objects.create(slug="thread")
        connection.close()

    with trailkeeper.disabled(reason="test"):
        thread = threading.Thread(target=write)
        thread.start()
        thread.join()
    (event,) = trailkeeper.events().filter(kind="change")
    assert event.object_id == "thread"


@pytest.mark.django_db(transaction=True)
def test_a_task_that_outlives_its_block_is_recorded():
    async def late(ended):
        await Note.objects.acreate(slug="inside")
        await ended.wait()
        await Note.objects.acreate(slug="late")

    async def main():
        ended = asyncio.Event()
        async with trailkeeper.disabled(reason="test"):
            task = asyncio.create_task(late(ended))
            await Note.objects.acreate(slug="block")
            while not await Note.objects.filter(slug="inside").aexists():
                await asyncio.sleep(0)
        ended.set()
        await task
        await sync_to_async(lambda: connection.close())()

    asyncio.run(main())
    (event,) = trailkeeper.events().filter(kind="change")
    assert event.object_id == "late"
    end = next(e for e in system_events() if e.action == "recording.enabled")
    assert counts(end) == {"shop.note": (2, 2)}
    assert disabling.open_blocks == 0


def test_a_context_of_a_block_that_has_ended_is_recorded_while_others_are_open(recorded):
    with trailkeeper.disabled(reason="ended"):
        inside = contextvars.copy_context()
    recorded()
    with trailkeeper.disabled(reason="open"):
        Note.objects.create(slug="passed over")
        inside.run(Note.objects.create, slug="recorded")
    assert [e.get("object_id") for e in recorded()] == ["recorded", None]


def test_a_password_changed_in_a_block_is_not_told_apart(recorded, django_user_model):
    user = django_user_model.objects.create_user("ada", password="one")
    recorded()
    with trailkeeper.disabled(reason="test"):
        user.set_password("two")
        user.save()
    assert {e["action"] for e in recorded()} == {"writes.passed_over"}
