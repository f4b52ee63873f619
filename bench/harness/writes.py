"""Each way to write, on the invoicing project: what prepares it, and what is measured."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from itertools import count
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from billing.models import Customer, Invoice, InvoiceLine, Tag

__all__ = ["LEAST", "OPERATIONS", "prepare"]

#: How often an operation is executed in a turn, at the least.
LEAST: Final = 3
#: How many rows a statement on many writes.
MANY: Final = 100

Run = Callable[[], object]

#: Each prepares one execution, unmeasured, and gives what executes it.
OPERATIONS: Final[dict[str, Callable[[], Run]]] = {}

_number = count()
_invoice: Any = None
_tags: list[Any] = []


def prepare(invoice: Invoice) -> None:
    """Makes what the operations have in common."""
    global _invoice
    from billing.models import Tag

    _invoice = invoice
    for number in range(10):
        _tags.append(Tag.objects.create(tenant=invoice.tenant, name=f"tag {number}"))


def _operation(name: str) -> Callable[[Callable[[], Run]], Callable[[], Run]]:
    def note(prepare: Callable[[], Run]) -> Callable[[], Run]:
        OPERATIONS[name] = prepare
        return prepare

    return note


def _customer() -> Customer:
    from billing.models import Customer

    return Customer(
        tenant=_invoice.tenant,
        name=f"Globex {next(_number)}",
        email="ap@globex.example",
        billing_address=_invoice.billing_address,
    )


def _saved_customer() -> Customer:
    customer = _customer()
    customer.save()
    return customer


def _product(sku: str) -> Any:
    from billing.models import Product

    return Product(tenant=_invoice.tenant, sku=sku, name="Bolt", unit_price=Decimal("1.50"))


def _lines(number: int = MANY) -> list[InvoiceLine]:
    """As many lines of the invoice, in place of those before; made past all signals."""
    from billing.models import InvoiceLine

    InvoiceLine.objects.filter(invoice=_invoice)._raw_delete("default")
    return InvoiceLine.objects.bulk_create(
        InvoiceLine(invoice=_invoice, description=f"line {place}", unit_price=Decimal("12.50"))
        for place in range(number)
    )


@_operation("`create()`")
def _create() -> Run:
    from billing.models import Customer

    fields = {"tenant": _invoice.tenant, "name": "Globex", "billing_address": {"city": "Berlin"}}
    return lambda: Customer.objects.create(**fields)


@_operation("`save()`")
def _save() -> Run:
    project_turn = next(_number)
    _invoice.notes = f"Reminder {project_turn} sent."
    _invoice.amount_paid = Decimal(project_turn % 1000)
    return _invoice.save


@_operation("`save(update_fields=...)`")
def _save_some() -> Run:
    _invoice.notes = f"Reminder {next(_number)} sent."
    return lambda: _invoice.save(update_fields=["notes"])


@_operation("`get_or_create()`, there already")
def _get() -> Run:
    from billing.models import Tag

    return lambda: Tag.objects.get_or_create(tenant=_invoice.tenant, name="tag 1")


@_operation("`get_or_create()`, new")
def _get_new() -> Run:
    from billing.models import Product

    defaults = {"name": "Bolt", "unit_price": Decimal("1.50")}
    sku = f"new {next(_number)}"
    return lambda: Product.objects.get_or_create(tenant=_invoice.tenant, sku=sku, defaults=defaults)


@_operation("`update_or_create()`, there already")
def _update_or_create() -> Run:
    from billing.models import Product

    product = _product(f"there {next(_number)}")
    product.save()
    defaults = {"unit_price": Decimal("2.50")}
    return lambda: Product.objects.update_or_create(
        tenant=_invoice.tenant, sku=product.sku, defaults=defaults
    )


def _bulk_create(number: int) -> Run:
    from billing.models import Customer

    customers = [_customer() for _ in range(number)]
    return lambda: Customer.objects.bulk_create(customers)


@_operation("`bulk_create()`, 100 rows")
def _bulk_create_some() -> Run:
    return _bulk_create(MANY)


@_operation("`bulk_create()`, 1,000 rows")
def _bulk_create_many() -> Run:
    return _bulk_create(10 * MANY)


def _upsert(**options: Any) -> Run:
    """Half of the rows are there already."""
    from billing.models import Product

    first = next(_number)
    products = [_product(f"{first} {place}") for place in range(MANY)]
    Product.objects.bulk_create(_product(product.sku) for product in products[: MANY // 2])
    for product in products:
        product.unit_price = Decimal("2.50")
    return lambda: Product.objects.bulk_create(products, **options)


@_operation("`bulk_create(ignore_conflicts=True)`, 100 rows")
def _insert_or_ignore() -> Run:
    return _upsert(ignore_conflicts=True)


@_operation("`bulk_create(update_conflicts=True)`, 100 rows")
def _insert_or_update() -> Run:
    return _upsert(
        update_conflicts=True, update_fields=["unit_price"], unique_fields=["tenant", "sku"]
    )


@_operation("`bulk_update()`, 100 rows")
def _bulk_update() -> Run:
    from billing.models import InvoiceLine

    lines = _lines()
    for line in lines:
        line.unit_price += 1
    return lambda: InvoiceLine.objects.bulk_update(lines, ["unit_price"])


@_operation("`QuerySet.update()`, 100 rows")
def _update() -> Run:
    from billing.models import InvoiceLine

    _lines()
    return lambda: InvoiceLine.objects.filter(invoice=_invoice).update(description="changed")


@_operation("`QuerySet.update()` with `F()`, 100 rows")
def _update_with_f() -> Run:
    from billing.models import InvoiceLine
    from django.db.models import F

    _lines()
    lines = InvoiceLine.objects.filter(invoice=_invoice)
    return lambda: lines.update(unit_price=F("unit_price") + 1)


@_operation("`delete()` of an object")
def _delete() -> Run:
    return _lines(1)[0].delete


@_operation("`delete()` of a loaded queryset, 100 rows")
def _delete_loaded() -> Run:
    from billing.models import InvoiceLine

    _lines()
    lines = InvoiceLine.objects.filter(invoice=_invoice)
    assert len(lines) == MANY
    return lines.delete


@_operation("`delete()` of a queryset, 100 rows")
def _delete_unloaded() -> Run:
    from billing.models import InvoiceLine

    _lines()
    return InvoiceLine.objects.filter(invoice=_invoice).delete


@_operation("`_raw_delete()`, 100 rows")
def _delete_raw() -> Run:
    from billing.models import InvoiceLine

    _lines()
    return lambda: InvoiceLine.objects.filter(invoice=_invoice)._raw_delete("default")


@_operation("`delete()` with a cascade over 10 lines and 10 tags")
def _delete_with_a_cascade() -> Run:
    import uuid
    from copy import copy

    from billing.models import InvoiceLine

    invoice = copy(_invoice)
    invoice.pk, invoice.public_id = None, uuid.uuid4()
    invoice.number = f"C-{next(_number)}"
    invoice._state = copy(_invoice._state)
    invoice.save(force_insert=True)
    InvoiceLine.objects.bulk_create(
        InvoiceLine(invoice=invoice, description="line", unit_price=1) for _ in range(10)
    )
    invoice.tags.add(*_tags)
    return invoice.delete


def _tagged(tags: list[Tag]) -> None:
    through = type(_invoice).tags.through.objects
    through.filter(invoice=_invoice)._raw_delete("default")
    through.bulk_create(through.model(invoice=_invoice, tag=tag) for tag in tags)


@_operation("many-to-many `add()`, 10 rows")
def _add() -> Run:
    _tagged([])
    return lambda: _invoice.tags.add(*_tags)


@_operation("many-to-many `remove()`, 10 rows")
def _remove() -> Run:
    _tagged(_tags)
    return lambda: _invoice.tags.remove(*_tags)


@_operation("many-to-many `set()`, 5 go and 5 come")
def _set() -> Run:
    _tagged(_tags[:5])
    return lambda: _invoice.tags.set(_tags[5:])


@_operation("many-to-many `clear()`, 10 rows")
def _clear() -> Run:
    _tagged(_tags)
    return _invoice.tags.clear


@_operation("raw SQL that writes, 100 rows")
def _raw_write() -> Run:
    from django.db import connection

    _lines()

    def run() -> None:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE billing_invoiceline SET tax_rate = %s", [next(_number) % 50])

    return run


@_operation("raw SQL that reads a row")
def _raw_read() -> Run:
    from django.db import connection

    def run() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT id, name FROM billing_tag WHERE id = %s", [_tags[0].pk])
            cursor.fetchone()

    return run
