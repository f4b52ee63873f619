"""Values of PostgreSQL's fields that hold other values: arrays, ranges, hstore.

They are recognised by what they have, and not by their classes: those can only be imported where
PostgreSQL's driver is installed.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from django.db import models

__all__ = ["RANGE_KEYS", "is_array", "is_container", "is_range", "normaliser"]

Field: TypeAlias = "models.Field[Any, Any]"
Normalise = Callable[[Any], Any]

#: The keys of a range as JSON; an empty one is `{"empty": true}`.
RANGE_KEYS: Final = ("bounds", "lower", "upper")

#: What follows a value, where PostgreSQL knows it: it gives such ranges back as `[lower, upper)`.
_STEPS: Final[dict[str, Any]] = {
    "IntegerField": 1,
    "BigIntegerField": 1,
    "DateField": datetime.timedelta(days=1),
}


def is_array(field: Field) -> bool:
    """Whether the values are lists of values of the field's `base_field`."""
    return _is_a(field, "ArrayField")


def is_range(field: Field) -> bool:
    """Whether the values are ranges of values of the field's `base_field`."""
    return hasattr(field, "range_type")


def is_container(field: Field) -> bool:
    """Whether the field's values hold others."""
    return is_array(field) or is_range(field) or _is_a(field, "HStoreField")


def _is_a(field: Field, name: str) -> bool:
    return any(base.__name__ == name for base in type(field).__mro__)


def normaliser(field: Any, element: Callable[[Field], Normalise]) -> Normalise:
    """What brings a value of a container into the form in which the database gives it back.

    Args:
        field: a container.
        element: gives the same for the field of the values in it.

    Raises:
        ValueError: by what is given, if a value is none that the field could store.
    """
    if is_array(field):
        of_item = _or_none(element(field.base_field))
        return lambda value: [of_item(item) for item in field.to_python(_thawed(value))]
    if is_range(field):
        of_bound = _or_none(element(field.base_field))
        step = _STEPS.get(field.base_field.get_internal_type())
        return lambda value: _range(field.to_python(value), of_bound, step)
    return lambda value: field.get_prep_value(field.to_python(_thawed(value)))


def _thawed(value: Any) -> Any:
    """The value, also where it was kept as JSON because it can change in place."""
    return json.loads(value) if isinstance(value, bytes) else value


def _or_none(normalise: Normalise) -> Normalise:
    return lambda value: None if value is None else normalise(value)


def _range(value: Any, of_bound: Normalise, step: Any) -> dict[str, Any]:
    """A range as PostgreSQL writes it."""
    if value.isempty:
        return {"empty": True}
    lower, upper = of_bound(value.lower), of_bound(value.upper)
    opening, closing = value._bounds or "[)"
    if lower is None:
        opening = "("
    if upper is None:
        closing = ")"
    if step is not None:
        if lower is not None and opening == "(":
            lower, opening = lower + step, "["
        if upper is not None and closing == "]":
            upper, closing = upper + step, ")"
    if lower is not None and lower == upper and opening + closing != "[]":
        return {"empty": True}
    return dict(zip(RANGE_KEYS, (opening + closing, lower, upper), strict=True))
