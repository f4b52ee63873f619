"""The invoice and its lines.

These classes hold what is stored. What may happen to an invoice, and in which
order, is decided in `billing.services`.
"""

import uuid
from decimal import Decimal

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from billing.models.catalog import Customer, Product, Tag
from tenants.scoping import TenantOwned


class Invoice(TenantOwned):
    class Status(models.TextChoices):
        DRAFT = "draft", "Draft"
        VALIDATED = "validated", "Validated"
        SENT = "sent", "Sent"
        OVERDUE = "overdue", "Overdue"
        PAID = "paid", "Paid"
        CANCELLED = "cancelled", "Cancelled"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    number = models.CharField(max_length=32, editable=False)
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="invoices")
    status = models.CharField(
        max_length=16, choices=Status, default=Status.DRAFT, editable=False, db_index=True
    )
    issue_date = models.DateField(default=timezone.localdate)
    due_date = models.DateField()
    paid_on = models.DateField(null=True, blank=True, editable=False)
    currency = models.CharField(max_length=3, default="EUR")
    exchange_rate = models.DecimalField(max_digits=12, decimal_places=6, default=1)
    discount_percent = models.DecimalField(
        max_digits=5,
        decimal_places=2,
        default=0,
        validators=[MinValueValidator(0), MaxValueValidator(100)],
    )
    subtotal = models.DecimalField(max_digits=14, decimal_places=2, default=0, editable=False)
    tax = models.DecimalField(max_digits=14, decimal_places=2, default=0, editable=False)
    total = models.DecimalField(max_digits=14, decimal_places=2, default=0, editable=False)
    amount_paid = models.DecimalField(max_digits=14, decimal_places=2, default=0, editable=False)
    po_reference = models.CharField("PO reference", max_length=64, blank=True)
    notes = models.TextField(blank=True)
    terms = models.TextField(blank=True)
    billing_address = models.JSONField(default=dict, blank=True)
    is_recurring = models.BooleanField(default=False)
    sent_at = models.DateTimeField(null=True, blank=True, editable=False)
    validated_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
    )
    pdf_file = models.CharField(max_length=120, blank=True, editable=False)
    tags = models.ManyToManyField(Tag, blank=True, related_name="invoices")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-issue_date", "-number"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "number"], name="invoice_number_of_tenant")
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def amount_due(self) -> Decimal:
        return self.total - self.amount_paid


class InvoiceLine(models.Model):
    invoice = models.ForeignKey(Invoice, on_delete=models.CASCADE, related_name="lines")
    product = models.ForeignKey(
        Product, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    description = models.CharField(max_length=300)
    quantity = models.DecimalField(
        max_digits=12, decimal_places=3, default=1, validators=[MinValueValidator(0)]
    )
    unit_price = models.DecimalField(max_digits=12, decimal_places=2)
    tax_rate = models.DecimalField(max_digits=5, decimal_places=2, default=20)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.description
