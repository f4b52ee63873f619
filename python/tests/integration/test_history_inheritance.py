"""The past of objects with rows in several tables: one object, one history."""

import datetime

import pytest
from django.db import connection
from django.utils import timezone
from tests.shapes.models import (
    Account,
    Book,
    Cafe,
    Depot,
    Hideable,
    Member,
    Person,
    Place,
    Restaurant,
    Review,
    Seat,
    Ticket,
    Trattoria,
)

import trailkeeper
from trailkeeper import capture
from trailkeeper.baseline import baseline
from trailkeeper.history.state import UnknownValueError
from trailkeeper.reconcile import Kind, Reconciliation, drift
from trailkeeper.tables import known

pytestmark = pytest.mark.django_db(transaction=True)


def now():
    return timezone.now() + datetime.timedelta(microseconds=1)


def brief(events):
    return [(event.action, event.model.removeprefix("shapes.")) for event in events]


def gaps():
    return [(gap.event.object_key, gap.fields) for gap in trailkeeper.events().gaps()]


def execute(*statements):
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def test_the_history_of_an_object_is_that_of_all_its_rows():
    diner = Restaurant.objects.create(name="diner", stars=1)
    Restaurant.objects.create(name="other")
    Place.objects.filter(pk=diner.pk).update(name="bistro")
    diner.refresh_from_db()
    diner.stars = 2
    diner.save()
    expected = [("update", "restaurant"), ("update", "place"), ("create", "restaurant")]
    place = Place.objects.get(pk=diner.pk)
    for target in (diner, place, (Restaurant, diner.pk), ("shapes.place", diner.pk)):
        assert brief(trailkeeper.history(target)) == expected
    trailkeeper.flush()
    assert brief(trailkeeper.history(place)) == expected
    assert gaps() == []


def test_the_history_of_a_model_has_that_of_its_children():
    Restaurant.objects.create(name="diner")
    Place.objects.create(name="park")
    Book.objects.create(title="b")
    assert brief(trailkeeper.history(Place)) == [("create", "place"), ("create", "restaurant")]
    assert brief(trailkeeper.events().of_model("shapes.Restaurant")) == [("create", "restaurant")]


def test_the_state_is_put_together_from_all_rows():
    # Their keys stand before and after those of the others.
    Hideable.objects.create()
    Seat.objects.create(row="a", number=1)
    diner = Restaurant.objects.create(name="diner", stars=1)
    first = now()
    Place.objects.update(name="bistro")
    second = now()
    Restaurant.objects.update(stars=2)
    third = now()
    stale = Restaurant(pk=diner.pk, name="cafe", stars=3)
    stale.save()
    for when, name, stars in ((first, "diner", 1), (second, "bistro", 1), (third, "bistro", 2)):
        found = trailkeeper.as_of(diner, when)
        assert (found.name, found.stars, found.pk, found.id) == (name, stars, diner.pk, diner.pk)
        assert trailkeeper.as_of((Place, diner.pk), when).name == name
    assert trailkeeper.as_of(diner, now()).name == "cafe"
    assert gaps() == []


def test_a_child_that_comes_later_and_goes_again():
    place = Place.objects.create(name="park")
    before = now()
    kiosk = Restaurant(place_ptr=place, stars=2)
    kiosk.save_base(raw=True)
    between = now()
    key = kiosk.pk
    Restaurant.objects.get().delete(keep_parents=True)
    after = now()
    Place.objects.update(name="garden")
    with pytest.raises(Restaurant.DoesNotExist):
        trailkeeper.as_of((Restaurant, key), before)
    found = trailkeeper.as_of((Restaurant, key), between)
    assert (found.name, found.stars) == ("park", 2)
    with pytest.raises(Restaurant.DoesNotExist):
        trailkeeper.as_of((Restaurant, key), after)
    assert trailkeeper.as_of(place, after).name == "park"
    assert trailkeeper.as_of(place, now()).name == "garden"
    Restaurant(place_ptr=place, stars=5).save_base(raw=True)
    again = trailkeeper.as_of((Restaurant, key), now())
    assert (again.name, again.stars) == ("garden", 5)
    Place.objects.get().delete()
    for model in (Place, Restaurant):
        with pytest.raises(model.DoesNotExist):
            trailkeeper.as_of((model, key), now())
    assert gaps() == []


