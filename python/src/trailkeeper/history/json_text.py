"""JSON columns of the trail: canonical text in the table, lists and dicts in Python.

The engine has no JSON functions. But the text is canonical (RFC 8785), so whether a list
holds a text, or an object a pair, can be seen in the text itself.
"""

import datetime
import decimal
import json
import uuid
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models.lookups import BuiltinLookup
from django.utils.duration import duration_iso_string

if TYPE_CHECKING:
    Field = models.Field[Any, Any]
else:
    Field = models.Field

Sql = tuple[str, tuple[Any, ...]]

# Beyond it, a number in JSON loses digits elsewhere, so the trail writes text.
EXACT_INTEGERS = range(-(2**53) + 1, 2**53)


def canonical(value: Any) -> str:
    """The canonical JSON of a text, number, truth value, null, time or identifier.

    As docs/formats/event.md has it, but without floats and nested values: their text
    cannot be searched for with certainty.
    """
    match value:
        case None | bool() | str():
            plain: Any = value
        case int():
            plain = value if value in EXACT_INTEGERS else str(value)
        case datetime.datetime():
            plain = _time_text(value)
        case datetime.timedelta():
            plain = duration_iso_string(value)
        case datetime.date() | datetime.time():
            plain = value.isoformat()
        case decimal.Decimal() | uuid.UUID():
            plain = str(value)
        case _:
            raise TypeError(f"a {type(value).__name__} cannot be searched for in JSON")
    return json.dumps(plain, ensure_ascii=False)


def _time_text(value: datetime.datetime) -> str:
    if value.tzinfo is None:
        return value.isoformat()
    return value.astimezone(datetime.UTC).replace(tzinfo=None).isoformat() + "Z"


class JSONTextField(Field):
    """A column of canonical JSON, read as the Python value.

    NULL reads as an empty container (`dict` by default), so that `event.after.get("name")`
    and `"name" in event.changed` need no check; `isnull` still tells the two apart.
    """

    description = "Canonical JSON"

    def __init__(self, *args: Any, container: type[Any] = dict, **kwargs: Any) -> None:
        self.container = container
        super().__init__(*args, **kwargs)

    def get_internal_type(self) -> str:
        return "TextField"

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        if self.container is not dict:
            kwargs["container"] = self.container
        return name, path, args, kwargs

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> Any:
        return self.container() if value is None else json.loads(value)

    def to_python(self, value: Any) -> Any:
        return json.loads(value) if isinstance(value, str) else value

    def get_prep_value(self, value: Any) -> Any:
        value = super().get_prep_value(value)
        if value is None or isinstance(value, str):
            return value
        return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))

    def value_to_string(self, obj: models.Model) -> str:
        return str(self.get_prep_value(self.value_from_object(obj)))


class _TextSearch(BuiltinLookup):
    """A lookup that holds where the column's text contains one of some pieces."""

    prepare_rhs = False

    def pieces(self) -> list[list[str]]:
        """Alternatives, all of which must be met; each is met by any of its pieces."""
        raise NotImplementedError

    def as_sql(self, compiler: Any, connection: Any) -> Sql:
        column, column_params = self.process_lhs(compiler, connection)
        condition = f"{column} {connection.operators['contains']}"
        conditions = []
        params: list[Any] = []
        for alternatives in self.pieces():
            conditions.append(" OR ".join([condition] * len(alternatives)))
            for piece in alternatives:
                params += [*column_params, f"%{connection.ops.prep_for_like_query(piece)}%"]
        return "(" + ") AND (".join(conditions) + ")", tuple(params)


@JSONTextField.register_lookup
class Contains(_TextSearch):
    """`changed__contains="status"`; `after__contains={"status": "paid"}`.

    A text is looked for among the elements of a list. A dict's pairs are looked for in
    objects at any depth, each by itself: `{"city": "Rome"}` is also found in an address.
    """

    lookup_name = "contains"

    def pieces(self) -> list[list[str]]:
        match self.rhs:
            case str():
                return [[canonical(self.rhs)]]
            case dict() if self.rhs:
                return [_pair(key, value) for key, value in self.rhs.items()]
            case _:
                raise TypeError("contains takes a text, or a dict with the pairs to look for")


@JSONTextField.register_lookup
class HasKey(_TextSearch):
    """`after__has_key="status"`: an object has the key, at any depth."""

    lookup_name = "has_key"

    def pieces(self) -> list[list[str]]:
        return [[canonical(str(self.rhs)) + ":"]]


@JSONTextField.register_lookup
class RefersTo(_TextSearch):
    """`related__refers_to=("billing.tag", "3")`: an element names that object."""

    lookup_name = "refers_to"

    def pieces(self) -> list[list[str]]:
        model, object_id = self.rhs
        # Canonical keys are sorted, so these two stand side by side.
        return [[f'"model":{canonical(model)},"object_id":{canonical(object_id)}']]


def _pair(key: str, value: Any) -> list[str]:
    text = f"{canonical(str(key))}:{canonical(value)}"
    # A text ends with its quote; anything else ends where the next pair or the end begins.
    return [text] if text.endswith('"') else [text + ",", text + "}"]
