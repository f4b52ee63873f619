"""Tables with triggers: what is told of a row is what they leave of it."""

import contextlib
import logging
import threading

import pytest
from django.core.management import call_command
from django.db import DatabaseError, IntegrityError, connection, models, transaction
from django.db.models import F
from tests.shapes.models import Place, Restaurant
from tests.shop.models import Note, Price, Tag

import trailkeeper
from trailkeeper.capture import saves, triggers

pytestmark = pytest.mark.django_db(transaction=True)

VENDOR = connection.vendor


def execute(*statements):
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def upper(table, column, event):
    """Statements for a trigger that stores a text in capitals."""
    name = f"upper_{table}_{event}"
    if VENDOR == "sqlite":
        return [
            f"CREATE TRIGGER {name} AFTER {event} ON {table} BEGIN "
            f"UPDATE {table} SET {column} = upper(new.{column}) WHERE rowid = new.rowid; END"
        ]
    if VENDOR == "mysql":
        return [
            f"CREATE TRIGGER {name} BEFORE {event} ON {table} FOR EACH ROW "
            f"SET NEW.{column} = upper(NEW.{column})"
        ]
    return [
        f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN new.{column} := upper(new.{column}); RETURN new; END $$",
        f"CREATE TRIGGER {name} BEFORE {event} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()",
    ]


def drop(table, event):
    name = f"upper_{table}_{event}"
    return f"DROP TRIGGER {name}" + (f" ON {table}" if VENDOR == "postgresql" else "")


@pytest.fixture
def capitals(transactional_db):
    """Makes tables store a column in capitals, until the test ends."""
    made = []

    def make(table, column, events=("INSERT", "UPDATE")):
        for event in events:
            execute(*upper(table, column, event))
            made.append(drop(table, event))

    yield make
    execute(*made)


@pytest.fixture(params=["autocommit", "atomic"])
def block(request):
    """Around the writes of a test."""
    return contextlib.nullcontext if request.param == "autocommit" else transaction.atomic


def brief(events, field="name"):
    """Action, and the field before and after."""
    return [
        (e["action"], (e["before"] or {}).get(field), (e["after"] or {}).get(field)) for e in events
    ]


def new_and_existing():
    tag = Tag(name="a")
    tag.save()
    tag.name = "b"
    tag.save()
    loaded = Tag.objects.get()
    loaded.name = "c"
    loaded.save(update_fields=["name"])


def never_loaded():
    Tag(pk=Tag.objects.create(name="a").pk, name="b").save()


def create():
    Tag.objects.create(name="a")


def bulk_create():
    Tag.objects.bulk_create([Tag(name="a"), Tag(name="b")])


def bulk_update():
    tag = Tag.objects.create(name="a")
    tag.name = "b"
    Tag.objects.bulk_update([tag], ["name"])
    tag.name = "c"
    tag.save()


def queryset_update():
    Tag.objects.create(name="a")
    Tag.objects.update(name="b")


def queryset_update_with_an_expression():
    Tag.objects.create(name="a")
    Tag.objects.update(name=models.functions.Concat(F("name"), models.Value("b")))


def update_or_create():
    for name in ("a", "b"):
        Tag.objects.update_or_create(pk=1, defaults={"name": name})


WRITES = {
    new_and_existing: [("create", None, "A"), ("update", "A", "B"), ("update", "B", "C")],
    never_loaded: [("create", None, "A"), ("update", None, "B")],
    create: [("create", None, "A")],
    bulk_create: [("create", None, "A"), ("create", None, "B")],
    bulk_update: [("create", None, "A"), ("update", "A", "B"), ("update", None, "C")],
    queryset_update: [("create", None, "A"), ("update", "A", "B")],
    queryset_update_with_an_expression: [("create", None, "A"), ("update", "A", "AB")],
    update_or_create: [("create", None, "A"), ("update", "A", "B")],
}


