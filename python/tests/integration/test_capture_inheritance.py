"""Objects with rows in several tables: one event for each object that a write changed."""

import pytest
from django.core import serializers
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.db.models import F, Value
from django.db.models.functions import Concat, Upper
from django.db.models.signals import pre_delete
from tests.integration.inheriting import brief, states, whole
from tests.shapes.models import (
    Article,
    Book,
    Cafe,
    Depot,
    Member,
    NamedRestaurant,
    Person,
    Piece,
    Place,
    Restaurant,
    Review,
    Trattoria,
)

import trailkeeper
from trailkeeper.capture import registry
from trailkeeper.capture.instances import known_values
from trailkeeper.capture.registry import tracker_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def diner(recorded):
    diner = Restaurant.objects.create(name="diner", stars=1)
    recorded()
    return diner


def test_a_create_is_one_event_with_the_fields_of_all_tables(recorded, statements):
    diner = Restaurant.objects.create(name="diner", stars=1)
    (event,) = recorded()
    assert states([event]) == [("create", "restaurant", None, whole(diner))]
    assert event["object_id"] == str(diner.pk)
    assert len(statements) == 2, "nothing more is asked of the database"


@pytest.mark.parametrize(
    "values",
    [{"name": "bistro"}, {"stars": 2}, {"name": "bistro", "stars": 2}, {}],
    ids=["the parent's", "its own", "both", "none"],
)
@pytest.mark.parametrize("is_loaded", [True, False])
def test_a_save_is_one_event(diner, recorded, statements, values, is_loaded):
    if is_loaded:
        diner = Restaurant.objects.get()
    statements.clear()
    for name, value in values.items():
        setattr(diner, name, value)
    diner.save()
    events = recorded()
    before = {name: whole(diner)[name] for name in values}
    expected = [("update", "restaurant", before, whole(diner, **values))] if values else []
    assert states(events) == expected
    assert [event["changed"] for event in events] == ([sorted(values)] if values else [])
    assert len(statements) == 2, "nothing more is asked of the database"


@pytest.mark.parametrize("values", [{"name": "bistro"}, {"stars": 2}], ids=["parent's", "own"])
def test_a_save_of_some_fields_is_one_event(diner, recorded, values):
    diner = Restaurant.objects.get()
    diner.name, diner.stars = "bistro", 2
    diner.save(update_fields=list(values))
    (event,) = recorded()
    ((name, value),) = values.items()
    keys = {"id": diner.pk, "place_ptr": diner.pk}
    assert states([event]) == [
        ("update", "restaurant", {name: whole(diner)[name]}, {**keys, name: value})
    ]
    # What was not saved is not known to be stored.
    diner.save()
    (event,) = recorded()
    assert event["changed"] == [other for other in ("name", "stars") if other != name]


def test_each_save_is_an_event_of_its_own(diner, recorded):
    diner.name, diner.stars = "bistro", 2
    diner.save(update_fields=["name"])
    diner.save(update_fields=["stars"])
    diner.name = "cafe"
    diner.save()
    assert [event["changed"] for event in recorded()] == [["name"], ["stars"], ["name"]]


def test_saves_follow_one_another(diner, recorded):
    for stars in range(2, 5):
        diner.stars = stars
        diner.name = str(stars)
        diner.save()
    befores = [(event["before"], event["after"]["stars"]) for event in recorded()]
    assert befores == [
        ({"name": "diner", "stars": 1}, 2),
        ({"name": "2", "stars": 2}, 3),
        ({"name": "3", "stars": 3}, 4),
    ]


def test_what_was_loaded_beside_its_parent_is_known(diner, recorded):
    loaded = Place.objects.select_related("restaurant").get().restaurant
    loaded.name, loaded.stars = "bistro", 2
    loaded.save()
    (event,) = recorded()
    assert event["before"] == {"name": "diner", "stars": 1}


def test_the_fields_of_a_parent_are_known_of_a_child(diner):
    place = tracker_of(Place, connection.vendor)
    assert known_values(Restaurant.objects.get(), place) == (diner.pk, "diner")
    assert known_values(diner, place) == (diner.pk, "diner")


def test_deferred_fields_are_left_out(diner, recorded):
    loaded = Restaurant.objects.defer("name").get()
    loaded.stars = 2
    loaded.save()
    (event,) = recorded()
    assert event["after"] == {"id": diner.pk, "place_ptr": diner.pk, "stars": 2}
    assert event["before"] == {"stars": 1}


def test_expressions_are_recorded_as_stored(diner, recorded):
    diner.name, diner.stars = Upper("name"), F("stars") + 1
    diner.save()
    (event,) = recorded()
    assert event["after"] == whole(diner, "DINER", 2)
    assert event["before"] == {"name": "diner", "stars": 1}
    Restaurant.objects.create(name=Concat(Value("a"), Value("b")), stars=3)
    (event,) = recorded()
    assert (event["after"]["name"], event["after"]["stars"]) == ("ab", 3)