def test_two_children_of_one_row():
    place = Place.objects.create(name="park")
    Restaurant(place_ptr=place, name="park", stars=2).save()
    Cafe(place_ptr=place, name="garden", brand="b").save()
    assert trailkeeper.as_of(Restaurant.objects.get(), now()).name == "garden"
    cafe = Cafe.objects.get()
    cafe.name = "lawn"
    cafe.save()
    assert trailkeeper.as_of(Restaurant.objects.get(), now()).name == "lawn"
    restaurant = Restaurant.objects.get()
    restaurant.name = "yard"
    restaurant.save()
    key = place.pk
    place.delete()
    with pytest.raises(Place.DoesNotExist):
        trailkeeper.as_of((Place, key), now())
    assert gaps() == []


def test_a_key_of_its_own():
    other = Place.objects.create(name="other")
    depot = Depot.objects.create(name="d", code=str(other.pk), size=3)
    place = Place.objects.get(name="d")
    Place.objects.filter(pk=place.pk).update(name="e")
    Depot.objects.update(size=4)
    Depot.objects.get().delete(keep_parents=True)
    expected = [
        ("delete", "depot"),
        ("update", "depot"),
        ("update", "place"),
        ("create", "depot"),
    ]
    for target in (depot, place, (Depot, depot.pk), (Place, place.pk)):
        assert brief(trailkeeper.history(target)) == expected
    assert brief(trailkeeper.history(other)) == [("create", "place")]
    Depot.objects.create(name="f", code="another", size=5)
    assert trailkeeper.as_of(place, now()).name == "e"
    assert gaps() == []
    assert list(drift()) == []
    Place.objects.all().delete()


def test_parents_with_keys_of_their_own():
    Person.objects.create(email="x")
    member = Member.objects.create(email="a", logins=1, since=2)
    Person.objects.filter(email="a").update(email="b")
    when = now()
    member.refresh_from_db()
    member.logins = 3
    member.save()
    found = trailkeeper.as_of((Member, member.pk), when)
    assert (found.email, found.logins, found.since) == ("b", 1, 2)
    assert brief(trailkeeper.history((Person, member.person_id))) == [
        ("update", "member"),
        ("update", "person"),
        ("create", "member"),
    ]
    for logins in (4, 6):
        Account.objects.update(logins=logins)
        Member.objects.update(logins=logins + 1)
    assert gaps() == []
    assert list(trailkeeper.events().filter(model="shapes.account").gaps()) == []


def test_two_parents_of_one_grandparent():
    review = Review.objects.create(title="t", isbn="i", pages=1, stars=2)
    Book.objects.update(isbn="j", title="u")
    found = trailkeeper.as_of(review, now())
    assert (found.title, found.isbn, found.pages, found.stars) == ("u", "j", 1, 2)
    assert gaps() == []


def test_links_to_a_parent_are_seen_by_the_child():
    diner = Restaurant.objects.create(name="diner")
    ticket = Ticket.objects.create(price=1)
    ticket.places.add(diner)
    trattoria = Trattoria.objects.create(name="t")
    trattoria.guests.add(ticket)
    assert ("link", "ticket") in brief(trailkeeper.history(diner))
    assert ("link", "ticket") in brief(trailkeeper.history(Place.objects.get(name="diner")))
    assert ("link", "trattoria") in brief(trailkeeper.history(Place.objects.get(name="t")))
    assert ("link", "trattoria") in brief(trailkeeper.history(ticket))


def test_a_lost_update_of_a_parents_field_is_a_gap():
    diner = Restaurant.objects.create(name="diner", stars=1)
    Place.objects.update(name="bistro")
    # It was loaded before.
    diner.name, diner.stars = "cafe", 2
    diner.save()
    assert gaps() == [(f"shapes.restaurant/{diner.pk}", ("name",))]
    assert len(list(trailkeeper.history(Place).gaps())) == 1


@pytest.mark.drift("a write past the trail is what is tested")
def test_what_is_written_past_the_trail_is_found_in_its_table():
    diner = Restaurant.objects.create(name="diner", stars=1)
    trattoria = Trattoria.objects.create(name="da noi", pasta="penne")
    gone = Restaurant.objects.create(name="gone")
    park = Place.objects.create(name="park")
    execute(
        f"UPDATE shapes_place SET name = 'x' WHERE id IN ({trattoria.pk}, {park.pk})",
        f"UPDATE shapes_restaurant SET stars = 9 WHERE place_ptr_id = {diner.pk}",
        f"DELETE FROM shapes_restaurant WHERE place_ptr_id = {gone.pk}",
        f"INSERT INTO shapes_restaurant (place_ptr_id, stars) VALUES ({park.pk}, 7)",
    )
    reconciliation = Reconciliation(records=True)
    assert sorted((d.kind, d.model, d.object_id, d.fields) for d in reconciliation) == sorted(
        [
            (Kind.DIFFERS, "shapes.place", str(trattoria.pk), ("name",)),
            (Kind.DIFFERS, "shapes.place", str(park.pk), ("name",)),
            (Kind.DIFFERS, "shapes.restaurant", str(diner.pk), ("stars",)),
            (Kind.LEFT_OVER, "shapes.restaurant", str(gone.pk), ("place_ptr", "stars")),
            (Kind.MISSING, "shapes.restaurant", str(park.pk), ("place_ptr", "stars")),
        ]
    )
    assert reconciliation.recorded == 5
    assert list(drift()) == []
    found = trailkeeper.as_of(trattoria, now())
    assert (found.name, found.pasta) == ("x", "penne")
    found = trailkeeper.as_of((Restaurant, park.pk), now())
    assert (found.name, found.stars) == ("x", 7)


