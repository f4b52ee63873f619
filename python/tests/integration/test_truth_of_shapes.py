"""Baseline, reconciliation and gaps over tables of every shape."""

import datetime
import decimal

import pytest
from django.db import connection
from tests.shapes.models import (
    Badge,
    Hideable,
    NamedPlace,
    Place,
    Restaurant,
    Scan,
    Seat,
    Ticket,
    Visit,
)

import trailkeeper
from trailkeeper import capture
from trailkeeper.baseline import baseline
from trailkeeper.history.state import UnknownValueError
from trailkeeper.reconcile import Kind, Reconciliation, drift
from trailkeeper.tables import known, stored

pytestmark = pytest.mark.django_db(transaction=True)


def fill():
    place = Place.objects.create(name="park")
    diner = Restaurant.objects.create(name="diner", stars=1)
    NamedPlace.objects.create(name="museum")
    Seat.objects.bulk_create([Seat(row=row, number=n) for row in "ab" for n in range(12)])
    tickets = [
        Ticket.objects.create(
            price=decimal.Decimal(n),
            valid_for=datetime.timedelta(hours=n),
            starts_at=datetime.time(n, 30),
        )
        for n in range(5)
    ]
    tickets[0].friends.add(*tickets[1:3])
    tickets[1].friends.remove(tickets[0])
    Visit.objects.create(ticket=tickets[0], place=place, note="sunny")
    tickets[1].places.add(diner, through_defaults={"note": "late"})
    Hideable.objects.create()
    Hideable.objects.create(is_hidden=True)
    badge = Badge.objects.create(token="sk-4711")
    badge.places.add(place, diner)
    badge.places.remove(diner)
    Scan.objects.create(badge=badge)


def change():
    Restaurant.objects.update(stars=3)
    Restaurant.objects.update(name="bistro")
    NamedPlace.objects.filter(name="museum").update(name="gallery")
    seat = Seat.objects.get(pk=("a", 3))
    seat.taken = True
    seat.save()
    Seat.objects.filter(row="b", number__gt=8).delete()
    ticket = Ticket.objects.order_by("price").last()
    ticket.price = decimal.Decimal("7.5")
    ticket.save()
    Ticket.objects.order_by("price")[0].delete()
    Restaurant.objects.get().delete()


def execute(*statements):
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


@pytest.fixture(params=["whole", "in pages"])
def pages(request, monkeypatch):
    if request.param == "in pages":
        monkeypatch.setattr(stored, "PAGE", 4)
        monkeypatch.setattr(known, "PAGE", 3)
        monkeypatch.setattr(known, "FEW", 2)
        monkeypatch.setattr(known, "MOST_VERSIONS", 2)


def test_what_the_orm_writes_has_neither_drift_nor_gaps(pages):
    fill()
    assert list(drift(models=["shapes"])) == []
    change()
    assert list(drift(models=["shapes"])) == []
    trailkeeper.flush()
    assert list(drift(models=["shapes"])) == []
    assert list(trailkeeper.events().filter(model__startswith="shapes.").gaps()) == []


def test_each_table_has_a_baseline(pages):
    capture.uninstall()
    try:
        fill()
    finally:
        capture.install()
    found = baseline(models=["shapes"])
    steps = {step.model: step.recorded for step in found if step.recorded}
    assert steps == {
        # The third is a restaurant.
        "shapes.place": 2,
        "shapes.restaurant": 1,
        "shapes.seat": 24,
        "shapes.ticket": 5,
        "shapes.ticket_friends": 2,
        "shapes.visit": 2,
        "shapes.badge": 1,
        "shapes.badge_places": 1,
        "shapes.scan": 1,
        "shapes.hideable": 2,
    }
    assert list(drift(models=["shapes"])) == []
    assert sum(step.recorded for step in baseline(models=["shapes"])) == 0
    change()
    assert list(drift(models=["shapes"])) == []
    assert list(trailkeeper.events().gaps()) == []


@pytest.mark.drift("a write past the trail is what is tested")
def test_drift_is_found_in_each_table(pages):
    fill()
    row = connection.ops.quote_name("row")
    execute(
        "UPDATE shapes_place SET name = 'x' WHERE name = 'park'",
        "UPDATE shapes_restaurant SET stars = 9",
        f"UPDATE shapes_seat SET taken = NOT taken WHERE {row} = 'a' AND number IN (2, 11)",
        f"DELETE FROM shapes_seat WHERE {row} = 'b' AND number = 10",
        f"INSERT INTO shapes_seat ({row}, number, taken) VALUES ('b', 100, '0')",
        "UPDATE shapes_ticket SET price = 9 WHERE price = 3",
        "DELETE FROM shapes_ticket_friends",
        "UPDATE shapes_visit SET note = 'x' WHERE note = 'late'",
        "DELETE FROM shapes_hideable",
    )
    found = [(d.kind, d.model, d.fields) for d in drift(models=["shapes"])]
    assert sorted(found) == sorted(
        [
            (Kind.DIFFERS, "shapes.place", ("name",)),
            (Kind.DIFFERS, "shapes.restaurant", ("stars",)),
            (Kind.DIFFERS, "shapes.seat", ("taken",)),
            (Kind.DIFFERS, "shapes.seat", ("taken",)),
            (Kind.LEFT_OVER, "shapes.seat", ("number", "row", "taken")),
            (Kind.MISSING, "shapes.seat", ("number", "row", "taken")),
            (Kind.DIFFERS, "shapes.ticket", ("doubled", "price")),
            (Kind.LEFT_OVER, "shapes.ticket", ("friends",)),
            (Kind.LEFT_OVER, "shapes.ticket", ("friends",)),
            (Kind.DIFFERS, "shapes.visit", ("note",)),
            (Kind.LEFT_OVER, "shapes.hideable", ("id", "is_hidden")),
            (Kind.LEFT_OVER, "shapes.hideable", ("id", "is_hidden")),
        ]
    )


@pytest.mark.drift("a write past the trail is what is tested")
def test_links_and_references_to_a_secret_key_do_not_tell_it(pages):
    fill()
    badge = Badge.objects.get()
    assert {event.action for event in trailkeeper.history(badge)} == {"create", "link", "unlink"}
    scan = trailkeeper.history(Scan.objects.get()).get()
    assert scan.after["badge"].startswith("masked:")
    with pytest.raises(UnknownValueError):
        _ = trailkeeper.as_of(Scan.objects.get(), scan.committed_at).badge_id
    execute("DELETE FROM shapes_badge_places")
    reconciliation = Reconciliation(records=True)
    (found,) = reconciliation
    assert (found.kind, found.model, found.fields) == (
        Kind.LEFT_OVER,
        "shapes.badge",
        ("places",),
    )
    assert reconciliation.recorded == 1
    assert list(drift()) == []
    assert "sk-4711" not in str(list(trailkeeper.events().values()))
