"""Models whose rows belong to one tenant."""

from django.db import models

from invoicing.tenancy import active_tenant_id


class TenantManager(models.Manager):
    """Shows the rows of the active tenant; without one, all rows."""

    def get_queryset(self) -> models.QuerySet:
        rows = super().get_queryset()
        tenant_id = active_tenant_id()
        return rows if tenant_id is None else rows.filter(tenant_id=tenant_id)


class TenantOwned(models.Model):
    """A row of one tenant: of the active one, unless it says otherwise."""

    tenant = models.ForeignKey(
        "tenants.Tenant",
        on_delete=models.PROTECT,
        default=active_tenant_id,
        editable=False,
        related_name="+",
    )

    objects = TenantManager()

    class Meta:
        abstract = True
