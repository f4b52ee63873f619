from datetime import timedelta
from typing import Any

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group, Permission
from django.core.management.base import BaseCommand
from django.db import transaction
from django.utils import timezone

from accounts.models import Role, User
from billing import services
from billing.models import Customer, Tag
from invoicing import audit
from invoicing.tenancy import tenant_scope
from tenants.models import Tenant

BACK_OFFICE_GROUP = "Back office"

TENANTS = {
    "acme": {
        "tenant": {"name": "Acme Tools", "invoice_prefix": "ACME"},
        "users": [
            ("alice", "Alice", Role.SALES),
            ("bob", "Bob", Role.ACCOUNTANT),
            ("carol", "Carol", Role.ADMIN),
            ("acme-shop", "Web shop", Role.INTEGRATION),
        ],
        "customers": [
            ("Globex GmbH", "ap@globex.example", "DE811907980", "Berlin"),
            ("Initech SARL", "compta@initech.example", "FR40303265045", "Lyon"),
        ],
        "products": [
            ("DRILL-18", "Cordless drill 18 V", "149.00"),
            ("BITS-50", "Drill bits, set of 50", "24.90"),
            ("SUPPORT-H", "Support, one hour", "95.00"),
        ],
    },
    "borealis": {
        "tenant": {"name": "Borealis Design", "invoice_prefix": "BORE", "currency": "SEK"},
        "users": [("dora", "Dora", Role.ADMIN)],
        "customers": [("Umbrella AB", "faktura@umbrella.example", "SE556677889901", "Umea")],
        "products": [("LOGO", "Logo design", "12000.00"), ("HOUR", "Design, one hour", "950.00")],
    },
}


class Command(BaseCommand):
    help = "Fill an empty database with two tenants, their people, customers and prices."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--password", required=True, help="the password of every user")

    def handle(self, *args: Any, password: str, **options: Any) -> None:
        hashed = make_password(password)
        with audit.context(service="seed", reason="first set-up"), transaction.atomic():
            group = Group.objects.create(name=BACK_OFFICE_GROUP)
            group.permissions.set(Permission.objects.filter(content_type__app_label="billing"))
            for slug, content in TENANTS.items():
                tenant = Tenant.objects.create(slug=slug, **content["tenant"])
                with tenant_scope(tenant):
                    self._fill(tenant, content, hashed, group)
                self.stdout.write(f"{slug}: {len(content['users'])} users")

    def _fill(self, tenant: Tenant, content: dict[str, Any], hashed: str, group: Group) -> None:
        for username, first_name, role in content["users"]:
            user = User.objects.create(
                username=username,
                first_name=first_name,
                email=f"{username}@{tenant.slug}.example",
                password=hashed,
                tenant=tenant,
                role=role,
                is_staff=role == Role.ADMIN,
            )
            if user.is_staff:
                user.groups.add(group)
        customers = [
            Customer.objects.create(
                name=name,
                email=email,
                vat_number=vat_number,
                billing_address={"name": name, "city": city},
            )
            for name, email, vat_number, city in content["customers"]
        ]
        products = services.import_products(
            tenant,
            [
                {"sku": sku, "name": name, "unit_price": price, "tax_rate": 20}
                for sku, name, price in content["products"]
            ],
        )
        Tag.objects.bulk_create(Tag(name=name) for name in ["priority", "export"])
        self._send_old_invoice(customers[-1], products[-1], tenant)

    def _send_old_invoice(self, customer: Customer, product: Any, tenant: Tenant) -> None:
        """An invoice of two months ago that nobody has paid."""
        product.refresh_from_db()
        invoice = services.create_invoice(
            customer=customer,
            issue_date=timezone.localdate() - timedelta(days=60),
            lines=[
                {
                    "product": product,
                    "description": product.name,
                    "quantity": 2,
                    "unit_price": product.unit_price,
                    "tax_rate": product.tax_rate,
                }
            ],
        )
        approver = tenant.members.filter(role=Role.ADMIN).first()
        services.send_invoice(services.validate_invoice(invoice, by=approver))
