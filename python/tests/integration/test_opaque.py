"""Raw SQL on tracked tables: what it leaves, in a transaction and in autocommit."""

from contextlib import contextmanager

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import DatabaseError, IntegrityError, connection, models, transaction
from tests.shop.models import Customer, Ignored, Note, Order, Tag

import trailkeeper
from trailkeeper.capture import opaque

on_postgresql = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="PostgreSQL alone has it"
)
with_psycopg3 = pytest.mark.skipif(
    connection.vendor != "postgresql" or connection.Database.__name__ != "psycopg",
    reason="psycopg 3 alone has it",
)
with_psycopg2 = pytest.mark.skipif(
    connection.vendor != "postgresql" or connection.Database.__name__ != "psycopg2",
    reason="psycopg 2 alone has it",
)
on_sqlite = pytest.mark.skipif(connection.vendor != "sqlite", reason="SQLite alone has it")
in_transaction = pytest.mark.django_db
in_autocommit = pytest.mark.django_db(transaction=True)


def execute(sql, params=None):
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.rowcount


def told(events):
    """What opaque events say, in short."""
    return [
        (e["action"], e.get("model"), e["data"]["table"], e["data"]["verb"], e["data"]["rows"])
        for e in events
    ]


@pytest.fixture
def committed(trail):
    """Gives the changes that the store has, since the last call."""
    seen = 0

    def read():
        nonlocal seen
        trailkeeper.flush()
        stored = trailkeeper.events().filter(kind="change", seq__isnull=False)
        events = list(stored.order_by("seq").values())
        new, seen = events[seen:], len(events)
        return [{**event, "data": event["data"] or {}} for event in new]

    return read


@pytest.fixture
def tags(db):
    return [Tag.objects.create(name=name) for name in ("a", "b", "c")]


@in_transaction
def test_each_statement_is_one_event(tags, recorded):
    recorded()
    execute("INSERT INTO shop_tag (name) VALUES (%s), ('secret')", ["x"])
    execute("UPDATE shop_tag SET name = 'secret' WHERE name <> %s", ["a"])
    execute("DELETE FROM shop_tag WHERE name = 'secret' -- why\n")
    insert, update, delete = recorded()
    assert told([insert, update, delete]) == [
        ("opaque", "shop.tag", "shop_tag", "insert", 2),
        ("opaque", "shop.tag", "shop_tag", "update", 4),
        ("opaque", "shop.tag", "shop_tag", "delete", 4),
    ]
    assert (insert["kind"], insert["outcome"], insert["database"]) == (
        "change",
        "success",
        "default",
    )
    assert insert["data"]["statement"] == "INSERT INTO shop_tag (name) VALUES (?)"
    assert update["data"]["statement"] == "UPDATE shop_tag SET name = ? WHERE name <> ?"
    assert delete["data"]["statement"] == "DELETE FROM shop_tag WHERE name = ?"
    assert "secret" not in str([insert, update, delete])


@in_transaction
def test_executemany_is_one_event_with_all_rows(recorded):
    with connection.cursor() as cursor:
        cursor.executemany("INSERT INTO shop_tag (name) VALUES (%s)", [["a"], ["b"], ["c"]])
    assert told(recorded()) == [("opaque", "shop.tag", "shop_tag", "insert", 3)]


@in_transaction
def test_other_tables_leave_nothing(recorded):
    Ignored.objects.create()
    execute("UPDATE shop_ignored SET value = 7")
    execute("DELETE FROM django_session")
    execute("CREATE TABLE shop_scratch (a integer)")
    execute("INSERT INTO shop_scratch SELECT 1")
    execute("DROP TABLE shop_scratch")
    assert recorded() == []


@in_transaction
def test_a_read_leaves_nothing(tags, recorded):
    recorded()
    with connection.cursor() as cursor:
        cursor.execute("WITH x AS (SELECT name FROM shop_tag) SELECT count(*) FROM x")
        assert cursor.fetchone() == (3,)
        cursor.execute("SELECT 'x; DELETE FROM shop_tag' FROM shop_tag")
        assert len(cursor.fetchall()) == 3
    assert recorded() == []


@in_transaction
def test_a_statement_that_changed_no_row_leaves_nothing(tags, recorded):
    recorded()
    assert execute("DELETE FROM shop_tag WHERE name = 'nobody'") == 0
    assert recorded() == []


