"""Raw SQL on tracked tables: what it leaves, in a transaction and in autocommit."""

from contextlib import contextmanager

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import DatabaseError, IntegrityError, connection, models, transaction
from tests.integration.raw_sql import (
    execute,
    in_autocommit,
    in_doubt,
    in_transaction,
    on_sqlite,
    told,
)
from tests.shop.models import Customer, Ignored, Note, Order, Tag

from trailkeeper.capture import opaque

pytestmark = pytest.mark.drift("raw SQL is told, and not row by row")


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
    schema = {"postgresql": "public", "sqlite": "main"}.get(
        connection.vendor, connection.settings_dict["NAME"]
    )
    quoted = connection.ops.quote_name("shop_tag")
    execute(f"UPDATE {quoted} SET name = name")
    # MariaDB on Linux tells upper from lower case in the names of tables.
    folded = "shop_tag" if connection.vendor == "mysql" else "SHOP_TAG"
    execute(f"update {folded} set name = name")
    execute(f"/* x */ UPDATE {schema}.shop_tag SET name = name")
    assert [(e["model"], e["data"]["table"]) for e in recorded()] == [
        ("shop.tag", "shop_tag"),
        ("shop.tag", "shop_tag" if connection.vendor == "postgresql" else folded),
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
    assert actions.count("opaque") == 0
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
    if connection.vendor != "sqlite":
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
