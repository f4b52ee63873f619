"""Updates and deletes that return what they write: the rows as stored, and no others."""

import pytest
from django.db import DatabaseError, connection, models, transaction
from django.db.models import F
from tests.shop.models import Customer, Note, Order, Price

from trailkeeper import failure
from trailkeeper.capture import pairing, returning, rows

pytestmark = pytest.mark.django_db

RETURNS_UPDATES = connection.vendor != "mysql"
#: More than are kept in memory.
MANY = rows.KEPT + 3


def brief(events):
    return [
        (e["action"], e.get("object_id"), e.get("before"), e.get("after"), e.get("unavailable"))
        for e in events
    ]


def notes(*slugs):
    return [Note.objects.create(slug=slug, body="1") for slug in slugs]


@pytest.fixture
def others_first(monkeypatch):
    """Others write between the rows are read and the statement: what was read is what is given."""
    original = rows.matched_by

    def read_as(change):
        monkeypatch.setattr(rows, "matched_by", lambda *args: rows.Kept(change(original(*args))))

    return read_as


@pytest.mark.skipif(not RETURNS_UPDATES, reason="it tells no more than how many rows it wrote")
def test_a_row_that_was_not_updated_is_not_told(recorded, others_first):
    notes("a")
    others_first(lambda found: [*found, ("b", "1")])
    recorded()
    assert Note.objects.update(body=F("slug")) == 1
    assert [e["object_id"] for e in recorded()] == ["a"]


@pytest.mark.skipif(not RETURNS_UPDATES, reason="it tells no more than how many rows it wrote")
def test_a_row_that_was_not_read_has_an_unknown_state_before(recorded, others_first):
    notes("a", "b")
    others_first(lambda found: [row for row in found if row[0] == "a"])
    recorded()
    assert Note.objects.update(body=F("slug")) == 2
    assert brief(recorded()) == [
        ("update", "a", {"body": "1"}, {"slug": "a", "body": "a"}, None),
        ("update", "b", {}, {"slug": "b", "body": "b"}, ["body", "slug"]),
    ]


@pytest.mark.skipif(connection.vendor != "sqlite", reason="for SQLite, which locks as a whole")
def test_where_nobody_else_can_write_a_plain_update_is_left_as_it_is(recorded, statements):
    notes("a")
    statements.clear()
    Note.objects.update(body="2")
    assert not [sql for sql in statements if "RETURNING" in sql]
    assert recorded()


def test_a_row_that_is_given_another_key_is_another_object(recorded):
    notes("a")
    recorded()
    assert Note.objects.update(slug="b") == 1
    events = [(e["action"], e["object_id"], e.get("before"), e.get("after")) for e in recorded()]
    assert events == [
        ("delete", "a", {"slug": "a", "body": "1"}, None),
        ("create", "b", None, {"slug": "b", "body": "1"}),
    ]


@pytest.mark.skipif(connection.vendor != "postgresql", reason="only its driver gives row by row")
def test_an_update_of_many_rows_by_an_expression_is_not_read_again(recorded, statements):
    Note.objects.bulk_create([Note(slug=f"{n:06}", body="x") for n in range(MANY)])
    recorded()
    statements.clear()
    assert Note.objects.update(body=F("slug")) == MANY
    (update,) = [sql for sql in statements if "UPDATE" in sql and "SELECT" not in sql]
    assert "RETURNING" in update
    # The rows before it: a look whether they are few, and the rest.
    assert len([sql for sql in statements if sql.startswith("SELECT")]) <= 2
    events = recorded()
    assert [e["object_id"] for e in events] == sorted(e["object_id"] for e in events)
    assert all(e["after"]["body"] == e["object_id"] for e in events)
    assert len(events) == MANY


@pytest.mark.parametrize("count", [3, MANY])
def test_rows_before_and_after_are_paired_however_many(count):
    olds = [(number, "old") for number in range(count)]
    news = [(number, "new") for number in reversed(range(1, count + 2))]
    kept = rows.Kept(olds)
    found = list(pairing.pairs(kept, news, len(news), lambda row: str(row[0])))
    kept.close()
    paired = [(old, (old[0], "new")) for old in olds[1:]]
    assert found[: len(paired)] == paired
    assert sorted(found[len(paired) :]) == [(None, (count, "new")), (None, (count + 1, "new"))]


@pytest.fixture
def trigger(db):
    """Makes a trigger, which goes with the test's transaction."""

    def make(**statements):
        if connection.vendor not in statements:
            pytest.skip("for another database")
        with connection.cursor() as cursor:
            for statement in statements[connection.vendor]:
                cursor.execute(statement)

    return make


def test_what_a_trigger_of_sqlite_leaves_is_told(recorded, trigger):
    trigger(
        sqlite=[
            "CREATE TRIGGER stamp AFTER UPDATE OF body ON shop_note "
            "BEGIN UPDATE shop_note SET body = new.body || '!' WHERE slug = new.slug; END"
        ]
    )
    notes("a")
    recorded()
    for value, after in (("2", "2!"), (F("slug"), "a!")):
        assert Note.objects.update(body=value) == 1
        (event,) = recorded()
        assert event["after"]["body"] == after


def test_what_a_trigger_of_postgresql_leaves_is_told(recorded, trigger):
    trigger(
        postgresql=[
            "CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN new.body := new.body || '!'; RETURN new; END $$",
            "CREATE TRIGGER stamp BEFORE UPDATE ON shop_note FOR EACH ROW EXECUTE FUNCTION stamp()",
        ]
    )
    notes("a")
    recorded()
    assert Note.objects.update(body="2") == 1
    (event,) = recorded()
    assert event["after"]["body"] == "2!"