@pytest.mark.parametrize("write", WRITES, ids=lambda write: write.__name__)
def test_what_triggers_leave_is_told(capitals, committed, block, write):
    capitals("shop_tag", "name")
    with block():
        write()
    assert brief(committed()) == WRITES[write]
    assert list(trailkeeper.events().gaps()) == []


@pytest.mark.skipif(VENDOR == "sqlite", reason="it is not told which row that is")
def test_a_row_under_a_key_that_a_trigger_changes_is_told(capitals, committed, block):
    capitals("shop_note", "slug", ["INSERT"])
    with block():
        Note.objects.create(slug="a", body="x")
    (event,) = committed()
    assert (event["object_id"], event["after"]["slug"]) == ("A", "A")


def test_a_row_that_is_given_another_key_is_told_as_stored(capitals, committed, block):
    Note.objects.create(slug="a", body="x")
    committed()
    capitals("shop_note", "body", ["UPDATE"])
    with block():
        Note.objects.update(slug="b", body="y")
    assert brief(committed(), "body") == [("delete", "x", None), ("create", None, "Y")]


def test_an_upsert_is_told_as_stored(capitals, committed, block):
    Price.objects.create(code="A", amount=1)
    committed()
    capitals("shop_price", "code")
    has_target = connection.features.supports_update_conflicts_with_target
    with block():
        Price.objects.bulk_create(
            [Price(code="A", amount=2), Price(code="b", amount=3)],
            update_conflicts=True,
            update_fields=["amount"],
            unique_fields=["code"] if has_target else None,
        )
    assert brief(committed(), "code") in (
        [("update", "A", "A"), ("create", None, "B")],
        [("update", None, "A"), ("create", None, "B")],
    )


def test_an_object_with_rows_in_several_tables_is_told_as_stored(capitals, committed, block):
    capitals("shapes_place", "name")
    with block():
        diner = Restaurant.objects.create(name="a", stars=1)
        diner.name = "b"
        diner.save()
        Restaurant.objects.update(name="c")
    events = committed()
    assert brief(events) == [("create", None, "A"), ("update", "A", "B"), ("update", "B", "C")]
    assert {event["model"] for event in events} == {"shapes.restaurant"}
    assert events[0]["after"]["stars"] == 1
    assert Place.objects.get().name == "C"


def test_an_update_of_very_many_rows_is_told_as_stored(capitals, committed, monkeypatch):
    monkeypatch.setattr("trailkeeper.capture.rows.KEPT", 1)
    Tag.objects.bulk_create([Tag(name="x"), Tag(name="y")])
    committed()
    capitals("shop_tag", "name")
    Tag.objects.update(name="a")
    assert sorted(brief(committed())) == [("update", "x", "A"), ("update", "y", "A")]


def test_what_a_block_leaves_out_is_not_taken_for_what_was_sent(capitals, committed):
    tag = Tag.objects.create(name="x")
    capitals("shop_tag", "name")
    with trailkeeper.disabled(reason="test"):
        tag.name = "a"
        tag.save()
    Tag.objects.all()
    committed()
    tag.name = "b"
    tag.save()
    assert brief(committed()) == [("update", None, "B")]


def keeps_out(event):
    """Statements for a trigger that keeps the name `kept` out of the table of tags."""
    if VENDOR == "sqlite":
        return [
            f"CREATE TRIGGER keep_out BEFORE {event} ON shop_tag WHEN new.name = 'kept' "
            "BEGIN SELECT RAISE(IGNORE); END"
        ], "DROP TRIGGER keep_out"
    return [
        "CREATE OR REPLACE FUNCTION keep_out() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN IF new.name = 'kept' THEN RETURN NULL; END IF; RETURN new; END $$",
        f"CREATE TRIGGER keep_out BEFORE {event} ON shop_tag "
        "FOR EACH ROW EXECUTE FUNCTION keep_out()",
    ], "DROP TRIGGER keep_out ON shop_tag"


