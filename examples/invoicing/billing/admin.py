"""The back office: corrections by hand, within the tenant of whoever makes them.

Fields that the services own (number, status, sums, payments) are shown, not edited.
"""

from django.contrib import admin
from django.http import HttpRequest

from billing.models import Customer, Invoice, InvoiceLine, Payment, Product, Tag
from billing.services import recompute_totals


class LineInline(admin.TabularInline):
    model = InvoiceLine
    extra = 0

    def _is_open(self, invoice: Invoice | None) -> bool:
        return invoice is None or invoice.status == Invoice.Status.DRAFT

    def has_add_permission(self, request: HttpRequest, obj: Invoice | None = None) -> bool:
        return self._is_open(obj) and super().has_add_permission(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Invoice | None = None) -> bool:
        return self._is_open(obj) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Invoice | None = None) -> bool:
        return self._is_open(obj) and super().has_delete_permission(request, obj)


class ReadOnlyMixin:
    """Shown, never edited: the rows come from `billing.services`."""

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


class PaymentInline(ReadOnlyMixin, admin.TabularInline):
    model = Payment
    extra = 0


@admin.register(Invoice)
class InvoiceAdmin(admin.ModelAdmin):
    inlines = [LineInline, PaymentInline]
    list_display = ["number", "customer", "status", "issue_date", "due_date", "total", "currency"]
    list_filter = ["status", "is_recurring", "tags"]
    list_select_related = ["customer"]
    search_fields = ["number", "customer__name", "po_reference"]
    date_hierarchy = "issue_date"
    filter_horizontal = ["tags"]
    readonly_fields = [
        "public_id",
        "number",
        "status",
        "subtotal",
        "tax",
        "total",
        "amount_paid",
        "paid_on",
        "sent_at",
        "validated_by",
        "pdf_file",
        "created_at",
        "updated_at",
    ]

    def get_readonly_fields(self, request: HttpRequest, obj: Invoice | None = None) -> list[str]:
        """After the draft, what determines the sums is closed too."""
        if obj is None or obj.status == Invoice.Status.DRAFT:
            return self.readonly_fields
        closed = ["customer", "currency", "exchange_rate", "discount_percent", "issue_date"]
        return [*self.readonly_fields, *closed]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Invoice | None = None) -> bool:
        is_draft = obj is not None and obj.status == Invoice.Status.DRAFT
        return is_draft and super().has_delete_permission(request, obj)

    def save_related(self, request, form, formsets, change) -> None:
        super().save_related(request, form, formsets, change)
        if form.instance.status == Invoice.Status.DRAFT:
            recompute_totals(form.instance)


@admin.register(Customer)
class CustomerAdmin(admin.ModelAdmin):
    list_display = ["name", "email", "vat_number", "payment_days", "is_active"]
    list_filter = ["is_active"]
    search_fields = ["name", "email", "vat_number"]


@admin.register(Product)
class ProductAdmin(admin.ModelAdmin):
    list_display = ["sku", "name", "unit_price", "tax_rate", "units_sold", "is_active"]
    list_filter = ["is_active"]
    search_fields = ["sku", "name"]


@admin.register(Payment)
class PaymentAdmin(ReadOnlyMixin, admin.ModelAdmin):
    list_display = ["invoice", "amount", "method", "reference", "received_on"]
    list_filter = ["method"]
    list_select_related = ["invoice"]


@admin.register(Tag)
class TagAdmin(admin.ModelAdmin):
    search_fields = ["name"]
