"""What a model declares, inherits and replaces."""

import enum

from django.db import models
from django.test.utils import isolate_apps

from trailkeeper.policy.declaration import Declared, declared_by, is_declared_in, trail


@isolate_apps("tests.ledger")
def test_a_declaration_is_inherited_and_replaced():
    class Base(models.Model):
        name = models.CharField(max_length=10)

        class Meta:
            abstract = True
            app_label = "ledger"

        class Trail:
            level = "changed"
            fields = {"name": "metadata"}  # noqa: RUF012

    class Heir(Base):
        class Meta:
            app_label = "ledger"

    class Own(Base):
        class Meta:
            app_label = "ledger"

        class Trail:
            level = "none"

    class Extended(Base):
        class Meta:
            app_label = "ledger"

        class Trail(Base.Trail):
            unchanged = "record"

    class Child(Heir):
        class Meta:
            app_label = "ledger"

    inherited = Declared(level="changed", fields={"name": "metadata"})
    assert declared_by(Heir) == declared_by(Child) == inherited
    assert declared_by(Own) == Declared(level="none")
    assert declared_by(Extended) == Declared(
        level="changed", fields={"name": "metadata"}, unchanged="record"
    )
    assert is_declared_in(Heir)
    assert is_declared_in(Own)
    # What it inherits from a table of its own, that one answers for.
    assert not is_declared_in(Child)


@isolate_apps("tests.ledger")
def test_the_decorator_says_the_same_as_the_class():
    def keeps(draft):
        return True

    @trail(level="metadata", fields={"name": "none"}, veto=keeps)
    class Visit(models.Model):
        name = models.CharField(max_length=10)

        class Meta:
            app_label = "ledger"

    assert declared_by(Visit) == Declared(level="metadata", fields={"name": "none"}, veto=keeps)
    assert [field.name for field in Visit._meta.fields] == ["id", "name"]


@isolate_apps("tests.ledger")
def test_a_trail_of_the_projects_own_is_left_alone():
    class Walk(models.Model):
        class Trail(models.TextChoices):
            EASY = "easy"

        class Meta:
            app_label = "ledger"

    class Hike(models.Model):
        class Trail(enum.Enum):
            level = 1

        class Meta:
            app_label = "ledger"

    assert declared_by(Walk) == declared_by(Hike) == Declared()
    assert not is_declared_in(Walk)
