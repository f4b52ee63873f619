"""Links of every kind, from both sides: what is told is what was really linked and unlinked."""

import pytest
from tests.library.models import Book, Person, Series

import trailkeeper

pytestmark = pytest.mark.django_db


@pytest.fixture
def books(db):
    series = Series.objects.create(pk=1, name="all")
    return [Book.objects.create(title=title, series=series) for title in "abc"]


@pytest.fixture
def people(db):
    return [Person.objects.create(name=name) for name in ("Ada", "Bob", "Cid")]


def told(events):
    """Sorted where Django's own order is that of a set."""
    return sorted(
        (e["action"], e["changed"], e["object_id"], e["related"][0]["object_id"]) for e in events
    )


def link(action, field, source, target):
    return (action, [field], str(source.pk), str(target.pk))


def test_set_is_told_by_its_difference(recorded, books, people):
    ada, bob, cid = people
    books[0].authors.add(ada, bob)
    recorded()
    books[0].authors.set([bob, cid])
    assert told(recorded()) == [
        link("link", "authors", books[0], cid),
        link("unlink", "authors", books[0], ada),
    ]


def test_the_other_side_is_told_as_the_side_that_declares_the_field(recorded, books, people):
    ada, bob, _ = people
    recorded()
    ada.written.add(*books[:2])
    ada.written.remove(books[0])
    ada.written.set(books[1:])
    bob.written.create(title="d", series_id=1)
    ada.written.clear()
    new = Book.objects.get(title="d")
    events = [event for event in recorded() if event["action"] in ("link", "unlink")]
    assert told(events) == sorted(
        [
            link("link", "authors", books[0], ada),
            link("link", "authors", books[1], ada),
            link("unlink", "authors", books[0], ada),
            link("link", "authors", books[2], ada),
            link("link", "authors", new, bob),
            link("unlink", "authors", books[1], ada),
            link("unlink", "authors", books[2], ada),
        ]
    )


def test_two_fields_to_one_model_are_told_apart(recorded, books, people):
    recorded()
    books[0].authors.add(people[0])
    people[0].has_read.add(books[0])
    assert [event["changed"] for event in recorded()] == [["authors"], ["readers"]]


def test_a_symmetrical_link_is_two_rows_and_two_events(recorded, books):
    first, second, _ = books
    recorded()
    first.similar.add(second)
    second.similar.remove(first)
    assert told(recorded()) == sorted(
        link(action, "similar", *pair)
        for action in ("link", "unlink")
        for pair in ((first, second), (second, first))
    )


def test_a_link_among_equals_has_a_direction(recorded, books):
    recorded()
    books[0].sequels.add(books[1])
    books[1].prequels.add(books[2])
    assert told(recorded()) == sorted(
        [
            link("link", "sequels", books[0], books[1]),
            link("link", "sequels", books[2], books[1]),
        ]
    )


@pytest.mark.parametrize("side", ["source", "target"])
def test_links_go_with_either_side(recorded, books, people, side):
    ada = people[0]
    books[0].authors.add(ada)
    books[0].readers.add(ada)
    recorded()
    expected = [link("unlink", field, books[0], ada) for field in ("authors", "readers")]
    (books[0] if side == "source" else ada).delete()
    events = recorded()
    assert told(events[:2]) == expected
    assert [event["action"] for event in events[2:]] == ["delete"]


def test_both_sides_have_it_in_their_history(books, people):
    books[0].authors.add(people[0])
    for side in (books[0], people[0]):
        (event,) = trailkeeper.history(side).filter(action="link")
        assert event.changed == ["authors"]