def test_a_proxy_is_its_model(recorded):
    diner = NamedRestaurant.objects.create(name="diner")
    diner.name = "bistro"
    diner.save()
    NamedRestaurant.objects.update(stars=5)
    diner.delete()
    events = recorded()
    assert brief(events) == [
        (action, "shapes.restaurant", events[0]["object_id"])
        for action in ("create", "update", "update", "delete")
    ]
    assert events[-1]["before"]["name"] == "bistro"


def test_three_tables(recorded):
    trattoria = Trattoria.objects.create(name="da noi", stars=1, pasta="penne")
    (event,) = recorded()
    key = trattoria.pk
    state = {
        "id": key,
        "name": "da noi",
        "place_ptr": key,
        "stars": 1,
        "restaurant_ptr": key,
        "pasta": "penne",
    }
    assert states([event]) == [("create", "trattoria", None, state)]
    trattoria.name, trattoria.pasta = "da voi", "fusilli"
    trattoria.save()
    (event,) = recorded()
    assert event["before"] == {"name": "da noi", "pasta": "penne"}
    assert event["after"] == {**state, "name": "da voi", "pasta": "fusilli"}
    Trattoria.objects.update(name="a", stars=2, pasta="b")
    (event,) = recorded()
    assert event["changed"] == ["name", "pasta", "stars"]
    Trattoria.objects.get().delete()
    (event,) = recorded()
    assert event["before"] == {**state, "name": "a", "stars": 2, "pasta": "b"}


def test_a_base_that_is_abstract_adds_its_fields(recorded):
    cafe = Cafe.objects.create(name="c", brand="Bean", beans={"a": [1]})
    (event,) = recorded()
    assert event["after"] == {
        "id": cafe.pk,
        "name": "c",
        "place_ptr": cafe.pk,
        "brand": "Bean",
        "slug": "bean",
        "beans": {"a": [1]},
    }
    cafe.beans["a"].append(2)
    cafe.brand = "Leaf"
    cafe.save()
    (event,) = recorded()
    assert event["before"] == {"beans": {"a": [1]}, "brand": "Bean", "slug": "bean"}
    assert (event["after"]["slug"], event["after"]["beans"]) == ("leaf", {"a": [1, 2]})


def test_a_key_of_its_own(recorded):
    Place.objects.create(name="first")
    recorded()
    depot = Depot.objects.create(name="d", code="X1", size=3)
    place = depot.place_id
    (event,) = recorded()
    state = {"id": place, "name": "d", "code": "X1", "place": place, "size": 3}
    assert (event["object_id"], event["after"]) == ("X1", state)
    depot.name = "e"
    depot.save(update_fields=["name"])
    (event,) = recorded()
    assert (event["object_id"], event["before"]) == ("X1", {"name": "d"})
    assert event["after"] == {"id": place, "name": "e", "code": "X1"}
    Depot.objects.update(name="f", size=4)
    (event,) = recorded()
    assert event["after"] == {**state, "name": "f", "size": 4}
    Depot.objects.get().delete()
    (event,) = recorded()
    assert (event["object_id"], event["before"]) == ("X1", {**state, "name": "f", "size": 4})


def test_two_parents_of_one_grandparent(recorded):
    review = Review.objects.create(title="t", isbn="i", pages=1, stars=2)
    (event,) = recorded()
    key = review.pk
    links = dict.fromkeys(("id", "book_piece", "piece", "article_ptr", "book_ptr"), key)
    state = {**links, "title": "t", "isbn": "i", "pages": 1, "stars": 2}
    assert states([event]) == [("create", "review", None, state)]
    review.title, review.pages, review.stars = "u", 2, 3
    review.save()
    (event,) = recorded()
    assert event["before"] == {"title": "t", "pages": 1, "stars": 2}
    Review.objects.update(title="v", isbn="j", pages=5)
    (event,) = recorded()
    assert event["changed"] == ["isbn", "pages", "title"]
    Piece.objects.get().delete()
    (event,) = recorded()
    assert event["before"] == {**state, "title": "v", "isbn": "j", "pages": 5, "stars": 3}


