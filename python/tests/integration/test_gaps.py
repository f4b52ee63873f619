"""Gaps: what the versions of an object say about writes that passed the trail."""

import os
import time
from itertools import pairwise
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.db.models import F
from tests.integration.processes import fork
from tests.shop.models import ApiKey, Customer, Order

import trailkeeper
from trailkeeper.history import gaps as gaps_module

processes = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]

# What the versions say.


def version(number: int, **columns: Any) -> dict[str, Any]:
    from tests.integration.fake_trail import event

    return event(
        number, **{"model": "shop.customer", "object_id": "1", "database": "default"} | columns
    )


def changes(**filters: Any) -> list[tuple[str, Any, Any]]:
    return [
        tuple(change)
        for gap in trailkeeper.events().filter(**filters).gaps()
        for change in gap.changes
    ]


CREATED = version(0, action="create", after={"id": 1, "name": "Ada", "vip": False})


def test_a_before_that_is_not_the_after_of_the_version_before_it_is_a_gap(rows):
    moved = version(2, changed=["name"], before={"name": "Eve"}, after={"id": 1, "name": "Bob"})
    rows([CREATED, moved])
    (gap,) = trailkeeper.history(("shop.customer", 1)).gaps()
    assert gap.changes == (("name", "Ada", "Eve"),)
    assert gap.fields == ("name",)
    assert (gap.previous.seq, gap.event.seq, gap.is_reconciled) == (0, 2, False)
    assert "shop.customer/1" in str(gap)


def test_versions_that_follow_one_another_have_no_gap(rows):
    first = version(1, changed=["name"], before={"name": "Ada"}, after={"id": 1, "name": "Bob"})
    second = version(2, changed=["name"], before={"name": "Bob"}, after={"id": 1, "name": "Cy"})
    last = version(3, action="delete", before={"id": 1, "name": "Cy", "vip": False})
    again = version(4, action="create", after={"id": 1, "name": "Dee", "vip": True})
    rows([CREATED, first, second, last, again])
    assert changes() == []


def test_a_field_that_did_not_change_but_differs_is_a_gap(rows):
    # A stale instance was saved: it wrote the old `vip` over the new one.
    promoted = version(
        1, changed=["vip"], before={"vip": False}, after={"name": "Ada", "vip": True}
    )
    renamed = version(
        2, changed=["name"], before={"name": "Ada"}, after={"name": "Bob", "vip": False}
    )
    rows([CREATED, promoted, renamed])
    assert changes() == [("vip", True, False)]


def test_what_is_not_known_contradicts_nothing(rows):
    blind = version(1, after={"id": 1, "name": "Bob"}, unavailable=["name", "vip"])
    after = version(2, changed=["vip"], before={"vip": True}, after={"name": "Bob", "vip": False})
    rows([CREATED, blind, after])
    assert changes() == []


def test_redacted_values_contradict_nothing(rows):
    redacted = version(1, changed=["name"], before={"name": "Ada"}, redacted={"after": "00" * 32})
    unreadable = version(
        2, changed=["name"], after={"name": "Cy", "vip": False}, redacted={"before": "00" * 32}
    )
    rows([CREATED, redacted, unreadable])
    assert changes() == []


def test_one_is_not_true(rows):
    after = version(1, changed=["vip"], before={"vip": 0}, after={"vip": 1})
    rows([CREATED, after])
    assert changes() == [("vip", False, 0)]


def test_an_object_that_came_or_went_past_the_trail_is_a_gap(rows):
    deleted = version(1, action="delete", before={"id": 1, "name": "Ada", "vip": False})
    back = version(2, changed=["name"], before={"name": "Eve"}, after={"name": "Bob"})
    created = version(3, action="create", after={"name": "Cy"})
    rows([CREATED, deleted, back, created])
    assert changes() == [("name", None, "Eve"), ("name", "Bob", None)]


def test_a_baseline_must_agree_with_what_was_known(rows):
    same = version(1, action="baseline", after={"id": 1, "name": "Ada", "vip": False})
    other = version(2, action="baseline", after={"id": 1, "name": "Eve", "vip": False})
    rows([CREATED, same, other])
    assert changes() == [("name", "Ada", "Eve")]


def test_a_table_that_was_emptied_has_no_objects(rows):
    emptied = version(1, action="truncate", object_id=None)
    created = version(2, action="create", after={"id": 1, "name": "Eve"})
    rows([CREATED, emptied, created])
    assert changes() == []
    rows([CREATED, {**emptied, "model": "shop.order"}, created])
    assert changes() != []