@in_transaction
def test_names_are_found_however_they_are_written(tags, recorded):
    recorded()
    schema = "public" if connection.vendor == "postgresql" else "main"
    execute('UPDATE "shop_tag" SET name = name')
    execute("update SHOP_TAG set name = name")
    execute(f"/* x */ UPDATE {schema}.shop_tag SET name = name")
    assert [(e["model"], e["data"]["table"]) for e in recorded()] == [
        ("shop.tag", "shop_tag"),
        ("shop.tag", "shop_tag" if connection.vendor == "postgresql" else "SHOP_TAG"),
        ("shop.tag", f"{schema}.shop_tag"),
    ]


@in_transaction
def test_a_table_of_several_models_has_no_model(tags, recorded):
    with _twin():
        recorded()
        execute("UPDATE shop_tag SET name = name")
    assert told(recorded()) == [("opaque", None, "shop_tag", "update", 3)]


@contextmanager
def _twin():
    """A second model over the table of tags, for a block."""

    class Twin(models.Model):
        class Meta:
            app_label = "shop"
            db_table = "shop_tag"
            managed = False

        def __str__(self):
            return "twin"

    try:
        yield Twin
    finally:
        del apps.all_models["shop"]["twin"]
        apps.clear_cache()


@in_transaction
def test_the_table_of_links_is_told_by_its_model(recorded):
    customer = Customer.objects.create(name="Ada")
    order = Order.objects.create(number="1", customer=customer)
    tag = Tag.objects.create(name="a")
    recorded()
    execute("INSERT INTO shop_order_tags (order_id, tag_id) VALUES (%s, %s)", [order.pk, tag.pk])
    assert told(recorded()) == [("opaque", "shop.order_tags", "shop_order_tags", "insert", 1)]


@in_transaction
def test_what_cannot_be_parsed_is_told_by_its_first_words(monkeypatch, recorded):
    found = opaque.found_in(connection, "UPDATE shop_tag SET name !~~!", False)
    assert [(write.verb, write.table, write.model) for write in found.writes] == [
        ("update", "shop_tag", "shop.tag")
    ]
    found = opaque.found_in(connection, "WITH x AS (DELETE !~~!) SELECT 1", False)
    assert [(write.verb, write.table, write.model) for write in found.writes] == [
        ("unknown", None, None)
    ]


@in_transaction
def test_what_the_orm_writes_is_told_once(recorded, django_assert_num_queries):
    customer = Customer.objects.create(name="Ada")
    Tag.objects.bulk_create([Tag(name="a"), Tag(name="b")])
    Tag.objects.bulk_create([Tag(id=9, name="c")], ignore_conflicts=True)
    Customer.objects.update(name="Bob")
    customer.vip = True
    customer.save()
    order = Order.objects.create(number="1", customer=customer)
    order.tags.add(*Tag.objects.all())
    order.tags.clear()
    Ignored.objects.create()
    Ignored.objects.update(value=2)
    Ignored.objects.all().delete()
    customer.delete()
    Tag.objects.all()._raw_delete("default")
    actions = [event["action"] for event in recorded()]
    # The one of the insert whose conflicts are ignored.
    assert actions.count("opaque") == 1
    assert actions.count("delete") == 5


@in_transaction
def test_raw_sql_of_a_field_while_the_orm_writes_is_told(monkeypatch, recorded):
    Tag.objects.create(name="a")
    recorded()

    def pre_save(model_instance, add):
        execute("UPDATE shop_tag SET name = 'b'")
        return "1"

    monkeypatch.setattr(Note._meta.get_field("slug"), "pre_save", pre_save)
    Note(slug="x", body="y").save(force_insert=True)
    assert ("opaque", "update") in [
        (e["action"], e.get("data", {}).get("verb")) for e in recorded()
    ]


@in_transaction
def test_a_failed_statement_leaves_nothing(tags, recorded):
    recorded()
    with pytest.raises(DatabaseError), transaction.atomic():
        execute("UPDATE shop_tag SET nobody = 1")
    with pytest.raises(IntegrityError), transaction.atomic():
        execute("UPDATE shop_tag SET name = NULL")
    assert recorded() == []


@in_transaction
def test_a_rolled_back_savepoint_leaves_nothing(tags, recorded):
    recorded()
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        execute("DELETE FROM shop_tag")
        1 / 0  # noqa: B018
    execute("UPDATE shop_tag SET name = 'x'")
    assert told(recorded()) == [("opaque", "shop.tag", "shop_tag", "update", 3)]