def test_two_parents_with_keys_of_their_own(recorded):
    Person.objects.create()
    recorded()
    member = Member.objects.create(email="a@b", api_token="x", logins=1, since=2)
    (event,) = recorded()
    assert event["model"] == "shapes.member"
    assert event["after"]["person_id"] != event["after"]["account_id"]
    assert event["after"]["api_token"].startswith("masked:")
    member.email, member.logins, member.since = "c@d", 2, 3
    member.save()
    (event,) = recorded()
    assert event["before"] == {"email": "a@b", "logins": 1, "since": 2}
    Member.objects.update(email="e@f", logins=F("logins") + 1)
    (event,) = recorded()
    assert (event["changed"], event["after"]["logins"]) == (["email", "logins"], 3)
    member.delete()
    (event,) = recorded()
    assert (event["action"], event["before"]["since"]) == ("delete", 3)


@pytest.mark.parametrize(
    "values",
    [{"name": "bistro"}, {"stars": 2}, {"name": "bistro", "stars": 2}],
    ids=["the parent's", "its own", "both"],
)
def test_an_update_is_one_event_for_each_object(diner, recorded, values):
    other = Restaurant.objects.create(name="diner", stars=1)
    Place.objects.create(name="diner")
    recorded()
    assert Restaurant.objects.filter(name="diner").update(**values) == 2
    before = {name: whole(diner)[name] for name in values}
    assert states(recorded()) == [
        ("update", "restaurant", before, whole(each, **values)) for each in (diner, other)
    ]


def test_an_update_by_expressions_has_the_values_as_stored(diner, recorded):
    Restaurant.objects.update(name=Upper("name"), stars=F("stars") + 1)
    assert states(recorded()) == [
        ("update", "restaurant", {"name": "diner", "stars": 1}, whole(diner, "DINER", 2))
    ]


def test_a_bulk_update_is_one_event_for_each_object(diner, recorded):
    diner.name, diner.stars = "bistro", 3
    Restaurant.objects.bulk_update([diner], ["name", "stars"])
    assert states(recorded()) == [
        ("update", "restaurant", {"name": "diner", "stars": 1}, whole(diner, "bistro", 3))
    ]


def test_what_is_written_through_the_parent_names_the_parent(diner, recorded):
    place = Place.objects.get()
    place.name = "bistro"
    place.save()
    Place.objects.update(name="cafe")
    assert states(recorded()) == [
        ("update", "place", {"name": "diner"}, {"id": diner.pk, "name": "bistro"}),
        ("update", "place", {"name": "bistro"}, {"id": diner.pk, "name": "cafe"}),
    ]


def test_bulk_create_writes_the_parents_only(recorded):
    with pytest.raises(ValueError, match="multi-table"):
        Restaurant.objects.bulk_create([Restaurant(name="a")])
    Place.objects.bulk_create([Place(name="a"), Place(name="b")])
    assert [event["after"]["name"] for event in recorded()] == ["a", "b"]


def test_loaddata_tells_each_row(recorded, tmp_path, diner):
    file = tmp_path / "all.json"
    objects = [*Place.objects.all(), *Restaurant.objects.all()]
    file.write_text(serializers.serialize("json", objects))
    call_command("loaddata", str(file), verbosity=0)
    assert states(recorded()) == [
        ("update", "place", {}, {"id": diner.pk, "name": "diner"}),
        ("update", "restaurant", {}, {"id": diner.pk, "place_ptr": diner.pk, "stars": 1}),
    ], "nobody knows what they were before"
    Place.objects.all().delete()
    recorded()
    call_command("loaddata", str(file), verbosity=0)
    assert states(recorded()) == [
        ("create", "place", None, {"id": diner.pk, "name": "diner"}),
        ("create", "restaurant", None, {"place_ptr": diner.pk, "stars": 1}),
    ]


def test_a_row_that_is_loaded_without_its_parents_has_the_keys_that_its_links_lead_to(recorded):
    trattoria = Trattoria.objects.create(name="t", pasta="penne")
    Place.objects.create()
    depot = Depot.objects.create(name="d", code="X1", size=3)
    review = Review.objects.create(title="t", stars=2)
    recorded()
    text = serializers.serialize("json", [trattoria, depot, review])
    for each in serializers.deserialize("json", text):
        each.save()
    links = dict.fromkeys(("id", "place_ptr", "restaurant_ptr"), trattoria.pk)
    pieces = dict.fromkeys(("id", "book_piece", "piece", "article_ptr", "book_ptr"), review.pk)
    first, second, third = recorded()
    assert states([first, third]) == [
        ("update", "trattoria", {}, {**links, "pasta": "penne"}),
        ("update", "review", {}, {**pieces, "stars": 2}),
    ]
    # Where the collation takes other spellings of its key for the same, the whole row is read.
    assert (second["after"]["id"], second["after"]["place"]) == (depot.place_id, depot.place_id)


