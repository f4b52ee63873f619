from collections.abc import Callable

from rest_framework.authtoken.models import Token
from rest_framework.test import APIClient

from accounts.models import Role, User
from billing.models import Customer, Invoice, Product
from invoicing.tenancy import active_tenant, current_tenant, tenant_scope
from tenants.models import Tenant


def test_manager_shows_the_active_tenant_only(
    customer: Customer, acme: Tenant, borealis: Tenant
) -> None:
    assert Customer.objects.count() == 1
    with tenant_scope(borealis):
        assert current_tenant() == "borealis"
        assert not Customer.objects.exists()
    with tenant_scope(acme):
        assert Customer.objects.get() == customer


def test_new_row_belongs_to_the_active_tenant(borealis: Tenant) -> None:
    with tenant_scope(borealis):
        assert Customer.objects.create(name="Umbrella").tenant == borealis


def test_other_tenants_rows_are_not_found_and_not_usable(
    draft: Invoice, borealis: Tenant, client_of: Callable[..., APIClient]
) -> None:
    stranger = client_of(Role.ADMIN, tenant=borealis)
    assert stranger.get(f"/api/invoices/{draft.pk}/").status_code == 404
    assert stranger.get("/api/invoices/").json()["count"] == 0
    body = {"customer": draft.customer_id, "lines": []}
    answer = stranger.post("/api/invoices/", body, format="json")
    assert answer.status_code == 400
    assert "customer" in answer.json()


def test_other_tenants_product_is_refused_in_a_line(
    drill: Product, borealis: Tenant, client_of: Callable[..., APIClient]
) -> None:
    stranger = client_of(Role.ADMIN, tenant=borealis)
    with tenant_scope(borealis):
        own = Customer.objects.create(name="Umbrella")
    row = {"product": drill.pk, "description": "Drill", "unit_price": "1.00"}
    body = {"customer": own.pk, "lines": [row]}
    answer = stranger.post("/api/invoices/", body, format="json")
    assert answer.status_code == 400
    assert "product" in answer.json()["lines"]["0"]


def test_token_enters_the_tenant_of_its_user_and_the_request_leaves_it(
    draft: Invoice, borealis: Tenant, member: Callable[..., User]
) -> None:
    client = APIClient()
    token = Token.objects.create(user=member(Role.INTEGRATION, tenant=borealis))
    client.credentials(HTTP_AUTHORIZATION=f"Token {token.key}")
    assert client.get("/api/invoices/").json()["count"] == 0
    assert active_tenant() is None


def test_user_without_tenant_may_not_use_the_api(draft: Invoice) -> None:
    client = APIClient()
    client.force_login(User.objects.create_superuser("operator"))
    assert client.get("/api/invoices/").status_code == 403