@in_transaction
def test_a_wrapper_that_changes_or_stops_a_statement_is_heard(tags, recorded):
    recorded()

    def to_update(execute, sql, params, many, context):
        return execute(
            sql.replace("DELETE FROM shop_tag", "UPDATE shop_tag SET name = 'x'"),
            params,
            many,
            context,
        )

    def stop(execute, sql, params, many, context):
        return None

    with connection.execute_wrapper(to_update):
        execute("DELETE FROM shop_tag")
    with connection.execute_wrapper(stop):
        execute("DELETE FROM shop_tag")
    assert told(recorded()) == [("opaque", "shop.tag", "shop_tag", "update", 3)]


@in_transaction
def test_queries_that_are_logged_are_recorded(tags, recorded):
    recorded()
    connection.force_debug_cursor = True
    try:
        execute("UPDATE shop_tag SET name = %s", ["x"])
    finally:
        connection.force_debug_cursor = False
    assert told(recorded()) == [("opaque", "shop.tag", "shop_tag", "update", 3)]


@in_transaction
def test_a_failure_to_examine_costs_the_event_only(tags, monkeypatch, recorded):
    recorded()

    def broken(*args):
        raise ValueError("broken")

    monkeypatch.setattr(opaque, "_examined", broken)
    assert execute("DELETE FROM shop_tag") == 3
    monkeypatch.undo()
    execute("INSERT INTO shop_tag (name) VALUES ('x')")
    assert [e["data"]["verb"] for e in recorded()] == ["insert"]
    assert Tag.objects.count() == 1


@in_autocommit
def test_in_autocommit_a_statement_is_its_own_transaction(committed):
    execute("INSERT INTO shop_tag (name) VALUES ('a'), ('b')")
    execute("UPDATE shop_tag SET name = 'x' WHERE name = 'nobody'")
    with pytest.raises(IntegrityError):
        execute("UPDATE shop_tag SET name = NULL")
    execute("DELETE FROM shop_tag")
    events = committed()
    assert told(events) == [
        ("opaque", "shop.tag", "shop_tag", "insert", 2),
        ("opaque", "shop.tag", "shop_tag", "delete", 2),
    ]
    assert len({event["transaction_id"] for event in events}) == 2


@in_autocommit
def test_what_the_database_refuses_is_not_in_doubt(committed):
    for sql in ("UPDATE shop_tag SET nobody = 1", "INSERT INTO shop_tag (name) VALUES (NULL)"):
        with pytest.raises(DatabaseError):
            execute(sql)
    assert not in_doubt()


def in_doubt():
    """How many transactions the spool has prepared and nobody has marked, told as such."""
    trailkeeper.flush()
    return trailkeeper.events().filter(action="transaction.in_doubt").count()


@in_autocommit
def test_what_a_transaction_commits_is_told_and_the_rest_is_not(committed):
    with transaction.atomic():
        Tag.objects.create(name="a")
        execute("UPDATE shop_tag SET name = 'b'")
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        execute("DELETE FROM shop_tag")
        1 / 0  # noqa: B018
    events = committed()
    assert [event["action"] for event in events] == ["create", "opaque"]
    assert len({event["transaction_id"] for event in events}) == 1
    assert events[1]["data"]["rows"] == 1


@in_autocommit
def test_flush_tells_each_tracked_table(committed):
    Tag.objects.create(name="a")
    Customer.objects.create(name="Ada")
    committed()
    call_command("flush", interactive=False, verbosity=0)
    events = {event["data"]["table"]: event for event in committed() if event["data"]}
    assert not {"shop_ignored", "django_session"} & set(events)
    if connection.vendor == "postgresql":
        assert {"shop_tag", "shop_customer", "shop_order", "shop_order_tags"} <= set(events)
        assert told([events["shop_tag"]]) == [
            ("truncate", "shop.tag", "shop_tag", "truncate", None)
        ]
    else:
        # Tables that were empty have not changed.
        assert set(events) & {"shop_tag", "shop_customer", "shop_order"} == {
            "shop_tag",
            "shop_customer",
        }
        assert told([events["shop_tag"]]) == [("opaque", "shop.tag", "shop_tag", "delete", 1)]


