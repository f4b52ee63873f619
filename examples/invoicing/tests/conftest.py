from collections.abc import Callable, Iterator
from decimal import Decimal

import pytest
from rest_framework.test import APIClient

from accounts.models import Role, User
from billing import services
from billing.models import Customer, Invoice, Product
from invoicing.tenancy import tenant_scope
from tenants.models import Tenant


@pytest.fixture(autouse=True)
def _no_tenant_at_first() -> Iterator[None]:
    with tenant_scope(None):
        yield


@pytest.fixture
def acme(db: None) -> Tenant:
    return Tenant.objects.create(slug="acme", name="Acme", invoice_prefix="ACME")


@pytest.fixture
def borealis(db: None) -> Tenant:
    return Tenant.objects.create(slug="borealis", name="Borealis", invoice_prefix="BORE")


@pytest.fixture
def member(acme: Tenant) -> Callable[..., User]:
    def create(role: Role, *, tenant: Tenant = acme) -> User:
        name = f"{role}-{tenant.slug}"
        return User.objects.create_user(name, password="pass", tenant=tenant, role=role)

    return create


@pytest.fixture
def client_of(member: Callable[..., User]) -> Callable[..., APIClient]:
    """A client that is signed in as a member of the given role."""

    def create(role: Role, **kwargs: Tenant) -> APIClient:
        client = APIClient()
        client.force_login(member(role, **kwargs))
        return client

    return create


@pytest.fixture
def drill(acme: Tenant) -> Product:
    return Product.objects.create(
        tenant=acme, sku="DRILL", name="Drill", unit_price=Decimal("100.00")
    )


@pytest.fixture
def customer(acme: Tenant) -> Customer:
    return Customer.objects.create(tenant=acme, name="Globex", email="ap@globex.example")


@pytest.fixture
def draft(customer: Customer, drill: Product) -> Invoice:
    """A draft over 240.00, tax included."""
    row = {
        "product": drill,
        "description": "Drill",
        "quantity": Decimal(2),
        "unit_price": Decimal("100.00"),
        "tax_rate": Decimal(20),
    }
    return services.create_invoice(customer=customer, lines=[row])


@pytest.fixture
def sent(draft: Invoice, member: Callable[..., User]) -> Invoice:
    approver = member(Role.ACCOUNTANT)
    return services.send_invoice(services.validate_invoice(draft, by=approver))