def test_a_row_that_a_trigger_keeps_is_not_deleted(recorded, trigger):
    trigger(
        sqlite=[
            "CREATE TRIGGER keep BEFORE DELETE ON shop_note WHEN old.slug = 'a' "
            "BEGIN SELECT RAISE(IGNORE); END"
        ],
        postgresql=[
            "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN IF old.slug = 'a' THEN RETURN NULL; END IF; RETURN old; END $$",
            "CREATE TRIGGER keep BEFORE DELETE ON shop_note FOR EACH ROW EXECUTE FUNCTION keep()",
        ],
    )
    notes("a", "b")
    recorded()
    assert Note.objects.all().delete() == (1, {"shop.Note": 1})
    assert [(e["action"], e["object_id"]) for e in recorded()] == [("delete", "b")]


@pytest.mark.drift("its rows could not be told")
@pytest.mark.parametrize("write", ["update", "delete", "insert"])
def test_a_value_that_cannot_be_read_costs_the_events_and_not_the_statement(
    recorded, monkeypatch, write
):
    notes("a")
    recorded()

    def refuse(*_):
        raise ValueError("no")

    monkeypatch.setattr(models.TextField, "from_db_value", refuse, raising=False)
    if write == "delete":
        assert Note.objects.all()._raw_delete("default") == 1
    elif write == "update":
        # Where the row cannot be read before, the statement is not even tried to be told.
        assert Note.objects.update(body=F("slug")) == 1
    else:
        Note.objects.bulk_create([Note(slug="b", body="1")], ignore_conflicts=True)
    monkeypatch.undo()
    assert failure.losses.count == 1
    failure.losses.take()
    assert Note.objects.filter(slug="a").exists() is (write != "delete")


@pytest.mark.drift("its rows could not be told")
def test_rows_that_cannot_be_kept_cost_the_events_and_not_the_statement(recorded, monkeypatch):
    notes("a", "b", "c")
    recorded()

    def refuse(found):
        next(found)
        raise OSError("no space left on device")

    monkeypatch.setattr(rows, "Kept", refuse)
    monkeypatch.setattr(returning.rows, "CHUNK", 1)
    assert Note.objects.all()._raw_delete("default") == 3
    monkeypatch.undo()
    assert failure.losses.count == 1
    failure.losses.take()
    assert not Note.objects.exists()


@pytest.mark.drift("its rows could not be told")
@pytest.mark.skipif(connection.vendor == "postgresql", reason="ends the transaction at an error")
def test_a_column_that_the_table_does_not_have_costs_the_events_and_not_the_statement(
    recorded, monkeypatch
):
    notes("a", "b")
    recorded()
    monkeypatch.setattr(Note._meta.get_field("body"), "column", "gone")
    assert Note.objects.filter(slug="a")._raw_delete("default") == 1
    with pytest.raises(DatabaseError, match="gone"), transaction.atomic():
        Note.objects.filter(body="1")._raw_delete("default")
    monkeypatch.undo()
    assert failure.losses.count == 1
    assert "gone" in failure.losses.take()[1]
    assert [note.slug for note in Note.objects.all()] == ["b"]


def test_a_table_that_django_does_not_manage_may_return_nothing(recorded, statements, monkeypatch):
    notes("a")
    recorded()
    monkeypatch.setattr(Note._meta, "managed", False)
    statements.clear()
    Note.objects.update(body=F("slug"))
    Note.objects.all()._raw_delete("default")
    assert not [sql for sql in statements if "RETURNING" in sql]
    assert [e["action"] for e in recorded()] == ["update", "delete"]


@pytest.mark.django_db(transaction=True)
class TestAutocommit:
    @pytest.mark.parametrize("value", ["2", F("slug")], ids=["plain", "expression"])
    def test_an_update_is_told_as_stored(self, committed, value):
        notes("a", "b")
        committed()
        assert Note.objects.update(body=value) == 2
        assert [(e["before"], e["after"]) for e in committed()] == [
            ({"body": "1"}, {"slug": slug, "body": "2" if value == "2" else slug})
            for slug in ("a", "b")
        ]

    def test_what_was_rounded_is_told_as_stored(self, committed):
        Price.objects.create(code="a", amount=1)
        committed()
        Price.objects.update(amount="2.005")
        stored = Price.objects.get()
        assert [e["after"]["amount"] for e in committed()] == [str(stored.amount)]

    @pytest.mark.parametrize("value", ["1", F("body")], ids=["plain", "expression"])
    def test_an_update_that_changes_nothing_leaves_nothing(self, committed, value):
        notes("a")
        committed()
        assert Note.objects.update(body=value) == 1
        assert committed() == []

    def test_a_row_that_was_not_updated_is_not_told(self, committed, others_first):
        if not RETURNS_UPDATES:
            pytest.skip("it tells no more than how many rows it wrote")
        notes("a")
        committed()
        others_first(lambda found: [*found, ("b", "1")])
        assert Note.objects.update(body="2") == 1
        assert [e["object_id"] for e in committed()] == ["a"]

    def test_deletes_of_all_sizes_are_told_from_a_transaction(self, committed):
        count = rows.KEPT + 5
        Customer.objects.bulk_create([Customer(name=str(number)) for number in range(count)])
        committed()
        with transaction.atomic():
            assert Customer.objects.all()._raw_delete("default") == count
        assert len(committed()) == count


def test_links_of_an_object_are_told_when_they_go(recorded):
    order = Order.objects.create(number="1", customer=Customer.objects.create(name="Ada"))
    order.tags.create(name="red")
    recorded()
    order.tags.clear()
    assert [e["action"] for e in recorded()] == ["unlink"]
