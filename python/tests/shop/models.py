"""A small shop: one model for each thing that capture must get right."""

import uuid

from django.db import models

from tests.shop.kinds import Computed, Folder, Kinds  # noqa: F401 (their app is this one)


class Customer(models.Model):
    name = models.CharField(max_length=100)
    vip = models.BooleanField(default=False)

    def __str__(self) -> str:
        return self.name


class Tag(models.Model):
    name = models.CharField(max_length=50)

    def __str__(self) -> str:
        return self.name


class Order(models.Model):
    number = models.CharField(max_length=20)
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="orders")
    reviewer = models.ForeignKey(
        Customer, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    total = models.DecimalField(max_digits=12, decimal_places=2, default=0)
    count = models.IntegerField(default=0)
    weight = models.FloatField(null=True, blank=True)
    placed_at = models.DateTimeField(null=True, blank=True)
    due_on = models.DateField(null=True, blank=True)
    public_id = models.UUIDField(default=uuid.uuid4)
    options = models.JSONField(default=dict, blank=True)
    blob = models.BinaryField(default=b"", blank=True)
    api_token = models.CharField(max_length=50, blank=True)
    notes = models.TextField(blank=True)
    updated_at = models.DateTimeField(auto_now=True)
    tags = models.ManyToManyField(Tag, blank=True)

    def __str__(self) -> str:
        return f"order {self.number}"


class Line(models.Model):
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="lines")
    text = models.CharField(max_length=100)

    def __str__(self) -> str:
        # Asks the database when the order is not loaded: labels must not.
        return f"{self.order.number}: {self.text}"


class Note(models.Model):
    """Its key is text, and it does not say how it is shown."""

    slug = models.CharField(max_length=50, primary_key=True)
    body = models.TextField()


class ApiKey(models.Model):
    """Its key is a secret."""

    key = models.CharField(max_length=40, primary_key=True)
    owner = models.CharField(max_length=50)


class Ignored(models.Model):
    """Left out by the settings."""

    value = models.IntegerField(default=0)
