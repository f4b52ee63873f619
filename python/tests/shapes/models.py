"""Tables of every shape: what the shop has no use for."""

import uuid

from django.db import models
from django.db.models.functions import Lower


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


class Trattoria(Restaurant):
    """A third table; and links of its own."""

    pasta = models.CharField(max_length=50, default="")
    guests = models.ManyToManyField(Ticket, blank=True)


class NamedRestaurant(Restaurant):
    class Meta:
        proxy = True


class Branded(Place):
    """Not a table: its field stands in that of its child."""

    brand = models.CharField(max_length=50, default="")

    class Meta:
        abstract = True


class Cafe(Branded):
    beans = models.JSONField(default=dict)
    slug = models.GeneratedField(
        expression=Lower("brand"), output_field=models.CharField(max_length=50), db_persist=True
    )


class Depot(Place):
    """Its key is not that of the place."""

    code = models.CharField(max_length=10, primary_key=True)
    place = models.OneToOneField(Place, models.CASCADE, parent_link=True, related_name="+")
    size = models.IntegerField(default=0, unique=True)


class Piece(models.Model):
    title = models.CharField(max_length=50, default="")


class Article(Piece):
    piece = models.OneToOneField(Piece, models.CASCADE, parent_link=True, primary_key=True)
    pages = models.IntegerField(default=0)


class Book(Piece):
    book_piece = models.OneToOneField(Piece, models.CASCADE, parent_link=True, primary_key=True)
    isbn = models.CharField(max_length=20, default="")


class Review(Book, Article):
    """Both of its parents are of the same piece."""

    stars = models.IntegerField(default=0)


class Person(models.Model):
    person_id = models.AutoField(primary_key=True)
    email = models.CharField(max_length=50, default="")


class Account(models.Model):
    account_id = models.AutoField(primary_key=True)
    api_token = models.CharField(max_length=50, default="")
    logins = models.IntegerField(default=0)


class Member(Person, Account):
    """Its parents have keys of their own."""

    since = models.IntegerField(default=0)
