"""Ways to write rows, each as the application does it: docs/guide/write-paths.md names them all.

What the events of a row hold is tested in `test_capture_rows.py`; here, that each way leaves them.
"""

import json

import pytest
from asgiref.sync import async_to_sync
from django.core.files.base import ContentFile
from django.core.management import call_command
from django.db import IntegrityError, transaction
from django.db.models import Case, Count, F, OuterRef, Subquery, Value, When
from tests.library.models import Book, Chapter, Draft, Page, Person, Remark, Series

pytestmark = pytest.mark.django_db


@pytest.fixture
def series():
    # The one that is the default of books.
    return Series.objects.create(pk=1, name="all")


@pytest.fixture
def books(series):
    return [Book.objects.create(title=title, series=series) for title in "abc"]


def told(events):
    return [(e["action"], e["model"].removeprefix("library."), e["object_id"]) for e in events]


def key(*instances):
    return [str(instance.pk) for instance in instances]


def test_forced_inserts_and_updates(recorded):
    person = Person(pk=7, name="Ada")
    person.save(force_insert=True)
    person.name = "Bob"
    person.save(force_update=True)
    with pytest.raises(IntegrityError), transaction.atomic():
        Person(pk=7, name="Cid").save(force_insert=True)
    events = recorded()
    assert told(events) == [("create", "person", "7"), ("update", "person", "7")]
    assert (events[1]["before"], events[1]["after"]["name"]) == ({"name": "Ada"}, "Bob")


def test_an_instance_that_is_given_another_key_is_another_row(recorded):
    person = Person.objects.create(name="Ada")
    old = str(person.pk)
    recorded()
    person.pk = None
    person.save()
    person.pk += 1000
    person.save()
    events = recorded()
    assert [event["action"] for event in events] == ["create", "create"]
    assert len({old, *(event["object_id"] for event in events)}) == 3
    assert all("before" not in event for event in events)


def test_fixtures(recorded, series, tmp_path):
    person = Person.objects.create(name="Ada")
    recorded()
    fields = {"title": "new", "series": 1, "changed_at": "2026-01-02T03:04:05Z"}
    objects = [
        {"model": "library.person", "pk": person.pk, "fields": {"name": "Bob"}},
        {"model": "library.book", "pk": 5, "fields": {**fields, "authors": [person.pk]}},
    ]
    fixture = tmp_path / "library.json"
    fixture.write_text(json.dumps(objects))
    call_command("loaddata", fixture, verbosity=0)
    events = recorded()
    assert told(events) == [
        ("update", "person", str(person.pk)),
        ("create", "book", "5"),
        ("link", "book", "5"),
    ]
    # A save of raw data sets no time of its own.
    assert events[1]["after"]["changed_at"] == "2026-01-02T03:04:05Z"


def test_a_save_sets_the_time_that_is_recorded(recorded, books):
    recorded()
    books[0].save()
    (event,) = recorded()
    assert event["changed"] == ["changed_at"]
    assert event["before"]["changed_at"] < event["after"]["changed_at"]


def test_get_or_create_and_update_or_create(recorded):
    ada, _ = Person.objects.get_or_create(name="Ada")
    Person.objects.get_or_create(name="Ada")
    bob, _ = Person.objects.update_or_create(name="Ada", defaults={"name": "Bob"})
    Person.objects.update_or_create(name="Bob", defaults={"name": "Bob"})
    cid, _ = Person.objects.update_or_create(name="Cid")
    assert told(recorded()) == [
        ("create", "person", *key(ada)),
        ("update", "person", *key(bob)),
        ("create", "person", *key(cid)),
    ]


def test_updates_by_case_and_subquery(recorded, books):
    Chapter.objects.bulk_create([Chapter(book=book, title="1") for book in books[:2]])
    recorded()
    chapters = Chapter.objects.filter(book=OuterRef("pk")).values("book")
    counted = chapters.annotate(number=Count("pk")).values("number")
    Book.objects.filter(pk__in=key(*books[:2])).update(copies=Subquery(counted) + 4)
    Book.objects.update(
        copies=Case(When(title="c", then=Value(9)), default=F("copies") + 1),
    )
    events = recorded()
    changes = {(e["object_id"], e["before"]["copies"], e["after"]["copies"]) for e in events}
    assert len(events) == len(changes)
    assert changes == {
        *((pk, 1, 5) for pk in key(*books[:2])),
        *((pk, 5, 6) for pk in key(*books[:2])),
        (str(books[2].pk), 1, 9),
    }


def test_an_update_of_the_field_that_it_filters_by(recorded, books):
    recorded()
    assert Book.objects.filter(title="b").update(title="c") == 1
    (event,) = recorded()
    assert told([event]) == [("update", "book", *key(books[1]))]
    assert (event["before"], event["after"]["title"]) == ({"title": "b"}, "c")