@on_sqlite
@in_transaction
def test_rows_that_are_counted_as_they_are_read_are_unknown(tags, recorded):
    recorded()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM shop_tag RETURNING name")
        assert len(cursor.fetchall()) == 3
    assert told(recorded()) == [("opaque", "shop.tag", "shop_tag", "delete", None)]


@on_sqlite
@in_autocommit
def test_a_script_is_told_by_the_tables_it_writes(committed):
    with connection.cursor() as cursor:
        cursor.executescript(
            "INSERT INTO shop_tag (name) VALUES ('a'); INSERT INTO shop_tag (name) VALUES ('b');"
            "DELETE FROM shop_ignored; DELETE FROM shop_note;"
        )
    assert told(committed()) == [
        ("opaque", "shop.tag", "shop_tag", "insert", None),
        ("opaque", "shop.note", "shop_note", "delete", None),
    ]


@on_sqlite
@in_autocommit
def test_a_script_that_fails_halfway_is_in_doubt(committed):
    script = "INSERT INTO shop_tag (name) VALUES ('a'); INSERT INTO shop_tag (name) VALUES (NULL)"
    with pytest.raises(connection.Database.Error), connection.cursor() as cursor:
        cursor.executescript(script)
    assert Tag.objects.count() == 1
    assert in_doubt() == 1


@on_sqlite
@in_autocommit
def test_a_table_that_is_remade_leaves_nothing(committed):
    Tag.objects.create(name="a")
    committed()
    old = Tag._meta.get_field("name")
    new = models.CharField(max_length=60)
    new.set_attributes_from_name("name")
    new.model = Tag
    with connection.schema_editor() as editor:
        editor.alter_field(Tag, old, new)
    with connection.schema_editor() as editor:
        editor.alter_field(Tag, new, old)
    assert committed() == []


@on_postgresql
@in_autocommit
def test_a_default_that_a_migration_fills_in_is_told(committed):
    customer = Customer.objects.create(name="Ada")
    Order.objects.create(number="1", customer=customer, weight=None)
    committed()
    old = Order._meta.get_field("weight")
    new = models.FloatField(default=1.5)
    new.set_attributes_from_name("weight")
    new.model = Order
    with connection.schema_editor() as editor:
        editor.alter_field(Order, old, new)
    with connection.schema_editor() as editor:
        editor.alter_field(Order, new, old)
    (event,) = committed()
    assert told([event]) == [("opaque", "shop.order", "shop_order", "update", None)]
    assert event["data"]["statement"].startswith(
        'UPDATE "shop_order" SET "weight" = ? WHERE "weight" IS NULL'
    )


@on_postgresql
@in_transaction
def test_a_write_inside_with_is_told_for_each_table(tags, recorded):
    recorded()
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH gone AS (DELETE FROM shop_tag WHERE name = %s RETURNING name) "
            "INSERT INTO shop_note (slug, body) SELECT name, 'x' FROM gone",
            ["a"],
        )
        cursor.execute("EXPLAIN ANALYZE UPDATE shop_tag SET name = 'y'")
    assert told(recorded()) == [
        ("opaque", "shop.tag", "shop_tag", "delete", None),
        ("opaque", "shop.note", "shop_note", "insert", None),
        ("opaque", "shop.tag", "shop_tag", "update", None),
    ]


@on_postgresql
@in_transaction
def test_returning_and_merge_are_counted(tags, recorded):
    recorded()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM ONLY shop_tag WHERE name = 'a' RETURNING id")
        assert len(cursor.fetchall()) == 1
        cursor.execute(
            "MERGE INTO shop_tag t USING (VALUES ('b'), ('z')) AS v (n) ON t.name = v.n "
            "WHEN MATCHED THEN UPDATE SET name = 'q' "
            "WHEN NOT MATCHED THEN INSERT (name) VALUES (v.n)"
        )
    assert told(recorded()) == [
        ("opaque", "shop.tag", "shop_tag", "delete", 1),
        ("opaque", "shop.tag", "shop_tag", "merge", 2),
    ]


@with_psycopg3
@in_transaction
def test_copy_is_told_with_its_rows(recorded):
    with (
        connection.cursor() as cursor,
        cursor.copy("COPY shop_tag (name) FROM STDIN") as copy,
    ):
        copy.write_row(["a"])
        copy.write_row(["b"])
    with connection.cursor() as cursor, cursor.copy("COPY shop_tag TO STDOUT") as copy:
        assert len(list(copy.rows())) == 2
    (event,) = recorded()
    assert told([event]) == [("opaque", "shop.tag", "shop_tag", "copy", 2)]
    assert event["data"]["statement"] == "COPY shop_tag (name) FROM STDIN"


