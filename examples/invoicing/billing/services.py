"""What can happen to an invoice: the only place that moves it on.

Every function here is one transaction. It either does all of what its name
says or raises a `BillingError` and leaves no trace in the database. An invoice
that is passed in is read again under a lock, so two requests cannot both act on
what they saw before.
"""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from accounts.models import User
from billing.errors import IncompleteInvoiceError, PaymentRefusedError, WrongStatusError
from billing.models import Customer, Invoice, InvoiceLine, Payment, Product, Tag
from billing.totals import totals_of
from invoicing import audit
from tenants.models import Tenant

Status = Invoice.Status


@transaction.atomic
def create_invoice(
    *,
    customer: Customer,
    lines: Iterable[Mapping[str, Any]],
    tags: Iterable[Tag] = (),
    **fields: Any,
) -> Invoice:
    """Draft an invoice to `customer`, with the next number of its tenant."""
    issue_date = fields.pop("issue_date", None) or timezone.localdate()
    fields.setdefault("due_date", issue_date + timedelta(days=customer.payment_days))
    fields.setdefault("billing_address", customer.billing_address)
    fields.setdefault("currency", customer.tenant.currency)
    invoice = Invoice.objects.create(
        tenant=customer.tenant,
        customer=customer,
        number=_next_number(customer.tenant, year=issue_date.year),
        issue_date=issue_date,
        **fields,
    )
    _replace_lines(invoice, lines)
    invoice.tags.set(tags)
    recompute_totals(invoice)
    return invoice


@transaction.atomic
def update_draft(
    invoice: Invoice,
    *,
    lines: Iterable[Mapping[str, Any]] | None = None,
    tags: Iterable[Tag] | None = None,
    **fields: Any,
) -> Invoice:
    """Change a draft; lines and tags that are given replace those there are."""
    invoice = _locked(invoice, verb="changed", only_from={Status.DRAFT})
    for name, value in fields.items():
        setattr(invoice, name, value)
    if fields:
        invoice.save(update_fields=[*fields, "updated_at"])
    if lines is not None:
        _replace_lines(invoice, lines)
    if tags is not None:
        invoice.tags.set(tags)
    if lines is not None or "discount_percent" in fields:
        recompute_totals(invoice)
    return invoice


@transaction.atomic
def recompute_totals(invoice: Invoice) -> None:
    """Store the sums of the lines as they are now."""
    sums = totals_of(invoice.lines.all(), discount_percent=invoice.discount_percent)
    if (invoice.subtotal, invoice.tax, invoice.total) == (sums.subtotal, sums.tax, sums.total):
        return
    invoice.subtotal, invoice.tax, invoice.total = sums.subtotal, sums.tax, sums.total
    invoice.save(update_fields=["subtotal", "tax", "total", "updated_at"])


@transaction.atomic
def validate_invoice(invoice: Invoice, *, by: User) -> Invoice:
    """Close a draft: from here on its lines and amounts stay as they are."""
    invoice = _locked(invoice, verb="validated", only_from={Status.DRAFT})
    if not invoice.lines.exists():
        raise IncompleteInvoiceError(f"invoice {invoice.number} has no lines")
    invoice.status = Status.VALIDATED
    invoice.validated_by = by
    invoice.save(update_fields=["status", "validated_by", "updated_at"])
    for line in invoice.lines.exclude(product=None):
        Product.objects.filter(pk=line.product_id).update(
            units_sold=F("units_sold") + line.quantity
        )
    audit.record(
        "invoice.validated",
        target=invoice,
        data={"total": invoice.total, "currency": invoice.currency, "checked_by": by.role},
    )
    return invoice


@transaction.atomic
def send_invoice(invoice: Invoice) -> Invoice:
    """Hand a validated invoice to its customer."""
    invoice = _locked(invoice, verb="sent", only_from={Status.VALIDATED})
    invoice.status = Status.SENT
    invoice.sent_at = timezone.now()
    invoice.pdf_file = f"{invoice.tenant.slug}/{invoice.number}.pdf"
    invoice.save(update_fields=["status", "sent_at", "pdf_file", "updated_at"])
    audit.record("invoice.sent", target=invoice, data={"to": invoice.customer.email})
    return invoice


