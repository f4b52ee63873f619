"""Loads ten thousand objects, over and over, and measures it."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from itertools import count
from typing import Final
from uuid import uuid4

from harness import project
from harness.answers import answer

ROWS: Final = 10_000
#: How many rows one statement inserts.
BATCH: Final = 500

_number = count()


def prepare() -> None:
    """Makes the rows."""
    project.create_tables()
    invoice = project.make_invoice()
    from billing.models import Invoice, Tag

    fields = {field.attname: getattr(invoice, field.attname) for field in invoice._meta.fields}
    for _ in range(ROWS // BATCH):
        numbers = [next(_number) for _ in range(BATCH)]
        Invoice.objects.bulk_create(
            Invoice(**fields | {"id": None, "public_id": uuid4(), "number": f"B-{number}"})
            for number in numbers
        )
        Tag.objects.bulk_create(
            Tag(tenant_id=invoice.tenant_id, name=f"tag {number}") for number in numbers
        )


def _reads() -> dict[str, Callable[[], list[object]]]:
    from billing.models import Invoice, Tag

    invoices = Invoice.objects.order_by()[:ROWS]
    return {
        "invoices": lambda: list(invoices.all()),
        "tags": lambda: list(Tag.objects.order_by()[:ROWS]),
        "only": lambda: list(invoices.only("number", "total")),
        "related": lambda: list(invoices.select_related("customer")),
        "values": lambda: list(invoices.values_list()),
    }


def measure(*, read: str, captured: bool) -> float:
    """Microseconds of CPU for each object of one list; what frees it is not counted.

    With capture and without it in one process: two processes differ by more than capture costs.
    """
    from trailkeeper import capture

    load = _reads()[read]
    (capture.install if captured else capture.uninstall)()
    gc.collect()
    start = time.process_time_ns()
    found = load()
    taken = time.process_time_ns() - start
    assert len(found) == ROWS
    return taken / ROWS / 1000


answer(prepare, measure)
