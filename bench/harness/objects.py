"""Objects of the invoicing project as rows of values: nothing of them is in a database."""

from __future__ import annotations

import uuid
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any, Final

from billing.models import Customer, Invoice, InvoiceLine, Payment, Product

from trailkeeper._recorder import frozen
from trailkeeper.capture.registry import Tracker, tracker_of

__all__ = ["TENANTS", "Objects", "Row"]

TENANTS: Final = 40
CUSTOMERS: Final = 200
PRODUCTS: Final = 150

STREETS: Final = ("Hauptstr.", "Rue de Lyon", "High Street", "Storgatan", "Via Roma")
CITIES: Final = ("Berlin", "Lyon", "Leeds", "Umea", "Torino")
PHRASES: Final = (
    "agreed by telephone",
    "delivery late",
    "goods returned",
    "order checked",
    "partial delivery",
    "price agreed with customer",
    "reminder sent",
    "two days discount",
    "warehouse asked",
)


@dataclass(slots=True)
class Row:
    """An object: the values of its fields by attribute, as they are stored."""

    tracker: Tracker
    values: dict[str, Any]
    label: str
    lines: list[Row] = field(default_factory=list)

    def state(self) -> tuple[Any, ...]:
        """The values in the order of the schema's fields."""
        return tuple(self.values[name] for name in self.tracker.attnames)


class Objects:
    """Makes objects from a seed; `now` is when they are made."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.now = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
        self.last_id = Counter[type]()
        self.customers = [self.customer() for _ in range(CUSTOMERS)]
        self.products = [self.product() for _ in range(PRODUCTS)]

    def _row(self, model: type[Any], label: str, **values: Any) -> Row:
        self.last_id[model] += 1
        tracker = tracker_of(model, "sqlite")
        assert tracker is not None
        every = {
            "id": self.last_id[model],
            "tenant_id": self.random.randrange(TENANTS) + 1,
            **values,
        }
        return Row(tracker, {name: every[name] for name in tracker.attnames}, label)

    def customer(self) -> Row:
        name = self.text(1, 1).title()
        return self._row(
            Customer,
            name,
            name=name,
            email=f"ap@{name.split()[0].lower()}.example",
            vat_number=f"DE{self.random.randrange(10**9):09}",
            billing_address=self._address(name),
            payment_days=30,
            is_active=True,
            created_at=self.now,
            updated_at=self.now,
        )

    def product(self) -> Row:
        name, sku = self.text(1, 2).title(), f"SKU-{self.random.randrange(10**5):05}"
        prices = {
            "unit_price": Decimal("10.00"),
            "tax_rate": Decimal("20.00"),
            "units_sold": Decimal(0),
        }
        return self._row(Product, f"{sku} {name}", sku=sku, name=name, is_active=True, **prices)

    def invoice(self) -> Row:
        customer = self.random.choice(self.customers)
        number = f"ACME-2026-{self.last_id[Invoice] + 1:06}"
        zero = Decimal("0.00")
        invoice = self._row(
            Invoice,
            number,
            public_id=uuid.UUID(bytes=self.random.randbytes(16), version=4),
            number=number,
            customer_id=customer.values["id"],
            status="draft",
            issue_date=self.day(0),
            due_date=self.day(30),
            paid_on=None,
            currency="EUR",
            exchange_rate=Decimal("1.000000"),
            discount_percent=zero,
            subtotal=zero,
            tax=zero,
            total=zero,
            amount_paid=zero,
            po_reference="",
            notes=self.text(0, 5),
            terms="Payable within 30 days without deduction.",
            billing_address=customer.values["billing_address"],
            is_recurring=self.random.random() < 0.2,
            sent_at=None,
            validated_by_id=None,
            pdf_file="",
            created_at=self.now,
            updated_at=self.now,
        )
        invoice.lines = [self._line(invoice) for _ in range(self.random.randint(1, 4))]
        return invoice

    def payment(self, invoice: Row) -> Row:
        amount = invoice.values["total"]
        return self._row(
            Payment,
            f"{amount} EUR for {invoice.label}",
            invoice_id=invoice.values["id"],
            amount=amount,
            method=self.random.choice(Payment.Method.values),
            reference=f"RF{self.random.randrange(10**10):010}",
            received_on=self.day(0),
            created_at=self.now,
        )

    def _line(self, invoice: Row) -> Row:
        product = self.random.choice(self.products)
        return self._row(
            InvoiceLine,
            product.label,
            invoice_id=invoice.values["id"],
            product_id=product.values["id"],
            description=product.values["name"],
            quantity=Decimal(self.random.randrange(1, 20)),
            unit_price=product.values["unit_price"],
            tax_rate=Decimal("20.00"),
        )

    def _address(self, name: str) -> bytes:
        street = f"{self.random.choice(STREETS)} {self.random.randrange(1, 120)}"
        city, code = self.random.choice(CITIES), f"{self.random.randrange(10**5):05}"
        address = {"name": name, "street": street, "zip": code, "city": city}
        (encoded,) = frozen((address,), (0,))
        return encoded

    def text(self, least: int, most: int) -> str:
        """Between `least` and `most` phrases."""
        return " ".join(self.random.choices(PHRASES, k=self.random.randint(least, most)))

    def day(self, days: int) -> date:
        return (self.now + timedelta(days=days)).date()
