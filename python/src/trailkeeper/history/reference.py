"""Which object is meant: the names that the trail has for an object of the application."""

import json
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db import models

Target = models.Model | tuple[type[models.Model] | str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectReference:
    """An object as the trail names it, whether or not it still exists."""

    model: str
    object_id: str

    @property
    def key(self) -> str:
        """The value of the column `object_key`."""
        return f"{self.model}/{self.object_id}"


def reference_to(target: Target) -> ObjectReference:
    """The reference to an instance, or to `(model, primary key)`.

    The model may be a class or a label, such as `"billing.invoice"`: an object of a
    model that is gone still has its history.
    """
    if isinstance(target, models.Model):
        if not target._is_pk_set():  # type: ignore[attr-defined]
            raise ValueError(
                "an object without a primary key has no history of its own: "
                "for a deleted one, ask with (model, primary key)"
            )
        model: type[models.Model] | str = type(target)
        pk = target.pk
    else:
        model, pk = target
    object_id = object_id_of(pk)
    if _is_key_secret(model) and not object_id.startswith("masked:"):
        from trailkeeper.capture.registry import masked_id

        object_id = masked_id(object_id)
    return ObjectReference(model=label_of(model), object_id=object_id)


def _is_key_secret(model: type[models.Model] | str) -> bool:
    # Capture is the writing side; importing this module must not load it.
    from trailkeeper.capture.fields import is_secret

    known = find_model(model) if isinstance(model, str) else model
    fields: Any = known._meta.pk_fields if known is not None else ()
    return len(fields) == 1 and is_secret(fields[0])


def label_of(model: type[models.Model] | str) -> str:
    """The label of a model in the trail. A proxy's rows are those of its concrete model."""
    if isinstance(model, str):
        return model.lower()
    concrete = model._meta.concrete_model or model
    return concrete._meta.label_lower


def object_id_of(pk: Any) -> str:
    """A primary key as text; a composite one is the canonical JSON array of its parts."""
    if isinstance(pk, models.Model):
        return object_id_of(pk.pk)
    if isinstance(pk, (tuple, list)):
        return json.dumps([_part(part) for part in pk], ensure_ascii=False, separators=(",", ":"))
    return str(pk)


def _part(value: Any) -> bool | int | str:
    if isinstance(value, models.Model):
        return _part(value.pk)
    return value if isinstance(value, (bool, int, str)) else str(value)


def find_model(label: str | None) -> type[models.Model] | None:
    """The model with that label, or None if the project has it no longer."""
    try:
        return apps.get_model(label) if label else None
    except (LookupError, ValueError):
        return None


def primary_key_of(model: type[models.Model], object_id: str) -> Any:
    """The primary key that `object_id_of` wrote as text; a tuple if it is composite.

    Raises `ValidationError` or `ValueError` for a text that is no key of the model.
    """
    parts = tuple(key_parts(model, object_id).values())
    return parts[0] if len(parts) == 1 else parts


def key_parts(model: type[models.Model], object_id: str) -> dict[str, Any]:
    """The values of the fields that make up the primary key, by attribute.

    Raises as `primary_key_of` does.
    """
    fields: Any = model._meta.pk_fields
    parts = [object_id] if len(fields) == 1 else json.loads(object_id)
    return {field.attname: field.to_python(part) for field, part in zip(fields, parts, strict=True)}
