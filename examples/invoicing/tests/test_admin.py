from collections.abc import Callable

import pytest
from django.test import Client

from accounts.models import Role, User
from billing.models import Invoice
from tenants.models import Tenant
from workday.form import filled_fields


def _superuser(member: Callable[..., User], **kwargs: Tenant) -> Client:
    user = member(Role.ADMIN, **kwargs)
    user.is_staff = user.is_superuser = True
    user.save()
    client = Client()
    client.force_login(user)
    return client


def test_form_comes_back_as_it_was_sent_out(draft: Invoice, member: Callable[..., User]) -> None:
    client = _superuser(member)
    path = f"/admin/billing/invoice/{draft.pk}/change/"
    fields = filled_fields(client.get(path).text, "invoice_form")
    changed = {"po_reference": "PO-1", "lines-0-quantity": "3"}
    data = {name: changed.get(name, value) for name, value in fields}
    assert client.post(path, data).status_code == 302
    draft.refresh_from_db()
    assert draft.po_reference == "PO-1"
    assert draft.total == 360


def test_lines_of_a_sent_invoice_are_closed(sent: Invoice, member: Callable[..., User]) -> None:
    client = _superuser(member)
    page = client.get(f"/admin/billing/invoice/{sent.pk}/change/").text
    names = {name for name, _ in filled_fields(page, "invoice_form")}
    assert "po_reference" in names
    assert not names & {"customer", "discount_percent", "lines-0-quantity"}


def test_other_tenants_invoice_is_not_in_the_admin(
    draft: Invoice, borealis: Tenant, member: Callable[..., User]
) -> None:
    client = _superuser(member, tenant=borealis)
    assert client.get(f"/admin/billing/invoice/{draft.pk}/change/").status_code == 302
    assert draft.number not in client.get("/admin/billing/invoice/").text


@pytest.mark.parametrize("model", ["customer", "product", "invoice", "payment", "tag"])
def test_every_list_opens(sent: Invoice, member: Callable[..., User], model: str) -> None:
    assert _superuser(member).get(f"/admin/billing/{model}/").status_code == 200
