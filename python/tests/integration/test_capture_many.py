"""Statements that write many rows: conflicts, large ones, and what they ask of the database."""

import tracemalloc
from contextlib import suppress

import pytest
from django.db import OperationalError, connection, models, transaction
from django.db.models import F
from django.db.models.signals import pre_delete
from django.test.utils import CaptureQueriesContext
from tests.shop.models import Customer, Membership, Note, Order, Price, Stock, Tag, Team

from trailkeeper.capture import registry, returning, rows
from trailkeeper.capture.registry import tracker_of

pytestmark = pytest.mark.django_db


def brief(events):
    return [(e["action"], e["model"], e.get("object_id")) for e in events]


def states(events):
    return [(e["action"], e.get("before"), e.get("after")) for e in events]


def target(*fields):
    """What `unique_fields` may be: MariaDB takes any unique key for a conflict."""
    return fields if connection.features.supports_update_conflicts_with_target else None


def test_an_insert_that_ignores_conflicts_has_the_rows_that_it_added(recorded, statements):
    Note.objects.create(slug="a", body="1")
    recorded()
    statements.clear()
    Note.objects.bulk_create(
        [Note(slug="a", body="2"), Note(slug="b", body="3")], ignore_conflicts=True
    )
    assert states(recorded()) == [("create", None, {"slug": "b", "body": "3"})]
    assert len([sql for sql in statements if "shop_note" in sql]) == 1


@pytest.mark.parametrize("count", [1, 2])
def test_an_insert_of_which_all_is_ignored_leaves_nothing(recorded, count):
    notes = [Note(slug=str(number), body="1") for number in range(count)]
    Note.objects.bulk_create(notes)
    recorded()
    Note.objects.bulk_create(notes, ignore_conflicts=True)
    assert recorded() == []


def test_an_insert_that_ignores_conflicts_tells_new_keys(recorded):
    Price.objects.create(code="a", amount=1)
    recorded()
    Price.objects.bulk_create(
        [Price(code="a", amount=2), Price(code="b", amount="3.5")], ignore_conflicts=True
    )
    (event,) = recorded()
    made = Price.objects.get(code="b")
    assert event["object_id"] == str(made.pk)
    assert event["after"] == {"id": made.pk, "code": "b", "amount": "3.50"}


def test_an_upsert_tells_what_is_new_from_what_changed(recorded):
    same, changed = (Price.objects.create(code=code, amount=1) for code in "ab")
    recorded()
    prices = Price.objects.bulk_create(
        [Price(code="a", amount=1), Price(code="b", amount=2), Price(code="c", amount=3)],
        update_conflicts=True,
        unique_fields=target("code"),
        update_fields=["amount"],
    )
    made = Price.objects.get(code="c")
    assert states(recorded()) == [
        ("update", {"amount": "1.00"}, {"id": changed.pk, "code": "b", "amount": "2.00"}),
        ("create", None, {"id": made.pk, "code": "c", "amount": "3.00"}),
    ]
    # The application gets what it would get.
    assert [price.pk for price in prices] == [same.pk, changed.pk, made.pk]


def test_an_upsert_by_a_composite_key(recorded):
    Stock.objects.create(warehouse=1, sku="a", amount=5)
    recorded()
    Stock.objects.bulk_create(
        [Stock(warehouse=1, sku="a", amount=6), Stock(warehouse=1, sku="b", amount=7)],
        update_conflicts=True,
        unique_fields=target("warehouse", "sku"),
        update_fields=["amount"],
    )
    events = recorded()
    assert brief(events) == [
        ("update", "shop.stock", '[1,"a"]'),
        ("create", "shop.stock", '[1,"b"]'),
    ]
    assert events[0]["before"] == {"amount": 5}


@pytest.mark.drift("one event stands for the rows")
def test_where_nothing_is_returned_one_event_tells_of_the_statement(recorded, monkeypatch):
    monkeypatch.setattr(type(connection.features), "can_return_rows_from_bulk_insert", False)
    Note.objects.bulk_create([Note(slug="a", body="2")], ignore_conflicts=True)
    (event,) = recorded()
    assert event["action"] == "opaque"
    assert event["data"]["table"] == "shop_note"
    assert event["data"]["rows"] == 1


