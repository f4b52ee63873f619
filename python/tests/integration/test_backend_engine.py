"""The door to the engine, and cursors: what is asked, when, and what comes back."""

import asyncio
import datetime
import decimal
import os
import sys
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.test import override_settings
from tests.integration import fake_trail

from trailkeeper import engine
from trailkeeper.backend.alias import ALIAS
from trailkeeper.models import Event

pytestmark = pytest.mark.usefixtures("fake")


def ask(sql: str, params: Any = None) -> list[tuple[Any, ...]]:
    with connections[ALIAS].cursor() as cursor:
        cursor.execute(sql, params)
        found: list[tuple[Any, ...]] = cursor.fetchall()
    return found


def test_the_trail_is_opened_on_the_first_read_and_kept(fake: Any) -> None:
    queryset = Event.objects.filter(kind="auth")
    str(queryset.query)
    assert fake.opened == []
    list(queryset)
    list(queryset.all())
    assert fake.opened == [(engine.settings.store_url, engine.settings.spool_dir)]


def test_another_store_is_another_trail(fake: Any, monkeypatch: Any) -> None:
    Event.objects.count()
    monkeypatch.setitem(engine.settings.__dict__, "store_url", "file:///elsewhere")
    Event.objects.count()
    assert len(fake.opened) == 2


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_process_opens_its_own() -> None:
    parents = engine.trail()
    child = os.fork()
    if child == 0:
        os._exit(0 if engine.trail() is not parents else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    # The parent has let go of its own for the fork, and opens it again.
    assert engine.trail() is engine.trail()


def test_a_missing_engine_says_what_to_install(monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "trailkeeper_engine", None)
    with pytest.raises(ImproperlyConfigured, match="pip install trailkeeper-engine"):
        Event.objects.count()


def test_open_transactions_of_the_thread_are_read(fake: Any, monkeypatch: Any) -> None:
    opened = [("00000000000000aa", 1, b"\x01")]
    monkeypatch.setattr(engine.transactions, "open_transactions", lambda: opened)
    Event.objects.count()
    assert fake.open_transactions == opened


@pytest.mark.parametrize(
    "value",
    [
        "it's",
        "\\",
        "'; SELECT 1; --",
        "%s %% %(a)s",
        'a"b',
        "line\nbreak\ttab\r",
        "\u65e5\u672c \U0001f600",
        "",
        0,
        -1,
        2**63 - 1,
        -(2**63),
        1.5,
        1e300,
        -0.0,
        True,
        False,
        None,
        b"\x00\xff'",
        b"",
        decimal.Decimal("123456789012345678901234567890.12"),
        decimal.Decimal("-0.001"),
        datetime.date(1, 1, 1),
        datetime.date(9999, 12, 31),
        datetime.datetime(2026, 2, 3, 4, 5, 6, 7, tzinfo=datetime.UTC),
        datetime.datetime(1, 1, 1, tzinfo=datetime.UTC),
        datetime.datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=datetime.UTC),
        datetime.time(1, 2, 3, 4),
        ["a'b", None],
    ],
)
def test_a_parameter_comes_back_as_it_went(value: object) -> None:
    ((found,),) = ask("SELECT %s AS x", [value])
    assert found == value
    assert type(found) is type(value)


def test_text_with_nul_can_be_looked_for(rows: Any) -> None:
    rows([fake_trail.event(1, reason="a\0b"), fake_trail.event(2, reason="ab")])
    assert [e.seq for e in Event.objects.filter(reason="a\0b")] == [1]
    assert [e.seq for e in Event.objects.filter(reason__contains="\0")] == [1]


def test_integers_beyond_64_bits_keep_their_digits() -> None:
    assert ask("SELECT %s AS x", [2**70 + 1]) == [(decimal.Decimal(2**70 + 1),)]


def test_named_parameters_and_percent_signs() -> None:
    assert ask("SELECT %(a)s AS x, '100%%' AS y", {"a": 1}) == [(1, "100%")]
    assert ask("SELECT '100%' AS y") == [("100%",)]


def test_a_cursor_gives_rows_piece_by_piece(rows: Any) -> None:
    rows([fake_trail.event(n) for n in range(5)])
    with connections[ALIAS].cursor() as cursor:
        cursor.execute("SELECT seq, occurred_at FROM events ORDER BY seq")
        assert [column[0] for column in cursor.description] == ["seq", "occurred_at"]
        assert cursor.rowcount == 5
        assert cursor.fetchone()[0] == 0
        assert [row[0] for row in cursor.fetchmany(2)] == [1, 2]
        assert [row[0] for row in cursor] == [3, 4]
        assert cursor.fetchone() is None


def test_raw_queries_make_events(rows: Any) -> None:
    rows([fake_trail.event(n, kind="auth" if n else "change") for n in range(3)])
    found = Event.objects.raw("SELECT * FROM events WHERE kind = %s ORDER BY seq", ["auth"])
    assert [event.seq for event in found] == [1, 2]


def test_async_reading(rows: Any) -> None:
    rows([fake_trail.event(n) for n in range(3)])

    async def read() -> tuple[int, list[int | None], Event]:
        seqs = [event.seq async for event in Event.objects.order_by("seq")]
        return await Event.objects.acount(), seqs, await Event.objects.aget(seq=1)

    count, seqs, event = asyncio.run(read())
    assert (count, seqs, event.seq) == (3, [0, 1, 2], 1)


@pytest.mark.parametrize("options", [{}, {"analyze": True}, {"verbose": True}, {"format": "tree"}])
def test_explain(rows: Any, options: dict[str, Any]) -> None:
    rows([fake_trail.event()])
    assert "DataSourceExec" in Event.objects.filter(kind="auth").explain(**options)


def test_explain_refuses_other_options() -> None:
    with pytest.raises(ValueError, match="Unknown options: costs"):
        Event.objects.explain(costs=True)
    with pytest.raises(ValueError, match="not a recognized format"):
        Event.objects.explain(format="yaml; DROP")


def test_a_wrong_time_zone_cannot_reach_the_statement(rows: Any) -> None:
    rows([fake_trail.event()])
    operations = connections[ALIAS].ops
    with pytest.raises(ValueError, match="Invalid time zone"):
        operations.datetime_extract_sql("hour", "x", (), 'UTC")) --')
    with pytest.raises(ValueError, match="Invalid lookup type"):
        operations.date_extract_sql("hour from x) --", "x", ())


def test_inspection_knows_the_columns() -> None:
    with connections[ALIAS].cursor() as cursor:
        inspection = connections[ALIAS].introspection
        assert inspection.table_names(cursor) == ["events"]
        columns = {
            column.name: inspection.get_field_type(column.type_code, column)
            for column in inspection.get_table_description(cursor, "events")
        }
    assert columns.keys() == {field.column for field in Event._meta.concrete_fields}
    wanted = {"seq": "BigIntegerField", "occurred_at": "DateTimeField", "salt": "BinaryField"}
    assert wanted.items() <= columns.items()
    assert columns["reason"] == "TextField"


@override_settings(USE_TZ=False, TIME_ZONE="Europe/Paris")
def test_without_time_zones_raw_times_are_local(rows: Any) -> None:
    rows([fake_trail.event(occurred_at=datetime.datetime(2026, 7, 1, tzinfo=datetime.UTC))])
    assert ask("SELECT occurred_at FROM events") == [(datetime.datetime(2026, 7, 1, 2),)]
