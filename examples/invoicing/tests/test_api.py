from collections.abc import Callable

import pytest
from rest_framework.test import APIClient

from accounts.models import Role
from billing.models import Customer, Invoice, Product

ClientOf = Callable[..., APIClient]


def test_sales_drafts_with_lines_and_gets_the_sums(customer: Customer, client_of: ClientOf) -> None:
    row = {"description": "Delivery", "quantity": "2", "unit_price": "10.00", "tax_rate": "20"}
    body = {"customer": customer.pk, "lines": [row]}
    answer = client_of(Role.SALES).post("/api/invoices/", body, format="json")
    assert answer.status_code == 201
    assert answer.json()["total"] == "24.00"
    assert answer.json()["status"] == "draft"


def test_line_is_sent_whole_even_in_a_patch(draft: Invoice, client_of: ClientOf) -> None:
    body = {"lines": [{"quantity": "2"}]}
    answer = client_of(Role.SALES).patch(f"/api/invoices/{draft.pk}/", body, format="json")
    assert answer.status_code == 400
    assert set(answer.json()["lines"]["0"]) == {"description", "unit_price"}


@pytest.mark.parametrize("step", ["validate", "send", "pay", "cancel"])
def test_sales_may_not_move_an_invoice_on(draft: Invoice, client_of: ClientOf, step: str) -> None:
    answer = client_of(Role.SALES).post(f"/api/invoices/{draft.pk}/{step}/", {}, format="json")
    assert answer.status_code == 403


def test_accountant_validates_sends_and_is_paid(draft: Invoice, client_of: ClientOf) -> None:
    bob = client_of(Role.ACCOUNTANT)
    path = f"/api/invoices/{draft.pk}/"
    assert bob.post(f"{path}validate/").json()["status"] == "validated"
    assert bob.post(f"{path}send/").json()["status"] == "sent"
    assert bob.post(f"{path}pay/", {"amount": "240.00"}).status_code == 201
    assert bob.get(path).json()["status"] == "paid"


def test_step_out_of_order_is_a_conflict(draft: Invoice, client_of: ClientOf) -> None:
    answer = client_of(Role.ACCOUNTANT).post(f"/api/invoices/{draft.pk}/send/")
    assert answer.status_code == 409
    assert "is draft" in answer.json()["detail"]


def test_too_large_payment_is_refused(sent: Invoice, client_of: ClientOf) -> None:
    bob = client_of(Role.ADMIN)
    assert bob.post(f"/api/invoices/{sent.pk}/pay/", {"amount": "999"}).status_code == 400


def test_tags_are_put_on_and_taken_off_by_name(draft: Invoice, client_of: ClientOf) -> None:
    alice = client_of(Role.SALES)
    path = f"/api/invoices/{draft.pk}/tags/"
    alice.post(path, {"tag": "priority"}, format="json")
    assert [tag.name for tag in draft.tags.all()] == ["priority"]
    alice.delete(path, {"tag": "priority"}, format="json")
    assert not draft.tags.exists()


def test_sku_is_unique_within_the_tenant(drill: Product, client_of: ClientOf) -> None:
    body = {"sku": drill.sku, "name": "Another", "unit_price": "1.00"}
    answer = client_of(Role.ADMIN).post("/api/products/", body)
    assert answer.status_code == 400
    assert "sku" in answer.json()


def test_customer_with_invoices_is_not_deleted(draft: Invoice, client_of: ClientOf) -> None:
    answer = client_of(Role.ADMIN).delete(f"/api/customers/{draft.customer_id}/")
    assert answer.status_code == 409


def test_anonymous_reads_nothing(draft: Invoice) -> None:
    assert APIClient().get("/api/invoices/").status_code == 403
