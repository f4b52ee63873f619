"""The invoicing project inside a worker: its tables, one invoice, and edits to it."""

from __future__ import annotations

import os
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from unittest.mock import patch
from urllib.parse import urlsplit

import django

if TYPE_CHECKING:
    from billing.models import Invoice

__all__ = ["create_tables", "edit", "make_invoice", "recorded", "statements"]


def create_tables() -> None:
    """Makes the database where it is missing, and all tables."""
    url = urlsplit(os.environ["INVOICING_DATABASE_URL"])
    if url.scheme == "postgres":
        import psycopg

        with psycopg.connect(url._replace(path="/postgres").geturl(), autocommit=True) as server:
            server.execute(f'CREATE DATABASE "{url.path.removeprefix("/")}"')
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    # Now that the tables they refer to are there: those of apps without migrations.
    call_command("migrate", run_syncdb=True, verbosity=0)


def make_invoice() -> Invoice:
    """An invoice as it is after some weeks, loaded from the database."""
    from datetime import UTC, date, datetime

    from accounts.models import User
    from billing.models import Customer, Invoice
    from tenants.models import Tenant

    tenant = Tenant.objects.create(slug="acme", name="Acme Tools", invoice_prefix="ACME")
    user = User.objects.create(username="bob", first_name="Bob", tenant=tenant)
    address = {
        "name": "Globex GmbH",
        "street": "Invalidenstr. 43",
        "zip": "10115",
        "city": "Berlin",
    }
    customer = Customer.objects.create(
        tenant=tenant, name="Globex GmbH", email="ap@globex.example", billing_address=address
    )
    invoice = Invoice.objects.create(
        tenant=tenant,
        customer=customer,
        number="ACME-2026-0042",
        status=Invoice.Status.SENT,
        issue_date=date(2026, 9, 1),
        due_date=date(2026, 10, 1),
        discount_percent=Decimal("2.50"),
        subtotal=Decimal("1240.00"),
        tax=Decimal("248.00"),
        total=Decimal("1488.00"),
        po_reference="PO-77120",
        notes="Partial delivery agreed with Ms Keller.",
        terms="Payable within 30 days without deduction.",
        billing_address=address,
        sent_at=datetime(2026, 9, 1, 14, 3, 11, 402113, tzinfo=UTC),
        validated_by=user,
        pdf_file="acme/ACME-2026-0042.pdf",
    )
    return Invoice.objects.get(pk=invoice.pk)


def edit(invoice: Invoice, turn: int) -> None:
    """Changes three fields; `updated_at` makes a fourth when it is saved."""
    invoice.status = invoice.Status.OVERDUE if turn % 2 else invoice.Status.SENT
    invoice.amount_paid = Decimal(turn % 1000)
    invoice.notes = f"Reminder {turn} sent."


def recorded(variant: str) -> int:
    """How much the audit package has recorded: rows, or Trailkeeper's bytes in the spool."""
    if variant == "trailkeeper":
        from trailkeeper import spool

        return spool.recorder().usage()
    if variant == "simple_history":
        from django.apps import apps

        models = apps.get_app_config("history_tables").get_models()
        return sum(model.objects.count() for model in models)
    if variant == "easyaudit":
        from easyaudit.models import CRUDEvent

        return CRUDEvent.objects.count()
    return 0


def statements(run: Callable[[], object]) -> list[str]:
    """What `run` sends, hidden look-ups included; not the beginnings and ends of transactions."""
    from django.db.backends.utils import CursorWrapper

    sent: list[str] = []

    def seen(original: Any) -> Any:
        def execute(self: Any, sql: Any, *args: Any) -> Any:
            if not str(sql).startswith(("BEGIN", "SAVEPOINT", "RELEASE")):
                sent.append(sql)
            return original(self, sql, *args)

        return execute

    names = ("execute", "executemany")
    own = {name: seen(getattr(CursorWrapper, name)) for name in names}
    with patch.multiple(CursorWrapper, **own):
        run()
    return sent
