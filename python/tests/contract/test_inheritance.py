"""What capture relies on where the fields of an object stand in several tables."""

import pytest
from django.db import connection, transaction
from django.db.models import Model, OneToOneRel
from django.db.models.deletion import Collector
from django.db.models.sql import UpdateQuery
from tests.contract.spying import spy
from tests.shapes.models import Cafe, Depot, Member, Place, Restaurant, Review, Trattoria

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("bare")]


def test_a_save_enters_a_block_of_its_own_for_all_its_statements(monkeypatch):
    blocks = []
    original = Model._save_table

    def save_table(self, *args, **kwargs):
        blocks.append(connection.atomic_blocks[-1])
        return original(self, *args, **kwargs)

    monkeypatch.setattr(Model, "_save_table", save_table)
    diner = Trattoria.objects.create(name="a")
    diner.save()
    with transaction.atomic():
        diner.save()
    assert len(blocks) == 9
    assert blocks[0] is blocks[1] is blocks[2]
    assert len({id(block) for block in blocks}) == 3


def test_parents_are_written_before_their_children(monkeypatch):
    calls = spy(monkeypatch, Model, "_do_insert")
    Review.objects.create()
    tables = [call.given["manager"].model.__name__ for call in calls]
    assert tables == ["Piece", "Book", "Article", "Review"]


def test_an_update_has_the_values_of_its_related_updates_by_model():
    query = UpdateQuery(Restaurant)
    query.add_update_values({"name": "a", "stars": 1})
    assert [field.name for field, _, _ in query.values] == ["stars"]
    assert {
        model: [field.name for field, _, _ in values]
        for model, values in query.related_updates.items()
    } == {Place: ["name"]}
    (related,) = query.get_related_updates()
    assert related.values is query.related_updates[Place]


def test_a_collector_has_the_rows_of_parents_that_it_deletes():
    diner = Restaurant.objects.create(name="a")
    collector = Collector(using="default")
    collector.collect([diner])
    collector.sort()
    assert list(collector.data) == [Restaurant, Place]
    assert {instance.pk for instance in collector.data[Place]} == {diner.pk}
    collector = Collector(using="default")
    collector.collect([diner], keep_parents=True)
    assert list(collector.data) == [Restaurant]


def test_the_fields_of_a_model_say_whose_they_are():
    assert [field.model for field in Restaurant._meta.concrete_fields] == [
        Place,
        Place,
        Restaurant,
        Restaurant,
    ]
    assert Cafe._meta.get_field("brand").model is Cafe
    assert Trattoria._meta.get_parent_list() == [Restaurant, Place]


def test_a_child_is_known_by_its_relation():
    relations = Place._meta.get_fields(include_parents=False, include_hidden=True)
    children = {
        relation.related_model
        for relation in relations
        if isinstance(relation, OneToOneRel) and relation.parent_link
    }
    assert children == {Restaurant, Cafe, Depot}
    assert Member._meta.pk.remote_field.parent_link is True


def test_loading_gives_the_fields_of_all_tables_in_the_order_of_the_model(monkeypatch):
    Restaurant.objects.create(name="a")
    calls = spy(monkeypatch, Model, "from_db")
    Restaurant.objects.get()
    _ = Place.objects.select_related("restaurant").get().restaurant
    names = [list(call.given["field_names"]) for call in calls if call.owner is Restaurant]
    assert names == [["id", "name", "place_ptr_id", "stars"]] * 2
