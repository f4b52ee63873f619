import datetime
import decimal
import enum
import uuid
from zoneinfo import ZoneInfo

import pytest
from django.db.utils import DataError, ProgrammingError
from django.test import override_settings

from trailkeeper.backend.literals import bind, literal, tokens


class Colour(str, enum.Enum):  # noqa: UP042 (the older form is the one that shows it)
    RED = "red"


UTC_TYPE = """'Timestamp(Microsecond, Some("UTC"))'"""


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "NULL"),
        (True, "TRUE"),
        (False, "FALSE"),
        (0, "0"),
        (-5, "(-5)"),
        (2**63 - 1, "9223372036854775807"),
        (2**63, "arrow_cast('9223372036854775808', 'Decimal128(19, 0)')"),
        (1.5, "CAST('1.5' AS DOUBLE)"),
        (float("nan"), "CAST('NaN' AS DOUBLE)"),
        (float("-inf"), "CAST('-Infinity' AS DOUBLE)"),
        ("it's", "'it''s'"),
        ("\\' OR 1=1 --", "'\\'' OR 1=1 --'"),
        ("a\0b", "'a\0b'"),
        ("", "''"),
        (Colour.RED, "'red'"),
        (b"\x00\xff'", "X'00ff27'"),
        (memoryview(b"ab"), "X'6162'"),
        (decimal.Decimal("-1.50"), "arrow_cast('-1.50', 'Decimal128(3, 2)')"),
        (decimal.Decimal("1E+3"), "arrow_cast('1000', 'Decimal128(4, 0)')"),
        (decimal.Decimal("1" * 40), f"arrow_cast('{'1' * 40}', 'Decimal256(40, 0)')"),
        (uuid.UUID(int=1), "'00000000-0000-0000-0000-000000000001'"),
        (datetime.date(2026, 1, 2), "DATE '2026-01-02'"),
        (datetime.time(1, 2, 3, 4), "TIME '01:02:03.000004'"),
        (datetime.timedelta(days=1, microseconds=-1), "86399999999"),
        (datetime.timedelta(microseconds=-1), "(-1)"),
        (["a'", None, 1], "ARRAY['a''', NULL, 1]"),
        (("a", "b"), "('a', 'b')"),
    ],
)
def test_literal_of(value: object, text: str) -> None:
    assert literal(value) == text


def test_time_is_written_in_utc_with_microseconds() -> None:
    paris = datetime.datetime(2026, 7, 1, 0, 30, tzinfo=ZoneInfo("Europe/Paris"))
    assert literal(paris) == f"arrow_cast('2026-06-30T22:30:00.000000Z', {UTC_TYPE})"


@override_settings(TIME_ZONE="Europe/Paris")
def test_naive_time_is_meant_in_the_projects_zone() -> None:
    naive = datetime.datetime(2026, 7, 1, 0, 30, 0, 7)
    assert literal(naive) == f"arrow_cast('2026-06-30T22:30:00.000007Z', {UTC_TYPE})"


@pytest.mark.parametrize("value", [object(), {"a": 1}, {1}, 1j])
def test_other_types_are_refused(value: object) -> None:
    with pytest.raises(ProgrammingError, match="cannot be of type"):
        literal(value)


@pytest.mark.parametrize(
    "value",
    [
        "\ud800",
        decimal.Decimal("NaN"),
        decimal.Decimal("1E+100"),
        datetime.time(1, tzinfo=datetime.UTC),
    ],
)
def test_values_that_no_column_holds_are_refused(value: object) -> None:
    with pytest.raises(DataError):
        literal(value)


@pytest.mark.parametrize(
    ("sql", "params", "bound"),
    [
        ("SELECT %s, '100%'", None, "SELECT %s, '100%'"),
        ("SELECT %s, '100%%', 5 %% 2", [1], "SELECT 1, '100%', 5 % 2"),
        ('SELECT "a%%b" - %s', [-1], 'SELECT "a%b" - (-1)'),
        ("SELECT %(a)s, %(b)s, %(a)s", {"a": 1, "b": "x"}, "SELECT 1, 'x', 1"),
        ("SELECT %s", ["%s %% %(a)s"], "SELECT '%s %% %(a)s'"),
        ("SELECT 'it''s', %s", [1], "SELECT 'it''s', 1"),
        ("SELECT 1 -- don't\n, %s", [2], "SELECT 1 -- don't\n, 2"),
        ('SELECT 1 /* %% " */ / %s', [2], 'SELECT 1 /* % " */ / 2'),
        ("SELECT 1", [], "SELECT 1"),
        (r"SELECT E'it\'s %%', %s", [1], r"SELECT E'it\'s %', 1"),
        (r"SELECT a LIKE'\', %s", [1], r"SELECT a LIKE'\', 1"),
        ("SELECT $$it's$$, $a$ $$ ' $a$, %s", [1], "SELECT $$it's$$, $a$ $$ ' $a$, 1"),
        ("SELECT a$b, $1, %s", [1], "SELECT a$b, $1, 1"),
    ],
)
def test_bind(sql: str, params: object, bound: str) -> None:
    assert bind(sql, params) == bound  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("sql", "params", "message"),
    [
        ("SELECT '%s'", ["'; x"], "inside quotes"),
        ('SELECT "%(a)s"', {"a": 1}, "inside quotes"),
        ("SELECT 1 -- %s", [1], "inside quotes or a comment"),
        ("SELECT %s", [], "fewer"),
        ("SELECT %s", [1, 2], "more"),
        ("SELECT %(b)s", {"a": 1}, "no parameter has the name 'b'"),
        ("SELECT %(b)s", [1], "do not mix"),
        ("SELECT %s", {"a": 1}, "do not mix"),
        ("SELECT 5 % 2, %s", [1], "percent"),
        ("SELECT 'open, %s", [1], "unclosed"),
        ("SELECT /* open, %s", [1], "unclosed"),
        ("SELECT /* a /* b */ %s */", ["*/"], "unclosed"),
        (r"SELECT E'it\'s %s'", ["x"], "inside quotes"),
        (r"SELECT E'open\', %s", ["x"], "unclosed"),
        ("SELECT $$ %s $$", ["x"], "inside quotes"),
        ("SELECT $a$ %s $$", ["x"], "unclosed"),
    ],
)
def test_bind_refuses(sql: str, params: object, message: str) -> None:
    with pytest.raises(ProgrammingError, match=message):
        bind(sql, params)  # type: ignore[arg-type]


@pytest.mark.parametrize("sql", ["a'b''c'\"d\"\"\"--e\n/*f*/%%%s%(g)s-/'", "%", "'", "", "a-b/c"])
def test_tokens_are_the_whole_statement(sql: str) -> None:
    assert "".join(token.text for token in tokens(sql)) == sql
