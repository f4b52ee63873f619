from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from billing import services
from invoicing import audit
from invoicing.tenancy import tenant_scope
from tenants.models import Tenant


class Command(BaseCommand):
    """No person does this, so the trail is told which service does, and why."""

    help = "Mark the invoices that should have been paid by now. Run it once a day."

    def handle(self, *args: Any, **options: Any) -> None:
        today = timezone.localdate()
        for tenant in Tenant.objects.filter(is_active=True):
            with (
                tenant_scope(tenant),
                audit.context(service="mark_overdue", reason="daily overdue run"),
            ):
                marked = services.mark_overdue(today=today)
            self.stdout.write(f"{tenant.slug}: {marked} overdue")