def test_a_cascade_of_three_tables(recorded, books):
    chapter = Chapter.objects.create(book=books[0], title="1")
    pages = [Page.objects.create(chapter=chapter, number=number) for number in range(3)]
    recorded()
    Book.objects.filter(title__in="ab").delete()
    events = recorded()
    assert sorted(told(events)) == sorted(
        [("delete", "book", pk) for pk in key(*books[:2])]
        + [("delete", "chapter", *key(chapter))]
        + [("delete", "page", pk) for pk in key(*pages)]
    )
    # What refers to a row goes before it.
    assert [event["model"] for event in events][-1] == "library.book"


def test_what_a_delete_sets_in_other_rows(recorded, series):
    editor, other = Person.objects.create(name="Ada"), Series.objects.create(pk=2, name="other")
    book = Book.objects.create(title="a", editor=editor, series=other)
    recorded()
    editor.delete()
    other.delete()
    events = recorded()
    nobody = Person.objects.get(name="nobody")
    assert told(events) == [
        ("create", "person", *key(nobody)),
        ("update", "book", *key(book)),
        ("delete", "person", events[2]["object_id"]),
        ("update", "book", *key(book)),
        ("delete", "series", events[4]["object_id"]),
    ]
    assert (events[1]["changed"], events[1]["after"]["editor"]) == (["editor"], nobody.pk)
    assert (events[3]["changed"], events[3]["after"]["series"]) == (["series"], 1)


def test_a_raw_delete(recorded, books):
    recorded()
    Book.objects.filter(title="a")._raw_delete("default")
    assert told(recorded()) == [("delete", "book", *key(books[0]))]


def test_remarks_by_generic_relation(recorded, books):
    recorded()
    good = books[0].remarks.create(text="good")
    bad = Remark.objects.create(text="bad", target=books[1])
    pks, gone = key(good, bad), str(books[1].pk)
    books[0].remarks.update(text="better")
    books[0].remarks.remove(good)
    books[1].delete()
    assert told(recorded()) == [
        ("create", "remark", pks[0]),
        ("create", "remark", pks[1]),
        ("update", "remark", pks[0]),
        ("delete", "remark", pks[0]),
        ("delete", "remark", pks[1]),
        ("delete", "book", gone),
    ]


def test_a_proxy_is_told_as_its_model(recorded, series):
    recorded()
    draft = Draft.objects.create(title="a", series=series)
    Draft.objects.update(title="b")
    Draft.objects.get().delete()
    assert told(recorded()) == [
        (action, "book", *key(draft)) for action in ("create", "update", "delete")
    ]


@pytest.mark.parametrize("is_loaded", [False, True], ids=["as created", "loaded"])
def test_a_file_is_told_by_its_name(recorded, books, settings, tmp_path, is_loaded):
    settings.MEDIA_ROOT = tmp_path
    book = Book.objects.get(pk=books[0].pk) if is_loaded else books[0]
    recorded()
    names = [""]
    for content in (b"first", b"second"):
        # The same object takes another name.
        book.cover.save("cover.png", ContentFile(content), save=False)
        book.save(update_fields=["cover"])
        names.append(book.cover.name)
    book.cover.delete()
    *saves, removal = recorded()
    assert [(e["changed"], e["before"]["cover"], e["after"]["cover"]) for e in saves] == [
        (["cover"], names[0], names[1]),
        (["cover"], names[1], names[2]),
    ]
    assert removal["before"]["cover"] == names[2]
    assert removal["after"]["cover"] == ""


@pytest.mark.django_db(transaction=True)
def test_async_methods(committed):
    async def write():
        ada = await Person.objects.acreate(name="Ada")
        ada.name = "Bob"
        await ada.asave()
        await Person.objects.abulk_create([Person(name="Cid")])
        await Person.objects.filter(name="Cid").aupdate(name="Dan")
        await Person.objects.aget_or_create(name="Dan")
        book = await Book.objects.acreate(title="a", series=await Series.objects.acreate(pk=1))
        await book.authors.aadd(ada)
        await book.authors.aset([])
        await ada.adelete()
        await Person.objects.all().adelete()

    async_to_sync(write)()
    events = committed()
    assert [(event["action"], event["model"].removeprefix("library.")) for event in events] == [
        ("create", "person"),
        ("update", "person"),
        ("create", "person"),
        ("update", "person"),
        ("create", "series"),
        ("create", "book"),
        ("link", "book"),
        ("unlink", "book"),
        ("delete", "person"),
        ("delete", "person"),
    ]