@pytest.mark.parametrize("can_return", [True, False])
def test_links_that_are_there_already_are_not_told_again(
    recorded, statements, monkeypatch, can_return
):
    if not can_return:
        features = type(connection.features)
        monkeypatch.setattr(features, "can_return_rows_from_bulk_insert", False)
    order = Order.objects.create(number="1", customer=Customer.objects.create(name="Ada"))
    red, blue = (Tag.objects.create(name=name) for name in ("red", "blue"))
    order.tags.add(red)
    recorded()
    statements.clear()
    order.tags.add(red, blue)
    assert [(e["action"], e["related"][0]["object_id"]) for e in recorded()] == [
        ("link", str(blue.pk))
    ]
    assert len([sql for sql in statements if "shop_order_tags" in sql]) == 1 + (not can_return)


def test_rows_of_a_through_model_are_objects_and_links(recorded):
    team = Team.objects.create(name="blue")
    ada, bob = (Customer.objects.create(name=name) for name in ("Ada", "Bob"))
    recorded()
    team.members.add(ada, through_defaults={"role": "lead"})
    events = recorded()
    assert [(e["action"], e["model"]) for e in events] == [
        ("create", "shop.membership"),
        ("link", "shop.team"),
    ]
    assert events[1]["changed"] == ["members"]
    assert events[1]["related"] == [{"model": "shop.customer", "object_id": str(ada.pk)}]
    membership = Membership.objects.get()
    membership.role = "member"
    membership.save()
    assert [e["action"] for e in recorded()] == ["update"]
    membership.customer = bob
    membership.save()
    assert [(e["action"], e.get("related", [{}])[0].get("object_id")) for e in recorded()] == [
        ("update", None),
        ("unlink", str(ada.pk)),
        ("link", str(bob.pk)),
    ]
    Membership.objects.update(customer=ada)
    assert [e["action"] for e in recorded()] == ["update", "unlink", "link"]
    key = str(ada.pk)
    ada.delete()
    assert sorted(brief(recorded())) == [
        ("delete", "shop.customer", key),
        ("delete", "shop.membership", str(membership.pk)),
        ("unlink", "shop.team", str(team.pk)),
    ]


class TagsOfAnotherMake:
    """A field that Django lists with the many-to-many ones, and that is none: `TaggableManager`."""

    remote_field = models.ManyToManyRel(None, to=Customer, through=Membership)


@pytest.mark.parametrize(
    "field",
    [TagsOfAnotherMake(), models.ManyToManyField("shop.NeverMade", through=Membership)],
    ids=["of another make", "without its other side"],
)
def test_fields_that_lead_nowhere_cost_nothing(recorded, monkeypatch, field):
    customer, team = Customer.objects.create(name="Ada"), Team.objects.create(name="red")
    recorded()
    fields = [field, *Team._meta.local_many_to_many]
    monkeypatch.setattr(Team._meta, "local_many_to_many", fields)
    registry.reset()
    try:
        Membership.objects.create(team=team, customer=customer)
    finally:
        monkeypatch.undo()
        registry.reset()
    assert [event["action"] for event in recorded()] == ["create", "link"]


@pytest.mark.parametrize("expression", [False, True])
def test_composite_keys(recorded, expression):
    for sku in "ab":
        Stock.objects.create(warehouse=1, sku=sku, amount=1)
    recorded()
    Stock.objects.update(amount=F("amount") + 1 if expression else 2)
    events = recorded()
    assert sorted(brief(events)) == [
        ("update", "shop.stock", '[1,"a"]'),
        ("update", "shop.stock", '[1,"b"]'),
    ]
    assert {(e["before"]["amount"], e["after"]["amount"]) for e in events} == {(1, 2)}
    stock = Stock.objects.get(sku="a")
    stock.amount = F("amount") * 10
    stock.save()
    (event,) = recorded()
    assert (event["before"]["amount"], event["after"]["amount"]) == (2, 20)
    stock.delete()
    assert brief(recorded()) == [("delete", "shop.stock", '[1,"a"]')]


