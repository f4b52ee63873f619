"""How the value of a field is brought into the form that the database gives back."""

from __future__ import annotations

import decimal
import re
from collections.abc import Callable
from typing import Any, Final

from django.conf import settings as django_settings
from django.db import models

from trailkeeper.capture.containers import is_container, is_range, normaliser
from trailkeeper.conf import settings
from trailkeeper.policy.patterns import pattern_matches

__all__ = [
    "FieldSpec",
    "is_encrypted",
    "is_folded",
    "is_mutable",
    "is_secret",
    "spec_of",
    "why_secret",
]

#: What `trailkeeper._recorder.Schema` takes for a field: name, kind, decimal places, masked,
#: level, normalise.
FieldSpec = tuple[str, str, int | None, bool, str, Callable[[Any], Any]]

SECRET: Final = re.compile(
    r"(^|_)(passwd|passphrase|password|secret|token|api_?key|private_?key|access_?key|credentials?"
    r"|otp|totp)(_|$)",
    re.IGNORECASE,
)
#: A field of such a class, by its name or its module's, is kept from whoever can read the database.
ENCRYPTED: Final = re.compile(r"encrypt|crypto|fernet|pgp", re.IGNORECASE)
#: A field called `key` is a secret in a model called like one of these.
SECRET_MODEL: Final = re.compile(r"token|api_?key|secret|credential", re.IGNORECASE)

_KINDS: Final[list[tuple[type[models.Field[Any, Any]], str]]] = [
    (models.BooleanField, "bool"),
    (models.DecimalField, "decimal"),
    (models.FloatField, "float"),
    (models.IntegerField, "int"),
    (models.UUIDField, "uuid"),
    (models.JSONField, "json"),
    (models.DateTimeField, "datetime"),
    (models.DateField, "date"),
    (models.FileField, "file"),
    (models.GenericIPAddressField, "any"),
    (models.CharField, "text"),
    (models.TextField, "text"),
]
#: Significant digits of a decimal that SQLite gives back.
SQLITE_DIGITS: Final = 15
#: For rounding numbers of any length.
WIDE: Final = decimal.Context(prec=decimal.MAX_PREC)


def is_mutable(field: models.Field[Any, Any]) -> bool:
    """Whether the field's values can be changed in place."""
    if field.get_internal_type() == "JSONField" or type(field).__name__ == "JSONField":
        return True
    return is_container(field) and not is_range(field)


def is_folded(field: models.Field[Any, Any], vendor: str) -> bool:
    """Whether the database may take other values of the field for the same: `a` for `A`."""
    target = _target(field)
    if not isinstance(target, (models.CharField, models.TextField)):
        return False
    return vendor == "mysql" or getattr(target, "db_collation", None) is not None


def is_secret(field: models.Field[Any, Any]) -> bool:
    """Whether the field is called like a secret, is stored encrypted, is named by `MASK`, or holds
    the key of such a field.
    """
    return why_secret(field) is not None


def why_secret(field: models.Field[Any, Any]) -> str | None:
    """Why a field's values are masked; None if they are not."""
    if SECRET.search(field.name):
        return "its name is that of a secret"
    if is_encrypted(field):
        return "it is stored encrypted"
    target = _target(field)
    if target is not field and is_secret(target):
        return "its target is a secret"
    model = field.model._meta
    if field.name == "key" and SECRET_MODEL.search(model.object_name or ""):
        return "the key of a model of secrets"
    for pattern in settings["MASK"]:
        if pattern_matches(pattern, f"{model.label_lower}.{field.name}"):
            return f"MASK has {pattern!r}"
    return None


def is_encrypted(field: models.Field[Any, Any]) -> bool:
    """Whether the class of the field says that the database holds its values encrypted."""
    return any(
        ENCRYPTED.search(f"{base.__module__}.{base.__qualname__}")
        for base in type(field).__mro__
        if base is not object and not base.__module__.startswith("django.")
    )


def spec_of(field: models.Field[Any, Any], vendor: str, level: str) -> FieldSpec:
    """What the recorder must know of `field`, recorded at `level`, on a database of `vendor`."""
    target = _target(field)
    kind = _kind(target)
    places = None
    if isinstance(target, models.DecimalField):
        places = target.decimal_places
        if vendor == "sqlite" and not _is_kept_by_sqlite(target.max_digits):
            # Its digits alone do not say what is stored.
            kind = "any"
    return field.name, kind, places, is_secret(field), level, _normaliser(target, vendor)


def _target(field: models.Field[Any, Any]) -> models.Field[Any, Any]:
    while field.remote_field is not None and hasattr(field, "target_field"):
        field = field.target_field
    return field


def _kind(field: models.Field[Any, Any]) -> str:
    if is_mutable(field):
        # Lists may change after the event: they are written at once and compared as JSON.
        return "container" if is_container(field) else "json"
    # A subclass with converters of its own gives values that only it understands.
    if hasattr(field, "from_db_value") and not isinstance(field, models.JSONField):
        return "any"
    for base, kind in _KINDS:
        if isinstance(field, base):
            return "any" if kind == "datetime" and not django_settings.USE_TZ else kind
    return "any"


def _normaliser(field: models.Field[Any, Any], vendor: str) -> Callable[[Any], Any]:
    if is_container(field):
        return normaliser(field, lambda element: _normaliser(element, vendor))
    if isinstance(field, models.DecimalField):
        return lambda value: _quantise(field, value, vendor)
    if isinstance(field, models.FileField):
        return lambda value: str(getattr(value, "name", value) or "")
    if isinstance(field, models.DateTimeField):
        return lambda value: field.to_python(field.get_prep_value(value))
    return field.to_python


def _is_kept_by_sqlite(digits: int | None) -> bool:
    return digits is not None and digits <= SQLITE_DIGITS


def _step(places: int | None) -> decimal.Decimal | None:
    return None if places is None else decimal.Decimal(1).scaleb(-places)


def _quantise(field: models.DecimalField[Any, Any], value: Any, vendor: str) -> Any:
    """The decimal as stored."""
    number = field.to_python(value)
    if number is None or not number.is_finite():
        return number
    step = _step(field.decimal_places)
    if vendor == "sqlite":
        # It stores a float, of which Django believes so many digits, and rounds them half to even.
        number = decimal.Context(prec=SQLITE_DIGITS).create_decimal_from_float(float(number))
        if step is not None:
            number = number.quantize(step, context=field.context)
    elif step is not None:
        # PostgreSQL, MariaDB and MySQL round half away from zero.
        number = number.quantize(step, rounding=decimal.ROUND_HALF_UP, context=WIDE)
    return number if number else abs(number)
