from django.contrib import admin

from tenants.models import Tenant


@admin.register(Tenant)
class TenantAdmin(admin.ModelAdmin):
    list_display = ["name", "slug", "invoice_prefix", "currency", "is_active"]
    readonly_fields = ["last_invoice_number", "created_at"]