@pytest.mark.drift("a write past the trail is what is tested")
def test_a_row_of_several_objects_is_left_over_once(monkeypatch):
    monkeypatch.setattr(known, "PAGE", 1)
    diner = Restaurant.objects.create(name="diner", stars=1)
    Place.objects.update(name="bistro")
    depot = Depot.objects.create(name="d", code="X", size=1)
    execute("DELETE FROM shapes_restaurant", "DELETE FROM shapes_depot", "DELETE FROM shapes_place")
    assert sorted((d.kind, d.model, d.object_id) for d in drift()) == [
        (Kind.LEFT_OVER, "shapes.depot", "X"),
        (Kind.LEFT_OVER, "shapes.place", str(diner.pk)),
        (Kind.LEFT_OVER, "shapes.place", str(depot.place_id)),
        (Kind.LEFT_OVER, "shapes.restaurant", str(diner.pk)),
    ]


@pytest.mark.parametrize("level", ["changed", "metadata"])
def test_at_every_level_the_rows_are_told_apart(settings, level):
    settings.TRAILKEEPER = {**settings.TRAILKEEPER, "POLICY": [("shapes.*", level)]}
    other = Place.objects.create(name="other")
    diner = Restaurant.objects.create(name="diner", stars=1)
    depot = Depot.objects.create(name="d", code=str(other.pk), size=1)
    member = Member.objects.create(email="a", logins=1)
    for saved, values in ((diner, ("name", "stars")), (depot, ("name", "size"))):
        for name in values:
            setattr(saved, name, 7)
            saved.save()
    member.logins = 3
    member.save(update_fields=["logins"])
    Place.objects.update(name="x")
    Depot.objects.update(name="y")
    Restaurant.objects.get().delete(keep_parents=True)
    expected = ["update", "update", "update", "update", "create"]
    assert [event.action for event in trailkeeper.history(depot)] == expected
    assert [event.action for event in trailkeeper.history(other)] == ["update", "create"]
    assert list(drift()) == []
    assert gaps() == []


def test_a_baseline_tells_of_each_object_once():
    capture.uninstall()
    try:
        Place.objects.create(name="park")
        diner = Restaurant.objects.create(name="diner", stars=1)
        Trattoria.objects.create(name="da noi", pasta="penne")
        Depot.objects.create(name="d", code="9", size=1)
        Review.objects.create(title="t")
        member = Member.objects.create(email="a")
    finally:
        capture.install()
    # What is known of a part is not the whole.
    diner.name = "bistro"
    diner.save(update_fields=["name"])
    for _ in baseline():
        pass
    assert sorted(brief(trailkeeper.events().filter(action="baseline"))) == [
        ("baseline", "depot"),
        ("baseline", "member"),
        ("baseline", "place"),
        ("baseline", "restaurant"),
        ("baseline", "review"),
        ("baseline", "trattoria"),
    ]
    assert sum(step.recorded for step in baseline()) == 0
    assert trailkeeper.as_of(member, now()).email == "a"
    assert gaps() == []


def test_a_baseline_of_the_parent_alone_leaves_the_child_for_later():
    capture.uninstall()
    try:
        Restaurant.objects.create(name="diner", stars=1)
    finally:
        capture.install()
    assert sum(step.recorded for step in baseline(models=[Place])) == 1
    with pytest.raises(Restaurant.DoesNotExist):
        trailkeeper.as_of(Restaurant.objects.get(), now())
    Restaurant.objects.update(stars=2)
    assert sum(step.recorded for step in baseline(models=[Restaurant])) == 0
    assert gaps() == []


def test_an_unknown_value_of_a_parent_stays_unknown():
    capture.uninstall()
    try:
        place = Place.objects.create(name="park")
    finally:
        capture.install()
    Restaurant(place_ptr=place, stars=2).save_base(raw=True)
    found = trailkeeper.as_of(Restaurant.objects.get(), now())
    assert found.stars == 2
    with pytest.raises(UnknownValueError):
        _ = found.name
    for _ in baseline():
        pass
