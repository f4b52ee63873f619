"""Models for values that hold others. Only PostgreSQL has them."""

from django.contrib.postgres import fields
from django.db import models


class Containers(models.Model):
    """Each field may be left out."""

    numbers = fields.ArrayField(models.IntegerField(null=True), null=True)
    nested = fields.ArrayField(fields.ArrayField(models.CharField(max_length=20)), null=True)
    prices = fields.ArrayField(models.DecimalField(max_digits=6, decimal_places=2), null=True)
    days = fields.ArrayField(models.DateField(), null=True)
    moments = fields.ArrayField(models.DateTimeField(), null=True)
    keys = fields.ArrayField(models.UUIDField(), null=True)
    parts = fields.ArrayField(models.BinaryField(), null=True)
    an_int_range = fields.IntegerRangeField(null=True)
    a_big_range = fields.BigIntegerRangeField(null=True)
    a_decimal_range = fields.DecimalRangeField(null=True)
    a_date_range = fields.DateRangeField(null=True)
    a_moment_range = fields.DateTimeRangeField(null=True)

    def __str__(self) -> str:
        return str(self.pk)


class Attributes(models.Model):
    """Its table needs the extension `hstore`: the test makes both."""

    values = fields.HStoreField(default=dict)

    class Meta:
        managed = False

    def __str__(self) -> str:
        return str(self.pk)