def test_objects_of_two_databases_are_two(rows):
    other = version(1, database="archive", action="create", after={"id": 1, "name": "Eve"})
    rows([CREATED, other])
    assert changes() == []


def test_a_filter_invents_no_gap(rows):
    first = version(1, changed=["name"], before={"name": "Ada"}, after={"name": "Bob"})
    second = version(2, changed=["name"], before={"name": "Bob"}, after={"name": "Cy"})
    third = version(3, changed=["name"], before={"name": "Eve"}, after={"name": "Dee"})
    rows([CREATED, first, second, third])
    assert changes(seq__in=[0, 2]) == []
    assert changes(seq__in=[0, 3]) == [("name", "Cy", "Eve")]


@pytest.mark.parametrize("page", [1, 2, 3, 5, 100])
def test_a_whole_model_is_read_in_pages(rows, monkeypatch, page):
    monkeypatch.setattr(gaps_module, "PAGE", page)
    history = []
    for number in range(0, 30, 3):
        key = {"object_id": str(number)}
        history += [
            version(number, action="create", after={"name": "a"}, **key),
            version(number + 1, changed=["name"], before={"name": "a"}, after={"name": "b"}, **key),
            version(number + 2, changed=["name"], before={"name": "x"}, after={"name": "c"}, **key),
        ]
    rows(history)
    found = list(trailkeeper.history(Customer).gaps())
    assert sorted(int(gap.event.object_id) for gap in found) == list(range(0, 30, 3))
    assert {gap.fields for gap in found} == {("name",)}


# What is written past the trail.


@pytest.mark.drift("a write past the trail is what is tested")
@pytest.mark.django_db
def test_sql_that_passes_the_trail_is_seen_with_the_next_version(recorded):
    customer = Customer.objects.create(name="Ada")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE shop_customer SET name = 'Eve'")
    customer = Customer.objects.get(pk=customer.pk)
    customer.vip = True
    customer.save()
    (gap,) = trailkeeper.history(customer).gaps()
    assert gap.changes == (("name", "Ada", "Eve"),)


@pytest.mark.drift("a write past the trail is what is tested")
@pytest.mark.django_db
def test_a_secret_is_compared_by_its_mask(recorded):
    token = ApiKey.objects.create(key="sk-1", owner="Ada")
    order = Order.objects.create(number="1", customer=Customer.objects.create(name="Ada"))
    order = Order.objects.get(pk=order.pk)
    order.api_token = "one"
    order.save()
    assert list(trailkeeper.history(order).gaps()) == []
    with connection.cursor() as cursor:
        cursor.execute("UPDATE shop_order SET api_token = 'two'")
        cursor.execute("UPDATE shop_apikey SET owner = 'Eve'")
    ApiKey.objects.update(owner="Bob")
    Order.objects.update(count=F("count") + 1)
    (gap,) = trailkeeper.history(order).gaps()
    assert gap.fields == ("api_token",)
    assert all(value.startswith("masked:") for value in gap.changes[0][1:])
    (gap,) = trailkeeper.history(token).gaps()
    assert gap.changes == (("owner", "Ada", "Eve"),)


# Two processes that change one row.


def wait_for(*children):
    for child in children:
        _, status = os.waitpid(child, 0)
        assert status == 0


class Turn:
    """Two processes take turns: each waits until the other one has given way."""

    def __init__(self):
        self.ends = [os.pipe(), os.pipe()]

    def give(self, to):
        os.write(self.ends[to][1], b"x")

    def take(self, me):
        assert os.read(self.ends[me][0], 1) == b"x"


def versions_of(customer_or_order):
    trailkeeper.flush()
    return list(trailkeeper.history(customer_or_order).oldest_first())


