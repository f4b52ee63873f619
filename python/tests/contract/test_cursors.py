"""What `capture.cursors` counts on: raw SQL and that of compilers pass the same two methods."""

import contextlib
import inspect

import pytest
from django.core.management.color import no_style
from django.db import connection, connections, transaction
from django.db.backends.utils import CursorDebugWrapper, CursorWrapper
from tests.contract.spying import parameters, spy
from tests.shop.models import Tag

from trailkeeper.capture import control, cursors

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("bare")]


@pytest.fixture
def executed(monkeypatch):
    return spy(monkeypatch, CursorWrapper, "_execute")


def texts(calls):
    return [call.given["sql"] for call in calls]


def test_the_wrapped_methods_have_the_parameters_that_are_passed_on():
    assert parameters(CursorWrapper, "_execute")[:2] == ["sql", "params"]
    assert parameters(CursorWrapper, "_executemany")[:2] == ["sql", "param_list"]
    assert parameters(CursorWrapper, "callproc") == ["procname", "params", "kparams"]


def test_django_has_none_of_the_methods_that_are_added():
    assert not set(cursors._ADDED) & set(vars(CursorWrapper))
    with connection.cursor() as cursor:
        for name in cursors._ADDED:
            assert hasattr(cursor, name) is hasattr(cursor.cursor, name)


@pytest.mark.parametrize("is_logged", [False, True])
def test_every_cursor_passes_the_wrapped_methods(monkeypatch, executed, is_logged):
    many = spy(monkeypatch, CursorWrapper, "_executemany")
    monkeypatch.setattr(connections["default"], "force_debug_cursor", is_logged)
    with connection.cursor() as cursor:
        assert isinstance(cursor, CursorDebugWrapper) is is_logged
        cursor.execute("SELECT 1")
        cursor.execute("SELECT %s", [1])
        cursor.executemany("INSERT INTO shop_tag (name) VALUES (%s)", [["a"]])
        assert cursor.rowcount == 1
    assert [(call.given["sql"], call.given["params"]) for call in executed] == [
        ("SELECT 1", None),
        ("SELECT %s", [1]),
    ]
    assert [call.given["param_list"] for call in many] == [[["a"]]]
    assert all(call.owner.db is connections["default"] for call in executed + many)


def test_they_run_inside_the_wrappers_of_others(executed):
    def replace(execute, sql, params, many, context):
        return execute("SELECT 2", params, many, context)

    with connection.execute_wrapper(replace), connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (2,)
    assert texts(executed) == ["SELECT 2"]


def test_a_compiler_names_its_table_in_what_it_executes(executed):
    tag = Tag.objects.create(name="a")
    Tag.objects.bulk_create([Tag(name="b")])
    tag.name = "c"
    tag.save()
    Tag.objects.update(name="d")
    Tag.objects.filter(name="e").delete()
    tag.delete()
    writes = [sql for sql in texts(executed) if sql.startswith(("INSERT", "UPDATE", "DELETE"))]
    assert len(writes) >= 5
    assert all("shop_" in sql for sql in writes)


def test_a_flush_passes_the_cursor(executed):
    statements = connection.ops.sql_flush(no_style(), ["shop_tag"], allow_cascade=True)
    connection.ops.execute_sql_flush(statements)
    assert [sql for sql in texts(executed) if "shop_tag" in sql] == [
        sql for sql in statements if "shop_tag" in sql
    ]


def test_savepoints_of_django_are_told_by_their_names(executed):
    with transaction.atomic():
        with transaction.atomic():
            Tag.objects.count()
        with contextlib.suppress(ZeroDivisionError), transaction.atomic():
            1 / 0  # noqa: B018
    controls = [sql for sql in texts(executed) if "SAVEPOINT" in sql]
    assert controls
    assert {sql.split()[0] for sql in controls} == {"SAVEPOINT", "ROLLBACK", "RELEASE"}
    assert all(control.DJANGOS.fullmatch(sql) for sql in controls)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="a driver of PostgreSQL")
def test_the_driver_has_what_is_recorded_of_it():
    from django.db.backends.postgresql.psycopg_any import is_psycopg3

    connection.ensure_connection()
    assert connection.connection.info.transaction_status in range(5)
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.cursor.statusmessage == "SELECT 1"
        if is_psycopg3:
            assert list(inspect.signature(cursor.cursor.copy).parameters)[:2] == [
                "statement",
                "params",
            ]
            assert list(inspect.signature(cursor.cursor.stream).parameters)[:2] == [
                "query",
                "params",
            ]


@pytest.mark.skipif(connection.vendor != "sqlite", reason="the driver of SQLite")
def test_the_driver_of_sqlite_says_whether_a_transaction_is_open():
    assert connection.connection.in_transaction is True
