"""Binding parameters by writing them into the statement as SQL literals.

The engine takes a statement without parameters. `bind` is the only function that puts
values into SQL, and it reads the statement once: what it has put in is not read again,
and a placeholder inside quotes is refused.
"""

import datetime
import decimal
import math
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from functools import singledispatch
from typing import Any, NamedTuple

from django.db.utils import DataError, ProgrammingError
from django.utils import timezone

Params = Sequence[Any] | Mapping[str, Any] | None

# DataFusion's decimals have at most this many digits.
DECIMAL_DIGITS = 76
INT64 = range(-(2**63), 2**63)

# As the engine reads them: E'...' has escapes, $a$...$a$ has none, comments nest (a nested
# one is a stray sign here, and so refused where there are parameters).
_token = re.compile(
    r"""
      (?P<quoted>
        '(?:[^']|'')*'
      | (?<![\w$]) [eE]'(?:[^'\\]|''|\\.)*'
      | "(?:[^"]|"")*"
      | (?<![\w$]) \$(?P<tag>\w*)\$ .*? \$(?P=tag)\$
      | --[^\n]*
      | /\*(?:(?!/\*|\*/).)*\*/
      )
    | (?P<percent> %% )
    | (?P<placeholder> %s | %\((?P<name>[^)]*)\)s )
    | (?P<stray> % | ' | " | /\* | (?<![\w$]) [eE]' | (?<![\w$]) \$\w*\$ )
    | (?P<other> (?: (?! (?<![\w$]) [eE]' ) [^%'"/$-] )+ | [/$-] )
    """,
    re.VERBOSE | re.DOTALL,
)


class Token(NamedTuple):
    """A piece of a statement; `kind` is quoted, percent, placeholder, stray or other."""

    kind: str
    text: str
    name: str | None


def tokens(sql: str) -> Iterator[Token]:
    """The pieces of `sql`, which together are all of it."""
    for match in _token.finditer(sql):
        kind = "placeholder" if match["placeholder"] else str(match.lastgroup)
        yield Token(kind, match.group(), match["name"])


def bind(sql: str, params: Params) -> str:
    """`sql` with its placeholders (`%s`, `%(name)s`) replaced by literals.

    As in the DB-API of Django, without parameters (`None`) the statement is left as it
    is; with parameters, `%%` stands for a percent sign.
    """
    if params is None:
        return sql
    named = isinstance(params, Mapping)
    values: Iterator[Any] = iter(()) if named else iter(params)
    pieces = [_bound(token, params, values) for token in tokens(sql)]
    if next(values, pieces) is not pieces:
        raise ProgrammingError("there are more parameters than placeholders")
    return "".join(pieces)


def _bound(token: Token, params: Params, values: Iterator[Any]) -> str:
    match token.kind:
        case "other":
            return token.text
        case "percent":
            return "%"
        case "quoted":
            text = token.text.replace("%%", "")
            if "%s" in text or "%(" in text:
                raise ProgrammingError("a placeholder stands inside quotes or a comment")
            return token.text.replace("%%", "%")
        case "placeholder" if token.name is None and not isinstance(params, Mapping):
            try:
                return literal(next(values))
            except StopIteration:
                raise ProgrammingError("there are fewer parameters than placeholders") from None
        case "placeholder" if token.name is not None and isinstance(params, Mapping):
            try:
                return literal(params[token.name])
            except KeyError:
                raise ProgrammingError(f"no parameter has the name {token.name!r}") from None
        case "placeholder":
            raise ProgrammingError("named and positional parameters do not mix")
        case _:
            raise ProgrammingError(
                f"the statement has an unclosed or unescaped {token.text}; "
                "a percent sign is written %% when there are parameters"
            )


@singledispatch
def literal(value: Any) -> str:
    """`value` as an SQL literal of the engine."""
    raise ProgrammingError(f"a parameter cannot be of type {type(value).__name__}")


@literal.register
def _(value: None) -> str:
    return "NULL"


@literal.register
def _(value: bool) -> str:
    return "TRUE" if value else "FALSE"


@literal.register
def _(value: int) -> str:
    # The parser reads a number beyond 64 bits as a float, and loses digits. The brackets
    # keep "-" and a negative number from becoming "--", a comment.
    number = int(value)
    if number not in INT64:
        return literal(decimal.Decimal(number))
    return str(number) if number >= 0 else f"({number})"


@literal.register
def _(value: float) -> str:
    if math.isfinite(value):
        return f"CAST('{float(value)!r}' AS DOUBLE)"
    name = "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return f"CAST('{name}' AS DOUBLE)"


@literal.register
def _(value: decimal.Decimal) -> str:
    if not value.is_finite():
        raise DataError(f"the trail has no decimal {value}")
    text = f"{value:f}"
    whole, _, fraction = text.lstrip("-").partition(".")
    digits = max(len(whole) + len(fraction), 1)
    if digits > DECIMAL_DIGITS:
        raise DataError(f"a decimal of {digits} digits has more than {DECIMAL_DIGITS}")
    width = 128 if digits <= 38 else 256
    return f"arrow_cast('{text}', 'Decimal{width}({digits}, {len(fraction)})')"


@literal.register
def _(value: str) -> str:
    # A lone surrogate has no UTF-8, so it can neither be sent nor be stored.
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise DataError("text with a lone surrogate is not in the trail") from error
    # Of an enum, the text itself and not the member's name.
    return "'" + str.__str__(value).replace("'", "''") + "'"


@literal.register(bytes)
@literal.register(bytearray)
@literal.register(memoryview)
def _(value: bytes | bytearray | memoryview) -> str:
    return f"X'{bytes(value).hex()}'"


@literal.register
def _(value: uuid.UUID) -> str:
    return f"'{value}'"


@literal.register
def _(value: datetime.datetime) -> str:
    # The exact type of the time columns: with another one, the engine would cast the
    # column, and could no longer skip files by their statistics.
    text = in_utc(value).replace(tzinfo=None).isoformat(timespec="microseconds")
    return f"""arrow_cast('{text}Z', 'Timestamp(Microsecond, Some("UTC"))')"""


@literal.register
def _(value: datetime.date) -> str:
    return f"DATE '{value.isoformat()}'"


@literal.register
def _(value: datetime.time) -> str:
    if value.tzinfo is not None:
        raise DataError("a time of day with a time zone has no place in the trail")
    return f"TIME '{value.isoformat(timespec='microseconds')}'"


@literal.register
def _(value: datetime.timedelta) -> str:
    # As Django keeps a duration where the database has no type for it.
    return literal(value // datetime.timedelta(microseconds=1))


@literal.register(list)
def _(value: list[Any]) -> str:
    return "ARRAY[" + ", ".join(map(literal, value)) + "]"


@literal.register(tuple)
def _(value: tuple[Any, ...]) -> str:
    return "(" + ", ".join(map(literal, value)) + ")"


def in_utc(value: datetime.datetime) -> datetime.datetime:
    """The instant `value` in UTC; a naive one is meant in the project's time zone."""
    if timezone.is_naive(value):
        value = timezone.make_aware(value, timezone.get_default_timezone())
    return value.astimezone(datetime.UTC)
