"""Raw SQL that PostgreSQL alone has: COPY, writes inside WITH, TRUNCATE, routines."""

import pytest
from django.db import connection, models
from tests.integration.raw_sql import (
    execute,
    in_autocommit,
    in_doubt,
    in_transaction,
    on_postgresql,
    told,
    with_psycopg2,
    with_psycopg3,
)
from tests.shop.models import Customer, Order, Tag

pytestmark = pytest.mark.drift("raw SQL is told, and not row by row")


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
    execute("TRUNCATE shop_ignored, shop_order_tags, shop_order, shop_line")
    assert sorted(told(recorded())) == [
        ("truncate", "shop.line", "shop_line", "truncate", None),
        ("truncate", "shop.order", "shop_order", "truncate", None),
        ("truncate", "shop.order_tags", "shop_order_tags", "truncate", None),
    ]