def test_a_save_that_fails_in_between_leaves_nothing(diner, recorded):
    Depot.objects.create(name="a", code="A", size=1)
    other = Depot.objects.create(name="b", code="B", size=2)
    recorded()
    other.name, other.size = "c", 1
    with pytest.raises(IntegrityError), transaction.atomic():
        other.save()
    with pytest.raises(IntegrityError), transaction.atomic():
        Depot.objects.create(name="d", code="D", size=1)
    assert recorded() == []
    other.size = 3
    other.save()
    (event,) = recorded()
    assert event["before"] == {"name": "b", "size": 2}


def test_a_savepoint_that_is_rolled_back_between_saves(diner, recorded):
    try:
        with transaction.atomic():
            diner.name, diner.stars = "bistro", 2
            diner.save()
            raise ZeroDivisionError
    except ZeroDivisionError:
        pass
    assert recorded() == []
    diner.save()
    (event,) = recorded()
    assert event["before"] == {"name": "diner", "stars": 1}


def test_events_in_between_are_kept(diner, recorded, monkeypatch):
    """A field of the child that writes elsewhere when it is asked for its value."""
    field = Restaurant._meta.get_field("stars")

    def pre_save(instance, add):
        Piece.objects.create(title="meanwhile")
        return instance.stars

    monkeypatch.setattr(field, "pre_save", pre_save)
    diner.name, diner.stars = "bistro", 2
    diner.save()
    first, between, last = recorded()
    assert (first["model"], first["changed"]) == ("shapes.restaurant", ["name"])
    assert between["model"] == "shapes.piece"
    assert (last["model"], last["changed"]) == ("shapes.restaurant", ["stars"])
    assert last["after"]["stars"] == 2


def test_a_delete_that_fails_in_between_leaves_nothing(diner, recorded):
    def refuse(**_):
        raise ZeroDivisionError

    pre_delete.connect(refuse, sender=Place)
    try:
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            diner.delete()
    finally:
        pre_delete.disconnect(refuse, sender=Place)
    assert recorded() == []


def test_the_tenant_of_a_parents_row_is_that_of_the_object(settings, recorded):
    settings.TRAILKEEPER = {**settings.TRAILKEEPER, "TENANT_FIELD": {"shapes.*": "name"}}
    diner = Restaurant.objects.create(name="acme")
    diner.stars = 2
    diner.save()
    Restaurant.objects.get().delete(keep_parents=True)
    assert [event.get("tenant") for event in recorded()] == ["acme", "acme", None]


@pytest.mark.drift("a block in which nothing is recorded")
def test_what_is_saved_while_nothing_is_recorded_is_known(diner, recorded):
    with trailkeeper.disabled(reason="a test"):
        diner.name = "bistro"
        diner.save()
    recorded()
    diner.stars = 2
    diner.save()
    (event,) = recorded()
    assert event["before"] == {"stars": 1}
    assert event["after"] == whole(diner, "bistro", 2)


def test_a_parent_that_is_not_tracked_is_not_told(settings, recorded):
    settings.TRAILKEEPER = {**settings.TRAILKEEPER, "EXCLUDE": ["shapes.place", "shop.ignored"]}
    registry.reset()
    diner = Restaurant.objects.create(name="diner", stars=1)
    diner.name, diner.stars = "bistro", 2
    diner.save()
    Restaurant.objects.update(name="x")
    loaded = Restaurant.objects.only("name", "stars").get()
    loaded.stars = 30
    loaded.save()
    own = {"place_ptr": int(loaded.pk)}
    # As many fields as are tracked, and others.
    Restaurant.objects.only("name").get().delete()
    assert [(action, after or before) for action, _, before, after in states(recorded())] == [
        ("create", {**own, "stars": 1}),
        ("update", {**own, "stars": 2}),
        ("update", {**own, "stars": 30}),
        ("delete", {**own, "stars": 30}),
    ]


def test_a_child_that_is_not_tracked_leaves_its_parent(settings, recorded):
    settings.TRAILKEEPER = {
        **settings.TRAILKEEPER,
        "EXCLUDE": ["shapes.restaurant", "shop.ignored"],
    }
    registry.reset()
    diner = Restaurant.objects.create(name="diner", stars=1)
    diner.name, diner.stars = "bistro", 2
    diner.save()
    Restaurant.objects.update(name="x", stars=3)
    diner.delete()
    assert [(e["action"], e["model"]) for e in recorded()] == [
        (action, "shapes.place") for action in ("create", "update", "update", "delete")
    ]


def test_books_and_articles_apart(recorded):
    Book.objects.create(title="b", isbn="1")
    Article.objects.create(title="a", pages=3)
    Piece.objects.create(title="p")
    assert [e["model"] for e in recorded()] == ["shapes.book", "shapes.article", "shapes.piece"]
    Piece.objects.all().delete()
    assert sorted(e["model"] for e in recorded()) == [
        "shapes.article",
        "shapes.book",
        "shapes.piece",
    ]
