"""Models for what databases make of values: every kind of field, defaults, keys."""

import uuid
from decimal import Decimal

from django.db import connection, models
from django.db.models.functions import Lower
from encrypted_fields.fields import EncryptedDateField, EncryptedTextField


class Kinds(models.Model):
    """Each field may be left out."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    a_bool = models.BooleanField(default=False)
    a_null_bool = models.BooleanField(null=True)
    a_small = models.SmallIntegerField(null=True)
    an_int = models.IntegerField(null=True)
    a_big = models.BigIntegerField(null=True)
    a_positive_small = models.PositiveSmallIntegerField(null=True)
    a_positive = models.PositiveIntegerField(null=True)
    a_positive_big = models.PositiveBigIntegerField(null=True)
    a_float = models.FloatField(null=True)
    a_decimal = models.DecimalField(max_digits=12, decimal_places=2, null=True)
    an_exact = models.DecimalField(max_digits=30, decimal_places=10, null=True)
    a_date = models.DateField(null=True)
    a_time = models.TimeField(null=True)
    a_datetime = models.DateTimeField(null=True)
    a_duration = models.DurationField(null=True)
    a_char = models.CharField(max_length=200, default="", blank=True)
    a_text = models.TextField(default="", blank=True)
    a_slug = models.SlugField(default="", blank=True)
    an_email = models.EmailField(default="", blank=True)
    a_url = models.URLField(default="", blank=True)
    an_ip = models.GenericIPAddressField(null=True)
    a_uuid = models.UUIDField(null=True)
    a_json = models.JSONField(null=True)
    a_binary = models.BinaryField(null=True)
    a_file = models.FileField(default="", blank=True)

    def __str__(self) -> str:
        return str(self.id)


class Computed(models.Model):
    """What the application leaves out, the database fills in."""

    name = models.CharField(max_length=50, default="")
    price = models.DecimalField(max_digits=6, decimal_places=3, db_default=Decimal("1.5"))
    key = models.GeneratedField(
        expression=Lower("name"), output_field=models.CharField(max_length=50), db_persist=True
    )

    def __str__(self) -> str:
        return self.name


class Patient(models.Model):
    """The database holds what is known of the patient encrypted."""

    name = models.CharField(max_length=50)
    notes = EncryptedTextField(default="", blank=True, null=True)
    born = EncryptedDateField(null=True)

    def __str__(self) -> str:
        return self.name


class Folder(models.Model):
    """Its key is text, of which databases find other spellings: MariaDB always, SQLite if told."""

    path = models.CharField(
        max_length=50,
        primary_key=True,
        db_collation="nocase" if connection.vendor == "sqlite" else None,
    )
    title = models.CharField(max_length=50, default="")

    def __str__(self) -> str:
        return self.title