@transaction.atomic
def register_payment(
    invoice: Invoice,
    *,
    amount: Decimal,
    method: str = Payment.Method.TRANSFER,
    reference: str = "",
    received_on: date | None = None,
) -> Payment:
    """Book a payment; the one that completes the total makes the invoice paid.

    Raises `PaymentRefusedError` when more would be paid than is due. The sum is
    checked after it has been added up in the database, under the row's lock, so
    two payments at once cannot both fit; the refused one is rolled back.
    """
    invoice = _locked(invoice, verb="paid", only_from={Status.SENT, Status.OVERDUE})
    payment = Payment.objects.create(
        tenant=invoice.tenant,
        invoice=invoice,
        amount=amount,
        method=method,
        reference=reference,
        received_on=received_on or timezone.localdate(),
    )
    Invoice.objects.filter(pk=invoice.pk).update(
        amount_paid=F("amount_paid") + amount, updated_at=timezone.now()
    )
    invoice.refresh_from_db()
    if invoice.amount_due < 0:
        raise PaymentRefusedError(
            f"{amount} is {-invoice.amount_due} {invoice.currency} more than is due"
        )
    if invoice.amount_due == 0:
        invoice.status = Status.PAID
        invoice.paid_on = payment.received_on
        invoice.save(update_fields=["status", "paid_on", "updated_at"])
        audit.record("invoice.paid", target=invoice, data={"payment": payment.pk})
    return payment


@transaction.atomic
def cancel_invoice(invoice: Invoice, *, reason: str) -> Invoice:
    """Take an invoice back on which nothing has been paid."""
    invoice = _locked(
        invoice,
        verb="cancelled",
        only_from={Status.DRAFT, Status.VALIDATED, Status.SENT, Status.OVERDUE},
    )
    if invoice.amount_paid:
        raise PaymentRefusedError(f"{invoice.amount_paid} has been paid: refund it first")
    invoice.status = Status.CANCELLED
    invoice.notes = f"{invoice.notes}\nCancelled: {reason}".strip()
    with audit.context(reason=reason):
        invoice.save(update_fields=["status", "notes", "updated_at"])
        audit.record("invoice.cancelled", target=invoice)
    return invoice


@transaction.atomic
def delete_draft(invoice: Invoice) -> None:
    """Throw a draft away; anything later has to be cancelled instead."""
    _locked(invoice, verb="deleted", only_from={Status.DRAFT}).delete()


def mark_overdue(*, today: date) -> int:
    """Mark what should have been paid before `today`; return how many."""
    return Invoice.objects.filter(status=Status.SENT, due_date__lt=today).update(
        status=Status.OVERDUE, updated_at=timezone.now()
    )


@transaction.atomic
def import_products(tenant: Tenant, rows: Iterable[Mapping[str, Any]]) -> list[Product]:
    """Take over a price list; a product that is there gets the new name and price."""
    return Product.objects.bulk_create(
        [Product(tenant=tenant, **row) for row in rows],
        update_conflicts=True,
        unique_fields=["tenant", "sku"],
        update_fields=["name", "unit_price", "tax_rate"],
    )


def _locked(invoice: Invoice, *, verb: str, only_from: set[str]) -> Invoice:
    """Read the invoice again under a lock, if its status allows what is to come."""
    invoice = Invoice.objects.select_for_update().get(pk=invoice.pk)
    if invoice.status not in only_from:
        raise WrongStatusError(invoice.number, invoice.status, verb)
    return invoice


def _next_number(tenant: Tenant, *, year: int) -> str:
    """Draw the tenant's next number. A rolled-back draft gives its number back."""
    Tenant.objects.filter(pk=tenant.pk).update(last_invoice_number=F("last_invoice_number") + 1)
    drawn = Tenant.objects.values_list("last_invoice_number", flat=True).get(pk=tenant.pk)
    return f"{tenant.invoice_prefix}-{year}-{drawn:04}"


def _replace_lines(invoice: Invoice, lines: Iterable[Mapping[str, Any]]) -> None:
    """Make `lines` the lines of the invoice: keep by id, add without, drop the rest."""
    present = {line.pk: line for line in invoice.lines.all()}
    changed, added = [], []
    for row in lines:
        values = dict(row)
        line = present.pop(values.pop("id", None), None)
        if line is None:
            added.append(InvoiceLine(invoice=invoice, **values))
            continue
        before = {name: getattr(line, name) for name in values}
        if before != values:
            for name, value in values.items():
                setattr(line, name, value)
            changed.append(line)
    if present:
        invoice.lines.filter(pk__in=present).delete()
    InvoiceLine.objects.bulk_update(
        changed, ["product", "description", "quantity", "unit_price", "tax_rate"]
    )
    InvoiceLine.objects.bulk_create(added)