class TestTwoProcesses:
    pytestmark = processes

    @pytest.fixture
    def order(self, db):
        return Order.objects.create(number="1", customer=Customer.objects.create(name="Ada"))

    def test_under_a_row_lock_each_version_begins_where_the_one_before_it_ended(self, order):
        times = 25

        def count_up():
            done = 0
            while done < times:
                try:
                    with transaction.atomic():
                        locked = Order.objects.select_for_update().get(pk=order.pk)
                        locked.count += 1
                        locked.save()
                    done += 1
                except OperationalError:
                    # SQLite has no row locks: who read before the other wrote begins anew.
                    time.sleep(0.001)

        wait_for(fork(count_up), fork(count_up))
        versions = versions_of(order)
        assert len({event.writer for event in versions}) == 3
        assert [event.after["count"] for event in versions] == list(range(2 * times + 1))
        for previous, event in pairwise(versions):
            assert event.before["count"] == previous.after["count"]
        assert list(trailkeeper.history(order).gaps()) == []

    def test_by_turns_in_autocommit_the_order_is_the_true_one(self, order):
        turn = Turn()
        times = 10

        def count_up(me):
            for _ in range(times):
                turn.take(me)
                mine = Order.objects.get(pk=order.pk)
                mine.count += 1
                mine.save()
                turn.give(1 - me)

        first, second = fork(lambda: count_up(0)), fork(lambda: count_up(1))
        turn.give(0)
        wait_for(first, second)
        versions = versions_of(order)
        assert [event.after["count"] for event in versions] == list(range(2 * times + 1))
        assert list(trailkeeper.history(order).gaps()) == []

    def test_a_lost_update_is_a_gap(self, order):
        turn = Turn()

        def first():
            mine = Order.objects.get(pk=order.pk)
            turn.give(1)
            turn.take(0)
            mine.count = 1
            mine.save()
            turn.give(1)

        def second():
            turn.take(1)
            mine = Order.objects.get(pk=order.pk)
            turn.give(0)
            turn.take(1)
            mine.count = 10
            mine.save()

        wait_for(fork(first), fork(second))
        assert [event.after["count"] for event in versions_of(order)] == [0, 1, 10]
        (gap,) = trailkeeper.history(order).gaps()
        assert ("count", 1, 0) in gap.changes
        assert (gap.previous.after["count"], gap.event.after["count"]) == (1, 10)

    def test_a_column_that_a_stale_instance_wrote_back_is_a_gap(self, order):
        turn = Turn()

        def first():
            mine = Order.objects.get(pk=order.pk)
            turn.give(1)
            turn.take(0)
            mine.count = 1
            mine.save()
            turn.give(1)

        def second():
            turn.take(1)
            mine = Order.objects.get(pk=order.pk)
            turn.give(0)
            turn.take(1)
            mine.notes = "written by the second"
            mine.save()

        wait_for(fork(first), fork(second))
        (gap,) = trailkeeper.history(order).gaps()
        assert ("count", 1, 0) in gap.changes
        assert gap.event.changed == ["notes", "updated_at"]

    def test_a_write_that_waited_for_another_comes_after_it(self, order):
        turn = Turn()

        def first():
            with transaction.atomic():
                # On SQLite this locks the database, elsewhere the next line locks the row.
                Customer.objects.filter(pk=order.customer_id).update(name="Eve")
                Order.objects.select_for_update().get(pk=order.pk)
                turn.give(1)
                time.sleep(0.5)
                Order(pk=order.pk, count=1).save(update_fields=["count"])

        def second():
            turn.take(1)
            Order(pk=order.pk, count=5).save(update_fields=["count"])

        wait_for(fork(first), fork(second))
        order.refresh_from_db()
        assert order.count == 5
        assert [event.after["count"] for event in versions_of(order)] == [0, 1, 5]

    def test_a_save_of_some_fields_says_nothing_of_the_others(self, order):
        stale = Order.objects.get(pk=order.pk)
        Order.objects.update(count=1)
        stale.notes = "only these"
        stale.save(update_fields=["notes"])
        (newest, *_) = trailkeeper.history(order)
        assert newest.after.get("count", 1) == 1
        assert list(trailkeeper.history(order).gaps()) == []

    @pytest.mark.parametrize("verb", ["update", "delete"])
    def test_a_transaction_waits_for_another_as_it_does_without_a_trail(self, order, verb):
        turn = Turn()

        def first():
            with transaction.atomic():
                Customer(pk=order.customer_id, name="Eve").save(force_update=True)
                turn.give(1)
                time.sleep(0.5)

        def second():
            turn.take(1)
            with transaction.atomic():
                # On SQLite, a transaction that has read before it writes could not wait.
                if verb == "update":
                    Customer.objects.filter(pk=order.customer_id).update(vip=True)
                else:
                    Order.objects.filter(pk=order.pk)._raw_delete("default")

        wait_for(fork(first), fork(second))
        assert list(trailkeeper.history(Customer).gaps()) == []
