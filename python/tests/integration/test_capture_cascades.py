"""Rows that the database deletes or changes by itself."""

import django
import pytest
from django.db import connection
from tests.shop import models
from tests.shop.models import Tag

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(django.VERSION < (6, 1), reason="NOT TESTED: needs Django 6.1"),
]


@pytest.fixture
def shelves(recorded):
    Tag.objects.create(pk=1, name="usual")
    special = Tag.objects.create(pk=2, name="special")
    first, second = (models.Shelf.objects.create(name=name) for name in ("first", "second"))
    for shelf, other in ((first, second), (second, first)):
        box = models.Box.objects.create(shelf=shelf)
        models.Item.objects.create(name=f"of {shelf}", box=box, spare=other, kind=special)
    recorded()
    return first, second


@pytest.mark.parametrize("by", ["instance", "queryset"])
def test_what_goes_and_what_changes_with_a_row_is_told(shelves, recorded, by):
    first, second = shelves
    key, other = first.pk, models.Item.objects.get(name="of second")
    if by == "instance":
        first.delete()
    else:
        models.Shelf.objects.filter(name="first").delete()
    events = recorded()
    assert sorted((e["action"], e["model"]) for e in events) == [
        ("delete", "shop.box"),
        ("delete", "shop.item"),
        ("delete", "shop.shelf"),
        ("update", "shop.item"),
    ]
    by_model = {(e["action"], e["model"]): e for e in events}
    assert by_model["delete", "shop.item"]["before"]["name"] == "of first"
    changed = by_model["update", "shop.item"]
    assert changed["object_id"] == str(other.pk)
    assert (changed["before"], changed["after"]["spare"]) == ({"spare": key}, None)
    assert second.pk in set(models.Shelf.objects.values_list("pk", flat=True))


@pytest.mark.skipif(
    not getattr(connection.features, "supports_on_delete_db_default", True),
    reason="the database has no ON DELETE SET DEFAULT",
)
def test_a_default_of_the_database_is_read(shelves, recorded):
    Tag.objects.filter(pk=2).delete()
    updates = [e for e in recorded() if e["action"] == "update"]
    assert [(e["before"], e["after"]["kind"]) for e in updates] == [({"kind": 2}, 1)] * 2


def test_rows_of_a_model_that_is_left_out_lead_on_to_others(shelves, recorded, settings):
    settings.TRAILKEEPER = {**settings.TRAILKEEPER, "EXCLUDE": ["shop.ignored", "shop.box"]}
    shelves[0].delete()
    assert sorted((e["action"], e["model"]) for e in recorded()) == [
        ("delete", "shop.item"),
        ("delete", "shop.shelf"),
        ("update", "shop.item"),
    ]


def test_nothing_is_told_of_a_delete_that_is_rolled_back(shelves, recorded):
    from django.db import transaction

    with pytest.raises(ZeroDivisionError), transaction.atomic():
        shelves[0].delete()
        raise ZeroDivisionError
    assert recorded() == []
