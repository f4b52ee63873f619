"""Tables of every shape: what the shop has no use for."""

import uuid

from django.db import models


class Place(models.Model):
    name = models.CharField(max_length=50)


class Restaurant(Place):
    """A second table, whose rows belong to those of the first."""

    stars = models.IntegerField(default=0)


class NamedPlace(Place):
    class Meta:
        proxy = True


class Seat(models.Model):
    """Its key has two parts."""

    pk = models.CompositePrimaryKey("row", "number")
    row = models.CharField(max_length=5)
    number = models.IntegerField()
    taken = models.BooleanField(default=False)


class Ticket(models.Model):
    """Its key is a UUID; it links to others of its kind, and to seats by a table of its own."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    price = models.DecimalField(max_digits=8, decimal_places=2)
    doubled = models.GeneratedField(
        expression=models.F("price") * 2,
        output_field=models.DecimalField(max_digits=9, decimal_places=2),
        db_persist=True,
    )
    valid_for = models.DurationField(null=True)
    starts_at = models.TimeField(null=True)
    friends = models.ManyToManyField("self", blank=True)
    places = models.ManyToManyField(Place, through="Visit")


class Visit(models.Model):
    """A through model with a field of its own."""

    ticket = models.ForeignKey(Ticket, on_delete=models.CASCADE)
    place = models.ForeignKey(Place, on_delete=models.CASCADE)
    note = models.CharField(max_length=50, default="")


class Badge(models.Model):
    """Its key is a secret, and it has links."""

    token = models.CharField(max_length=40, primary_key=True)
    places = models.ManyToManyField(Place)


class Scan(models.Model):
    badge = models.ForeignKey(Badge, on_delete=models.CASCADE)


class HiddenManager(models.Manager["Hideable"]):
    def get_queryset(self) -> models.QuerySet["Hideable"]:
        return super().get_queryset().filter(is_hidden=False)


class Hideable(models.Model):
    """Its managers leave out the hidden ones."""

    is_hidden = models.BooleanField(default=False)

    objects = HiddenManager()

    class Meta:
        base_manager_name = "objects"
