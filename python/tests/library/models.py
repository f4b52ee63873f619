"""A library: a relation of every kind between few models."""

from django.contrib.contenttypes.fields import GenericForeignKey, GenericRelation
from django.contrib.contenttypes.models import ContentType
from django.db import models


class Person(models.Model):
    name = models.CharField(max_length=50)

    def __str__(self) -> str:
        return self.name


def nobody() -> Person:
    return Person.objects.get_or_create(name="nobody")[0]


class Series(models.Model):
    name = models.CharField(max_length=50)

    def __str__(self) -> str:
        return self.name


class Remark(models.Model):
    """On an object of any model."""

    text = models.CharField(max_length=50)
    # The tables of apps without migrations are made first, and this one refers to another's.
    content_type = models.ForeignKey(ContentType, on_delete=models.CASCADE, db_constraint=False)
    object_id = models.PositiveBigIntegerField()
    target = GenericForeignKey()

    def __str__(self) -> str:
        return self.text


class Titled(models.Model):
    title = models.CharField(max_length=50)

    class Meta:
        abstract = True


class Book(Titled):
    editor = models.ForeignKey(
        Person, null=True, on_delete=models.SET(nobody), related_name="edited"
    )
    series = models.ForeignKey(Series, default=1, on_delete=models.SET_DEFAULT)
    authors = models.ManyToManyField(Person, related_name="written")
    readers = models.ManyToManyField(Person, related_name="has_read")
    similar = models.ManyToManyField("self")
    sequels = models.ManyToManyField("self", symmetrical=False, related_name="prequels")
    remarks = GenericRelation(Remark)
    cover = models.FileField(blank=True)
    copies = models.IntegerField(default=1)
    changed_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return self.title


class Draft(Book):
    class Meta:
        proxy = True


class Chapter(Titled):
    book = models.ForeignKey(Book, on_delete=models.CASCADE, related_name="chapters")

    def __str__(self) -> str:
        return self.title


class Page(models.Model):
    chapter = models.ForeignKey(Chapter, on_delete=models.CASCADE, related_name="pages")
    number = models.IntegerField()

    def __str__(self) -> str:
        return f"page {self.number}"