def test_deleted_instances_have_their_labels(recorded):
    customer = Customer.objects.create(name="Ada")
    Order.objects.create(number="7", customer=customer)
    recorded()
    customer.delete()
    assert {e["model"]: e.get("object_label") for e in recorded()} == {
        "shop.order": "order 7",
        "shop.customer": "Ada",
    }


def test_a_loaded_row_that_is_gone_is_not_deleted_again(recorded):
    first, second = (Customer.objects.create(name=name) for name in ("Ada", "Bob"))
    Customer.objects.filter(pk=first.pk)._raw_delete("default")
    recorded()
    first.delete()
    assert recorded() == []
    assert Customer.objects.filter(pk=second.pk).exists()


def delete_of_which_one_is_gone(recorded):
    """Deletes three loaded rows, of which another deletes one meanwhile; gives all their keys."""
    for name in ("Ada", "Bob", "Cid"):
        Customer.objects.create(name=name)
    found = Customer.objects.all()
    keys = sorted(customer.pk for customer in found)
    recorded()

    def remove_one(sender, instance, **_):
        if instance.pk == keys[0]:
            Customer.objects.filter(pk=keys[0])._raw_delete("default")

    pre_delete.connect(remove_one, sender=Customer)
    try:
        found.delete()
    finally:
        pre_delete.disconnect(remove_one, sender=Customer)
    return [str(key) for key in keys]


def test_of_loaded_rows_that_are_partly_gone_the_others_are_told(recorded):
    gone, *others = delete_of_which_one_is_gone(recorded)
    first, *rest = brief(recorded())
    assert first == ("delete", "shop.customer", gone)
    assert sorted(rest) == [("delete", "shop.customer", key) for key in sorted(others)]


@pytest.mark.drift("the number stands for the rows")
def test_of_loaded_rows_that_are_partly_gone_the_number_is_told(recorded, monkeypatch):
    monkeypatch.setattr(returning, "can_delete", lambda *_: False)
    gone, *_ = delete_of_which_one_is_gone(recorded)
    events = recorded()
    assert brief(events) == [
        ("delete", "shop.customer", gone),
        ("opaque", "shop.customer", None),
    ]
    assert events[1]["data"]["rows"] == 2


def test_an_instance_that_is_not_wholly_known_is_read_before_it_goes(recorded):
    order = Order.objects.create(number="1", customer=Customer.objects.create(name="Ada"), count=3)
    recorded()
    Order.objects.only("number").get(pk=order.pk).delete()
    (event,) = recorded()
    assert event["before"]["count"] == 3
    assert "unavailable" not in event


@pytest.mark.parametrize(
    ("write", "asked"),
    [
        (lambda: Customer.objects.filter(vip=False).update(vip=True), 1),
        (lambda: Customer.objects.filter(name__startswith="A").update(vip=True), 1),
        (lambda: Customer.objects.all()._raw_delete("default"), 0),
        (lambda: Customer.objects.bulk_create([Customer(name="x"), Customer(name="y")]), 0),
    ],
)
def test_what_a_statement_asks_more_is_not_counted_against_the_application(
    recorded, statements, write, asked
):
    Customer.objects.create(name="Ada")
    recorded()
    statements.clear()
    blocked = []

    def wrapper(execute, sql, params, many, context):
        blocked.append(sql)
        return execute(sql, params, many, context)

    with CaptureQueriesContext(connection) as captured, connection.execute_wrapper(wrapper):
        write()
    own = [sql for sql in statements if "SAVEPOINT" not in sql]
    told = [q["sql"] for q in captured.captured_queries if "SAVEPOINT" not in q["sql"]]
    assert len(own) - len(told) == asked
    assert len([sql for sql in blocked if "SAVEPOINT" not in sql]) == len(told) == 1
    assert recorded()