@pytest.mark.skipif(VENDOR == "mysql", reason="there it can only refuse the statement")
class TestKeptOut:
    @pytest.fixture(autouse=True)
    def make(self, request):
        made, dropped = keeps_out(request.param)
        execute(*made)
        yield
        execute(dropped)

    @pytest.mark.parametrize("make", ["INSERT"], indirect=True)
    def test_a_row_that_is_not_inserted_is_not_told(self, committed, block):
        with pytest.raises(TypeError), block():
            Tag.objects.create(name="kept")
        with block():
            Tag.objects.bulk_create([Tag(pk=1, name="kept"), Tag(pk=2, name="b")])
        assert brief(committed()) == [("create", None, "b")]

    @pytest.mark.parametrize("make", ["UPDATE"], indirect=True)
    def test_a_row_that_is_not_updated_is_not_told(self, committed, block):
        tag = Tag.objects.create(name="a")
        committed()
        with block():
            tag.name = "kept"
            with contextlib.suppress(IntegrityError), transaction.atomic():
                tag.save()
            Tag.objects.update(name="kept")
        assert committed() == []
        tag.name = "b"
        tag.save()
        assert brief(committed()) == [("update", "a", "b")]


@pytest.mark.skipif(VENDOR != "postgresql", reason="for PostgreSQL, where both kinds can")
def test_what_a_trigger_leaves_after_the_statement_is_told(committed, block):
    execute(
        "CREATE OR REPLACE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF pg_trigger_depth() = 1 THEN UPDATE shop_tag SET name = upper(name) WHERE id = new.id; "
        "END IF; RETURN NULL; END $$",
        "CREATE TRIGGER stamp AFTER INSERT OR UPDATE ON shop_tag "
        "FOR EACH ROW EXECUTE FUNCTION stamp()",
    )
    try:
        for write, events in WRITES.items():
            Tag.objects.all().delete()
            committed()
            with block():
                write()
            assert brief(committed()) == events
    finally:
        execute("DROP TRIGGER stamp ON shop_tag")


@pytest.fixture
def asked(monkeypatch):
    """Which databases were asked for their triggers."""
    aliases = []
    original = triggers._ask

    def ask(asked, *args):
        aliases.append(asked.alias)
        return original(asked, *args)

    monkeypatch.setattr(triggers, "_ask", ask)
    return aliases