@with_psycopg3
@in_autocommit
def test_copy_in_autocommit_is_told_if_it_ends(committed):
    with connection.cursor() as cursor:
        with cursor.copy("COPY shop_tag (name) FROM STDIN") as copy:
            copy.write_row(["a"])
        with (
            pytest.raises(ZeroDivisionError),
            cursor.copy("COPY shop_tag (name) FROM STDIN") as copy,
        ):
            copy.write_row(["b"])
            1 / 0  # noqa: B018
        with (
            pytest.raises(connection.Database.Error),
            cursor.copy("COPY shop_tag (name) FROM STDIN") as copy,
        ):
            copy.write_row([None])
    assert told(committed()) == [("opaque", "shop.tag", "shop_tag", "copy", 1)]
    assert Tag.objects.count() == 1
    assert not in_doubt()


@with_psycopg2
@in_autocommit
def test_copies_of_the_older_driver_are_told(committed):
    from io import StringIO

    with connection.cursor() as cursor:
        cursor.copy_expert("COPY shop_tag (name) FROM STDIN", StringIO("a\nb\n"))
        cursor.copy_from(StringIO("c\n"), "shop_tag", columns=["name"])
        cursor.copy_expert("COPY shop_tag TO STDOUT", StringIO())
        with pytest.raises(connection.Database.Error):
            cursor.copy_from(StringIO("1\t2\t3\n"), "shop_tag")
    assert told(committed()) == [
        ("opaque", "shop.tag", "shop_tag", "copy", 2),
        ("opaque", "shop.tag", "shop_tag", "copy", 1),
    ]


@with_psycopg3
@in_transaction
def test_composed_statements_are_read(tags, recorded):
    from psycopg import sql

    recorded()
    execute(sql.SQL("UPDATE {} SET name = {}").format(sql.Identifier("shop_tag"), "secret"))
    execute(b"DELETE FROM shop_tag WHERE name = 'secret'")
    update, delete = recorded()
    assert update["data"]["statement"] == 'UPDATE "shop_tag" SET name = ?'
    assert told([update, delete])[1] == ("opaque", "shop.tag", "shop_tag", "delete", 3)


@with_psycopg3
@in_transaction
def test_rows_that_are_streamed_are_recorded(tags, recorded):
    recorded()
    with connection.cursor() as cursor:
        found = list(cursor.stream("UPDATE shop_tag SET name = 'x' RETURNING id"))
    assert len(found) == 3
    assert [e["data"]["verb"] for e in recorded()] == ["update"]


@on_postgresql
@in_transaction
def test_routines_are_told_without_a_table(tags, recorded):
    execute(
        "CREATE PROCEDURE close_month(n text) LANGUAGE sql AS $$ UPDATE shop_tag SET name = n $$"
    )
    execute("CREATE FUNCTION tags() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM shop_tag'")
    recorded()
    execute("CALL close_month('secret')")
    execute("DO $$ BEGIN UPDATE shop_tag SET name = 'secret'; END $$")
    with connection.cursor() as cursor:
        cursor.callproc("tags", [])
        assert cursor.fetchone() == (3,)
    call, do, proc = recorded()
    assert told([call, do, proc]) == [
        ("opaque", None, None, "call", None),
        ("opaque", None, None, "do", None),
        ("opaque", None, None, "call", None),
    ]
    assert call["data"]["statement"] == "CALL close_month(?)"
    assert do["data"]["statement"] == "DO ?"
    assert proc["data"]["statement"] == "CALL tags()"


@on_postgresql
@in_transaction
def test_truncate_is_told_for_each_tracked_table(recorded):
    execute("TRUNCATE shop_tag, shop_ignored, shop_order_tags, shop_order, shop_line")
    assert sorted(told(recorded())) == [
        ("truncate", "shop.line", "shop_line", "truncate", None),
        ("truncate", "shop.order", "shop_order", "truncate", None),
        ("truncate", "shop.order_tags", "shop_order_tags", "truncate", None),
        ("truncate", "shop.tag", "shop_tag", "truncate", None),
    ]
