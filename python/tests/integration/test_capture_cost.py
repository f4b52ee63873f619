"""What capture asks of the database: each way to write, with Trailkeeper and without it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest
from django.db import connection, models, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import Case, F, Value, When
from tests.shop.models import Customer, Note, Order, Price, Stock, Tag, Team

from trailkeeper import capture

pytestmark = pytest.mark.django_db

#: Prepares an operation, and gives what executes it.
Operation = Callable[[], Callable[[], object]]


class Cost(NamedTuple):
    """How many queries an operation costs beside its own, on each database."""

    sqlite: int = 0
    postgresql: int = 0
    mysql: int = 0


FREE = Cost()
ONE = Cost(1, 1, 1)
#: One before, and one after it where an update returns nothing: on MariaDB.
COMPUTED = Cost(1, 1, 2)

COSTS: dict[str, Cost] = {}
OPERATIONS: dict[str, Operation] = {}


def costs(cost: Cost) -> Callable[[Operation], Operation]:
    def note(operation: Operation) -> Operation:
        COSTS[operation.__name__] = cost
        OPERATIONS[operation.__name__] = operation
        return operation

    return note


def orders(count=3) -> list[Order]:
    customer = Customer.objects.create(name="Ada")
    return [
        Order.objects.create(number=str(number), customer=customer, reviewer=customer)
        for number in range(count)
    ]


def prices() -> list[Price]:
    return [Price.objects.create(code=code, amount=1) for code in "ab"]


@costs(FREE)
def create():
    return lambda: Customer.objects.create(name="Ada")


@costs(FREE)
def save_of_a_new_object():
    return Note(slug="a", body="1").save


@costs(FREE)
def save_with_force_insert():
    note = Note(slug="a", body="1")
    return lambda: note.save(force_insert=True)


@costs(FREE)
def save():
    order = orders(1)[0]
    order.notes = "x"
    return order.save


@costs(FREE)
def save_of_a_loaded_object():
    orders(1)
    order = Order.objects.get()
    order.notes = "x"
    return order.save


@costs(FREE)
def save_without_a_change():
    return orders(1)[0].save


@costs(FREE)
def save_with_update_fields():
    order = orders(1)[0]
    order.notes = "x"
    return lambda: order.save(update_fields=["notes"])


@costs(FREE)
def save_of_deferred_fields():
    orders(1)
    order = Order.objects.only("notes").get()
    order.notes = "x"
    return order.save


@costs(FREE)
def get_or_create():
    prices()
    return lambda: [
        Price.objects.get_or_create(code=code, defaults={"amount": 1}) for code in ("a", "c")
    ]


@costs(FREE)
def update_or_create():
    prices()
    return lambda: [
        Price.objects.update_or_create(code=code, defaults={"amount": 2}) for code in ("a", "c")
    ]


@costs(FREE)
def bulk_create():
    return lambda: Price.objects.bulk_create(
        [Price(code=str(number), amount=number) for number in range(50)]
    )


@costs(FREE)
def bulk_create_ignoring_conflicts():
    prices()
    return lambda: Price.objects.bulk_create(
        [Price(code=code, amount=2) for code in "bc"], ignore_conflicts=True
    )


@costs(ONE)
def bulk_create_updating_conflicts():
    prices()
    has_target = connection.features.supports_update_conflicts_with_target
    return lambda: Price.objects.bulk_create(
        [Price(code=code, amount=2) for code in "bc"],
        update_conflicts=True,
        update_fields=["amount"],
        unique_fields=["code"] if has_target else None,
    )


@costs(COMPUTED)
def bulk_update():
    found = orders()
    for order in found:
        order.count += 1
    return lambda: Order.objects.bulk_update(found, ["count"])


@costs(ONE)
def queryset_update():
    orders()
    return lambda: Order.objects.update(notes="x")


@costs(ONE)
def queryset_update_of_the_filtered_column():
    orders()
    return lambda: Order.objects.filter(count=0).update(count=1)


@costs(ONE)
def queryset_update_over_a_join():
    orders()
    return lambda: Order.objects.filter(customer__name="Ada").update(count=1)


@costs(ONE)
def queryset_update_of_nothing():
    return lambda: Order.objects.update(notes="x")


@costs(COMPUTED)
def queryset_update_with_f():
    orders()
    return lambda: Order.objects.update(count=F("count") + 1)


@costs(COMPUTED)
def queryset_update_with_case():
    orders()
    case = Case(When(number="1", then=Value(7)), default=F("count"))
    return lambda: Order.objects.update(count=case)


@costs(COMPUTED)
def queryset_update_with_a_subquery():
    orders()
    name = Customer.objects.filter(pk=models.OuterRef("customer_id")).values("name")
    return lambda: Order.objects.update(notes=models.Subquery(name[:1]))


@costs(COMPUTED)
def queryset_update_of_composite_keys():
    Stock.objects.bulk_create([Stock(warehouse=1, sku=sku) for sku in "ab"])
    return lambda: Stock.objects.update(amount=F("amount") + 1)


@costs(FREE)
def delete():
    return Note.objects.create(slug="a", body="1").delete


@costs(FREE)
def delete_of_a_loaded_object():
    Note.objects.create(slug="a", body="1")
    return Note.objects.get().delete


@costs(FREE)
def delete_with_a_cascade():
    order, _ = tagged()
    order.lines.create(text="x")
    return order.delete


@costs(ONE)
def delete_that_sets_null():
    orders()
    reviewer = Customer.objects.create(name="Bob")
    Order.objects.update(reviewer=reviewer)
    return reviewer.delete


@costs(FREE)
def delete_of_a_loaded_queryset():
    orders()
    found = Order.objects.all()
    assert len(found)
    return found.delete


@costs(FREE)
def delete_of_an_unloaded_queryset():
    orders()
    return Order.objects.filter(count=0).delete


@costs(FREE)
def delete_fast():
    prices()
    return Price.objects.filter(amount=1).delete


@costs(Cost(0, 0, 1))
def delete_over_a_join():
    order = orders()[0]
    order.lines.create(text="x")
    return type(order.lines.get()).objects.filter(order__count=0).delete


@costs(FREE)
def delete_raw():
    prices()
    return lambda: Price.objects.all()._raw_delete("default")


@costs(FREE)
def delete_of_composite_keys():
    Stock.objects.bulk_create([Stock(warehouse=1, sku=sku) for sku in "ab"])
    return Stock.objects.all().delete


def tagged() -> tuple[Order, list[Tag]]:
    order = orders(1)[0]
    tags = [Tag.objects.create(name=name) for name in "abc"]
    order.tags.add(*tags[:2])
    return order, tags


@costs(FREE)
def many_to_many_add():
    order, tags = tagged()
    return lambda: order.tags.add(*tags)


@costs(FREE)
def many_to_many_add_from_the_other_side():
    order, tags = tagged()
    return lambda: tags[2].order_set.add(order)


@costs(FREE)
def many_to_many_remove():
    order, tags = tagged()
    return lambda: order.tags.remove(*tags)


@costs(FREE)
def many_to_many_set():
    order, tags = tagged()
    return lambda: order.tags.set(tags[1:])


@costs(FREE)
def many_to_many_clear():
    order, _ = tagged()
    return order.tags.clear


@costs(FREE)
def many_to_many_through_rows():
    team = Team.objects.create(name="blue")
    customer = Customer.objects.create(name="Ada")

    def run():
        team.members.add(customer, through_defaults={"role": "lead"})
        team.members.clear()

    return run


@costs(FREE)
def raw_sql():
    prices()

    def run():
        with connection.cursor() as cursor:
            cursor.execute("UPDATE shop_price SET amount = 2")

    return run


@contextmanager
def sent() -> Iterator[list[str]]:
    """All statements of a block, those too that neither wrappers nor the log of queries see."""
    texts: list[str] = []
    patch = pytest.MonkeyPatch()
    for name in ("execute", "executemany"):
        original: Any = getattr(CursorWrapper, name)

        def execute(self: Any, sql: Any, *args: Any, original: Any = original) -> Any:
            texts.append(sql)
            return original(self, sql, *args)

        patch.setattr(CursorWrapper, name, execute)
    try:
        yield texts
    finally:
        patch.undo()


def sent_by(name: str, *, with_capture: bool) -> list[str]:
    """The statements of an operation, of which nothing stays."""
    if not with_capture:
        capture.uninstall()
    try:
        with transaction.atomic():
            run = OPERATIONS[name]()
            with sent() as texts:
                run()
            transaction.set_rollback(True)
    finally:
        capture.install()
    return texts


ANY_OPERATION = pytest.mark.parametrize("name", OPERATIONS)


@ANY_OPERATION
def test_each_operation_costs_as_many_queries_as_said(name):
    own = sent_by(name, with_capture=False)
    texts = sent_by(name, with_capture=True)
    assert len(texts) - len(own) == getattr(COSTS[name], connection.vendor), texts


@ANY_OPERATION
def test_what_is_not_tracked_sends_the_same_statements(settings, name):
    settings.TRAILKEEPER = {**settings.TRAILKEEPER, "EXCLUDE": ["*"]}
    own = sent_by(name, with_capture=False)
    assert without_names(sent_by(name, with_capture=True)) == without_names(own)


def without_names(texts: list[str]) -> list[str]:
    """Savepoints are numbered."""
    return [text if "SAVEPOINT" not in text else text.split()[0] for text in texts]
