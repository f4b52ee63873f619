"""Objects with rows in several tables that are deleted, or that get and lose one of their rows."""

import pytest
from django.db import connection
from tests.integration.inheriting import brief, states, whole
from tests.shapes.models import (
    Cafe,
    Place,
    Restaurant,
    Ticket,
    Trattoria,
    Visit,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def diner(recorded):
    diner = Restaurant.objects.create(name="diner", stars=1)
    recorded()
    return diner


@pytest.mark.parametrize("how", ["instance", "queryset", "through the parent", "places"])
def test_a_delete_is_one_event(diner, recorded, how):
    match how:
        case "instance":
            Restaurant.objects.get().delete()
        case "queryset":
            Restaurant.objects.all().delete()
        case "through the parent":
            Place.objects.get().delete()
        case "places":
            Place.objects.all().delete()
    (event,) = recorded()
    assert states([event]) == [("delete", "restaurant", whole(diner), None)]


def test_a_delete_of_a_loaded_object_reads_none_of_its_rows(diner, statements):
    loaded = Restaurant.objects.get()
    statements.clear()
    loaded.delete()
    own = [s for s in statements if "shapes_restaurant" in s or "shapes_place" in s]
    # Django itself looks for children.
    assert [s for s in own if s.startswith("SELECT") and "trattoria" not in s] == []


def test_a_delete_of_many_goes_by_batches(recorded):
    places = [Place(name=str(number)) for number in range(130)]
    Place.objects.bulk_create(places)
    for place in Place.objects.all()[:110]:
        Restaurant(place_ptr=place, stars=2).save_base(raw=True)
    recorded()
    Place.objects.all().delete()
    events = recorded()
    models = [event["model"] for event in events]
    assert (models.count("shapes.restaurant"), models.count("shapes.place")) == (110, 20)
    assert {event["action"] for event in events} == {"delete"}
    assert all("name" in event["before"] for event in events)


def test_where_the_parents_stay_they_are_left_out(diner, recorded):
    Restaurant.objects.get().delete(keep_parents=True)
    assert states(recorded()) == [
        ("delete", "restaurant", {"place_ptr": diner.pk, "stars": 1}, None)
    ]
    assert Place.objects.exists()
    Restaurant(place_ptr_id=diner.pk).save_base(raw=True)
    recorded()
    Restaurant.objects.all()._raw_delete(connection.alias)
    assert states(recorded()) == [
        ("delete", "restaurant", {"place_ptr": diner.pk, "stars": 0}, None)
    ]


def test_a_row_that_was_there_before_is_left_out(recorded):
    place = Place.objects.create(name="park")
    recorded()
    Restaurant(place_ptr=place, stars=2).save_base(raw=True)
    assert states(recorded()) == [
        ("create", "restaurant", None, {"place_ptr": place.pk, "stars": 2})
    ]


def test_a_save_over_a_row_that_was_there_before_tells_both(recorded):
    place = Place.objects.create(name="park")
    recorded()
    Restaurant(place_ptr=place, name="kiosk", stars=2).save()
    update, create = recorded()
    assert brief([update]) == [("update", "shapes.place", str(place.pk))]
    assert update["after"] == {"id": place.pk, "name": "kiosk"}
    assert states([create]) == [("create", "restaurant", None, {"place_ptr": place.pk, "stars": 2})]
    # And again, over both.
    Restaurant(place_ptr=place, name="stand", stars=3).save()
    (event,) = recorded()
    assert brief([event]) == [("update", "shapes.restaurant", str(place.pk))]
    assert event["after"] == {"id": place.pk, "name": "stand", "place_ptr": place.pk, "stars": 3}


def test_a_middle_row_that_was_there_before(recorded):
    diner = Restaurant.objects.create(name="diner", stars=1)
    recorded()
    Trattoria(restaurant_ptr=diner, name="diner", stars=4, pasta="penne").save()
    update, other, create = recorded()
    assert brief([update, other]) == [
        ("update", "shapes.place", str(diner.pk)),
        ("update", "shapes.restaurant", str(diner.pk)),
    ]
    assert create["after"] == {"restaurant_ptr": diner.pk, "pasta": "penne"}


def test_a_row_of_two_children_is_gone_once(diner, recorded):
    Cafe(place_ptr_id=diner.pk, brand="b").save_base(raw=True)
    recorded()
    Place.objects.get().delete()
    events = recorded()
    assert sorted(event["model"] for event in events) == ["shapes.cafe", "shapes.restaurant"]
    assert sorted("name" in event["before"] for event in events) == [False, True]


def test_cascades_go_through_all_tables(diner, recorded):
    ticket = Ticket.objects.create(price=1)
    ticket.places.add(diner)
    recorded()
    diner.delete()
    assert [(e["action"], e["model"]) for e in recorded()] == [
        ("delete", "shapes.visit"),
        ("unlink", "shapes.ticket"),
        ("delete", "shapes.restaurant"),
    ]
    assert not Visit.objects.exists()