def test_rows_are_kept_in_memory_or_on_disk():
    for count in (0, 1, rows.KEPT, rows.KEPT + 1, rows.KEPT + 2 * rows.CHUNK + 3):
        expected = [(number, f"row {number}") for number in range(count)]
        kept = rows.Kept(iter(expected))
        assert len(kept) == count
        assert list(kept) == list(kept) == expected
        assert max((len(chunk) for chunk in kept.chunks()), default=0) <= rows.CHUNK
        kept.close()


MANY = 3 * rows.KEPT


@pytest.mark.parametrize("write", ["plain", "expression", "delete"])
def test_a_statement_that_changes_many_rows_is_recorded_row_by_row(recorded, write):
    Note.objects.bulk_create([Note(slug=f"{n:06}", body="x") for n in range(MANY)])
    recorded()
    notes = Note.objects.all()
    if write == "plain":
        notes.update(body="y")
    elif write == "expression":
        notes.update(body=F("slug"))
    else:
        notes._raw_delete("default")
    events = recorded()
    assert len(events) == MANY
    assert {e["before"]["body"] for e in events} == {"x"}
    if write == "expression":
        assert all(e["after"]["body"] == e["object_id"] for e in events)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("value", ["y", F("slug")], ids=["plain", "expression"])
def test_memory_does_not_grow_with_the_rows_of_a_statement(value):
    # Peaks of Python's own memory: what the rows of the larger one take more must not count.
    peaks = []
    for count in (2 * rows.KEPT, 20 * rows.KEPT):
        with transaction.atomic():
            Note.objects.bulk_create([Note(slug=f"{n:06}", body="x" * 200) for n in range(count)])
        tracemalloc.start()
        Note.objects.update(body=value)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        Note.objects.all()._raw_delete("default")
    assert peaks[1] < 2 * peaks[0]


@pytest.mark.drift("what was not read is not recorded")
def test_a_look_up_that_fails_costs_the_event_and_not_the_statement(recorded, monkeypatch):
    def refuse(*_):
        raise OperationalError("no")

    Note.objects.create(slug="a", body="1")
    recorded()
    monkeypatch.setattr(rows, "matched_by", refuse)
    assert Note.objects.update(body="2") == 1
    assert [e["action"] for e in recorded()] in ([], ["events.dropped"])


def test_the_key_of_an_instance_may_be_text(recorded):
    customer = Customer(pk="77", name="Ada")
    customer.save(force_insert=True)
    tracker = tracker_of(Customer, connection.vendor)
    assert tracker.python_key_of([str(77), "Ada", False]) == 77
    assert recorded()[-1]["object_id"] == "77"


def test_a_save_after_bulk_update_tells_nothing_twice(recorded):
    Customer.objects.bulk_create([Customer(name="a"), Customer(name="b")])
    customers = list(Customer.objects.order_by("pk"))
    recorded()
    for customer in customers:
        customer.name += "!"
    Customer.objects.bulk_update(iter(customers), ["name"])
    assert [event["before"] for event in recorded()] == [{"name": "a"}, {"name": "b"}]
    customers[0].save()
    assert recorded() == []
    customers[1].name = "c"
    customers[1].save()
    (event,) = recorded()
    assert (event["before"], event["after"]["name"]) == ({"name": "b!"}, "c")


def test_after_a_bulk_update_by_an_expression_the_old_value_is_not_known(recorded):
    price = Price.objects.get(pk=Price.objects.create(code="a", amount=1).pk)
    price.amount = F("amount") + 1
    Price.objects.bulk_update([price], ["amount"])
    price.amount = 5
    price.save()
    event = recorded()[-1]
    assert (event["unavailable"], event["after"]["amount"]) == (["amount"], "5.00")


def test_a_rolled_back_bulk_update_leaves_what_was_known(recorded):
    customer = Customer.objects.get(pk=Customer.objects.create(name="a").pk)
    recorded()
    with suppress(ZeroDivisionError), transaction.atomic():
        customer.name = "b"
        Customer.objects.bulk_update([customer], ["name"])
        raise ZeroDivisionError
    customer.save()
    (event,) = recorded()
    assert event["before"] == {"name": "a"}