class TestAsking:
    def test_a_database_is_asked_once_and_nobody_sees_it(self, asked, statements):
        with connection.execute_wrapper(lambda execute, *args: execute(*args)):
            tag = Tag.objects.create(name="a")
            tag.save()
            Note.objects.create(slug="a", body="x")
            Tag.objects.update(name="b")
        assert asked == ["default"]
        assert not [sql for sql in statements if "trigger" in sql.lower()]

    def test_a_table_without_triggers_is_left_to_native_code(self, committed, monkeypatch):
        tag = Tag.objects.create(name="a")

        def fail(*_):
            raise AssertionError("recorded in Python")

        monkeypatch.setattr(saves, "record", fail)
        tag.name = "b"
        tag.save()
        assert brief(committed()) == [("create", None, "a"), ("update", "a", "b")]

    def test_a_trigger_that_is_made_later_is_noticed(self, committed, capitals):
        tag = Tag.objects.create(name="a")
        tag.save()
        capitals("shop_tag", "name", ["UPDATE"])
        tag.name = "b"
        tag.save()
        execute(drop("shop_tag", "UPDATE"))
        tag.name = "c"
        tag.save()
        execute(*upper("shop_tag", "name", "UPDATE"))
        assert brief(committed()) == [
            ("create", None, "a"),
            ("update", "a", "B"),
            ("update", "B", "c"),
        ]

    def test_one_that_a_migration_makes_is_noticed(self, committed, capitals):
        tag = Tag.objects.create(name="a")
        with connection.schema_editor() as editor:
            for statement in upper("shop_tag", "name", "UPDATE"):
                editor.execute(statement)
        tag.name = "b"
        tag.save()
        execute(drop("shop_tag", "UPDATE"))
        assert brief(committed()) == [("create", None, "a"), ("update", "a", "B")]

    def test_migrations_have_it_asked_again(self, asked):
        Tag.objects.create(name="a")
        call_command("migrate", verbosity=0)
        Tag.objects.create(name="b")
        assert asked == ["default", "default"]

    @pytest.mark.skipif(VENDOR == "mysql", reason="it commits whatever changes the schema")
    def test_one_that_is_rolled_back_is_forgotten(self, committed, capitals):
        capitals("shop_tag", "name", ["UPDATE"])
        tag = Tag.objects.create(name="a")
        with contextlib.suppress(ZeroDivisionError), transaction.atomic():
            execute(drop("shop_tag", "UPDATE"))
            tag.name = "b"
            tag.save()
            1 / 0  # noqa: B018
        tag.name = "c"
        tag.save()
        assert brief(committed()) == [("create", None, "a"), ("update", "a", "C")]

    @pytest.mark.skipif(VENDOR == "mysql", reason="it commits whatever changes the schema")
    def test_one_that_others_do_not_see_yet_is_noticed_when_they_do(self, committed, capitals):
        tag = Tag.objects.create(name="a")
        with transaction.atomic():
            capitals("shop_tag", "name", ["UPDATE"])
            # Another connection was quicker to ask.
            triggers._tables["default"] = {}
        tag.name = "b"
        tag.save()
        assert brief(committed()) == [("create", None, "a"), ("update", "a", "B")]

    def test_an_answer_that_is_out_of_date_when_it_comes_is_not_kept(self, monkeypatch, asked):
        original = triggers._answer

        def answer(*args):
            found = original(*args)
            triggers.forget()
            return found

        with monkeypatch.context() as patch:
            patch.setattr(triggers, "_answer", answer)
            Tag.objects.create(name="a")
        Tag.objects.create(name="b")
        assert asked == ["default", "default"]

    @pytest.mark.parametrize("is_atomic", [False, True])
    def test_where_it_cannot_be_asked_none_are_assumed(
        self, committed, monkeypatch, caplog, is_atomic
    ):
        monkeypatch.setitem(triggers.QUERIES, VENDOR, "SELECT no FROM such_table")
        with transaction.atomic() if is_atomic else contextlib.nullcontext():
            tag = Tag.objects.create(name="a")
            tag.name = "b"
            with caplog.at_level(logging.WARNING, "trailkeeper"):
                tag.save()
            Tag.objects.update(name="c")
        assert brief(committed()) == [
            ("create", None, "a"),
            ("update", "a", "b"),
            ("update", "b", "c"),
        ]
        said = [each for each in caplog.records if "for its triggers" in each.getMessage()]
        assert len(said) == 1

    @pytest.mark.skipif(VENDOR != "postgresql", reason="for PostgreSQL, which refuses all the rest")
    def test_a_transaction_that_has_failed_is_left_alone(self, committed, caplog):
        with transaction.atomic():
            with pytest.raises(DatabaseError):
                execute("SELECT no FROM such_table")
            with pytest.raises(DatabaseError, match="aborted"):
                Tag.objects.create(name="a")
            transaction.set_rollback(True)
        assert not caplog.records
        Tag.objects.create(name="b")
        assert brief(committed()) == [("create", None, "b")]

    @pytest.mark.skipif(VENDOR != "sqlite", reason="SQLite locks as a whole")
    def test_it_waits_for_another_writer_as_a_write_does(self, committed):
        Tag.objects.create(name="a")
        triggers.forget()
        is_begun, may_end = threading.Event(), threading.Event()

        def write():
            with transaction.atomic():
                Tag.objects.create(name="b")
                is_begun.set()
                may_end.wait(10)
            connection.close()

        writer = threading.Thread(target=write)
        writer.start()
        is_begun.wait(10)
        triggers.forget()
        threading.Timer(0.3, may_end.set).start()
        with transaction.atomic():
            Tag.objects.create(name="c")
        writer.join()
        assert [name for *_, name in brief(committed())] == ["a", "b", "c"]
