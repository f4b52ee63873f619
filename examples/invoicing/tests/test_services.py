from datetime import timedelta
from decimal import Decimal

import pytest

from billing import services
from billing.errors import IncompleteInvoiceError, PaymentRefusedError, WrongStatusError
from billing.models import Customer, Invoice, Payment, Product
from tenants.models import Tenant


def test_numbers_count_up_within_a_tenant(customer: Customer) -> None:
    first = services.create_invoice(customer=customer, lines=[])
    second = services.create_invoice(customer=customer, lines=[])
    year = first.issue_date.year
    assert [first.number, second.number] == [f"ACME-{year}-0001", f"ACME-{year}-0002"]


def test_lines_are_kept_by_id_added_and_dropped(draft: Invoice) -> None:
    kept = draft.lines.get()
    row = {"description": "New", "quantity": Decimal(1), "unit_price": Decimal("10.00")}
    services.update_draft(draft, lines=[{"id": kept.pk, "quantity": Decimal(3)}, row])
    draft.refresh_from_db()
    assert [line.description for line in draft.lines.all()] == ["Drill", "New"]
    assert draft.lines.first().pk == kept.pk
    assert draft.total == Decimal("372.00")

    services.update_draft(draft, lines=[])
    draft.refresh_from_db()
    assert (draft.lines.count(), draft.total) == (0, 0)


def test_validation_counts_the_units_sold(sent: Invoice, drill: Product) -> None:
    drill.refresh_from_db()
    assert drill.units_sold == 2


def test_invoice_without_lines_is_not_validated(customer: Customer, member) -> None:
    empty = services.create_invoice(customer=customer, lines=[])
    with pytest.raises(IncompleteInvoiceError):
        services.validate_invoice(empty, by=member("accountant"))


def test_sent_invoice_is_neither_changed_nor_deleted(sent: Invoice) -> None:
    with pytest.raises(WrongStatusError):
        services.update_draft(sent, notes="too late")
    with pytest.raises(WrongStatusError):
        services.delete_draft(sent)


def test_payments_up_to_the_total_make_the_invoice_paid(sent: Invoice) -> None:
    services.register_payment(sent, amount=Decimal("140.00"))
    sent.refresh_from_db()
    assert (sent.status, sent.amount_due) == (Invoice.Status.SENT, Decimal("100.00"))

    services.register_payment(sent, amount=Decimal("100.00"))
    sent.refresh_from_db()
    assert sent.status == Invoice.Status.PAID
    assert sent.paid_on is not None


def test_refused_payment_leaves_nothing(sent: Invoice) -> None:
    with pytest.raises(PaymentRefusedError):
        services.register_payment(sent, amount=Decimal("240.01"))
    sent.refresh_from_db()
    assert sent.amount_paid == 0
    assert not Payment.objects.exists()


def test_partly_paid_invoice_is_not_cancelled(sent: Invoice) -> None:
    services.register_payment(sent, amount=Decimal("1.00"))
    with pytest.raises(PaymentRefusedError):
        services.cancel_invoice(sent, reason="changed their mind")


def test_only_sent_invoices_past_their_date_become_overdue(sent: Invoice) -> None:
    assert services.mark_overdue(today=sent.due_date) == 0
    assert services.mark_overdue(today=sent.due_date + timedelta(days=1)) == 1
    sent.refresh_from_db()
    assert sent.status == Invoice.Status.OVERDUE


def test_import_updates_the_price_and_keeps_the_count(sent: Invoice, acme: Tenant) -> None:
    row = {"sku": "DRILL", "name": "Drill II", "unit_price": Decimal(120), "tax_rate": 20}
    services.import_products(acme, [row, {**row, "sku": "SAW", "name": "Saw"}])
    drill = Product.objects.get(sku="DRILL")
    assert (drill.name, drill.unit_price, drill.units_sold) == ("Drill II", 120, 2)
    assert Product.objects.count() == 2
