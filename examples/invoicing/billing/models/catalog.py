"""Whom a tenant sells to, and what."""

from django.db import models

from tenants.scoping import TenantOwned


class Customer(TenantOwned):
    name = models.CharField(max_length=200)
    email = models.EmailField(blank=True)
    vat_number = models.CharField(max_length=20, blank=True)
    billing_address = models.JSONField(default=dict, blank=True)
    payment_days = models.PositiveSmallIntegerField(default=30)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Product(TenantOwned):
    sku = models.CharField(max_length=40)
    name = models.CharField(max_length=200)
    unit_price = models.DecimalField(max_digits=12, decimal_places=2)
    tax_rate = models.DecimalField(max_digits=5, decimal_places=2, default=20)
    units_sold = models.DecimalField(max_digits=14, decimal_places=3, default=0, editable=False)
    is_active = models.BooleanField(default=True)

    class Meta:
        ordering = ["sku"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "sku"], name="product_sku_of_tenant")
        ]

    def __str__(self) -> str:
        return f"{self.sku} {self.name}"


class Tag(TenantOwned):
    name = models.CharField(max_length=40)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "name"], name="tag_name_of_tenant")
        ]

    def __str__(self) -> str:
        return self.name
