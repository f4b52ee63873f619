"""A small shop: one model for each thing that capture must get right."""

import uuid

import django
from django.db import connection, models

from tests.shop.kinds import Computed, Folder, Kinds, Patient  # noqa: F401 (their app is this one)


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


class Price(models.Model):
    """Its code is unique, and not its key."""

    code = models.CharField(max_length=20, unique=True)
    amount = models.DecimalField(max_digits=8, decimal_places=2)


class Stock(models.Model):
    """Its key has two fields."""

    pk = models.CompositePrimaryKey("warehouse", "sku")
    warehouse = models.IntegerField()
    sku = models.CharField(max_length=20)
    amount = models.IntegerField(default=0)


class Team(models.Model):
    """Its members are linked by rows that say more."""

    name = models.CharField(max_length=50)
    members = models.ManyToManyField(Customer, through="Membership", related_name="teams")


class Membership(models.Model):
    team = models.ForeignKey(Team, on_delete=models.CASCADE)
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE)
    role = models.CharField(max_length=20, default="member")


class ApiKey(models.Model):
    """Its key is a secret."""

    key = models.CharField(max_length=40, primary_key=True)
    owner = models.CharField(max_length=50)


class Ignored(models.Model):
    """Left out by the settings."""

    value = models.IntegerField(default=0)


if django.VERSION >= (6, 1):

    class Shelf(models.Model):
        name = models.CharField(max_length=20)

        def __str__(self) -> str:
            return self.name

    class Box(models.Model):
        """Goes with its shelf, and the database sees to it."""

        shelf = models.ForeignKey(Shelf, on_delete=models.DB_CASCADE)

    class Item(models.Model):
        name = models.CharField(max_length=20)
        box = models.ForeignKey(Box, on_delete=models.DB_CASCADE)
        spare = models.ForeignKey(
            Shelf, null=True, related_name="spares", on_delete=models.DB_SET_NULL
        )
        kind = models.ForeignKey(
            Tag, db_default=1, related_name="items", on_delete=models.DB_SET_DEFAULT
        )


if connection.vendor == "postgresql":
    from tests.shop.containers import Attributes, Containers  # noqa: F401
