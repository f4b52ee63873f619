"""Objects that have rows in several tables: which events tell of each row, and what they say of it.

A restaurant that is a place is one object with two rows. What is written through `Restaurant` is
an event of the restaurant, with the fields of both; what is written through `Place`, one of the
place. So an object's history is that of its whole family, and its state is put together row by
row, each from whichever events tell of it:

- an update tells of the rows of which it has a field;
- a create, a baseline or a delete tells of its model's own row, and of those of the parents of
  which it has the primary key.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q

from trailkeeper.history.reference import find_model, label_of, object_id_of, primary_key_of
from trailkeeper.kin import has_kin, key_root_of, kin_of, owner_of, parents_of

if TYPE_CHECKING:
    from trailkeeper.history.reference import ObjectReference
    from trailkeeper.history.versions import State, Version

__all__ = [
    "Family",
    "Part",
    "Told",
    "descendants_of",
    "family_of",
    "kin_condition",
    "parts_of",
    "told_by",
]

Model = type[models.Model]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A row of an object.

    Args:
        model: label of the model in whose table it stands.
        key: name of the field of its primary key.
        names: its fields.
        has_id: whether its key is the object's id.
        is_own: whether its table is that of the object's model.
    """

    model: str
    key: str
    names: frozenset[str]
    has_id: bool
    is_own: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a version of an object says of one of its rows."""

    action: str
    changed: list[str]
    before: State
    after: State
    unavailable: list[str]
    redacted: State


def parts_of(label: str | None) -> tuple[Part, ...]:
    """The rows of an object, its own last; none if it has but one, and no model has more of it."""
    global _parts
    # Django makes this list anew when a model is added.
    found_in = apps.get_models()
    if _parts[0] is not found_in:
        _parts = (found_in, {})
    if label not in _parts[1]:
        _parts[1][label] = _parts_of(label)
    return _parts[1][label]


#: The list of all models, and the parts by label, as far as they were asked for.
_parts: tuple[Any, dict[str | None, tuple[Part, ...]]] = (None, {})


def _parts_of(label: str | None) -> tuple[Part, ...]:
    model = find_model(label)
    if model is None or not has_kin(model):
        return ()
    root = key_root_of(model)
    fields = model._meta.concrete_fields
    return tuple(
        Part(
            model=label_of(table),
            key=table._meta.pk.name,
            names=frozenset(field.name for field in fields if owner_of(field) is table),
            has_id=key_root_of(table) is root,
            is_own=table is model._meta.concrete_model,
        )
        for table in (*parents_of(model), model._meta.concrete_model or model)
    )


def told_by(version: Version, label: str, object_id: str) -> Iterator[tuple[Part, str, Told]]:
    """What a version says of each row that it tells of, with the key of the row.

    Args:
        version: the version.
        label: of the object's model.
        object_id: the object's id.
    """
    is_update = version.action == "update"
    state = version.before if version.action == "delete" else version.after
    is_redacted = bool(version.redacted)
    for part in parts_of(label):
        told = _cut(version, part)
        if is_update:
            is_told = bool(told.after or told.unavailable) or is_redacted
        else:
            # A key whose value is not kept is named as such.
            is_known = part.key in state or part.key in version.unavailable
            is_told = part.is_own or is_known or is_redacted
        key = object_id if part.has_id else _text(state.get(part.key))
        if is_told and key is not None:
            yield part, key, told


def _cut(version: Version, part: Part) -> Told:
    names = part.names
    return Told(
        action=version.action,
        changed=[name for name in version.changed if name in names],
        before={name: value for name, value in version.before.items() if name in names},
        after={name: value for name, value in version.after.items() if name in names},
        unavailable=[name for name in version.unavailable if name in names],
        redacted=version.redacted,
    )


def _text(key: Any) -> str | None:
    return None if key is None else str(key)


def descendants_of(model: Model) -> list[Model]:
    """The models whose objects have a row in the table of `model`, without itself."""
    return [each for each in kin_of(model) if model._meta.concrete_model in parents_of(each)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """The rows of an object.

    Args:
        keys: the keys of its rows, as far as they are known, by the label of the table's model.
        condition: which events tell of one of them.
    """

    keys: dict[str, str]
    condition: Q


def family_of(
    reference: ObjectReference, model: Model | str, instance: models.Model | None = None
) -> Family:
    """The rows of an object, and those of other models' objects that share one of them.

    Args:
        reference: the object.
        model: its model; a label if the project has it no longer.
        instance: the object, if it is at hand.
    """
    own = Family(keys={reference.model: reference.object_id}, condition=Q(object_key=reference.key))
    kin = () if isinstance(model, str) else kin_of(model)
    if isinstance(model, str) or len(kin) < 2:
        return own
    root = key_root_of(model)
    roots = {root: reference.object_id}
    for parent in parents_of(model):
        if key_root_of(parent) not in roots:
            key = _key_of(reference, parent, instance)
            if key is not None:
                roots[key_root_of(parent)] = key
    keys = {label_of(each): roots[key_root_of(each)] for each in kin if key_root_of(each) in roots}
    condition = Q(object_key__in=sorted(f"{label}/{key}" for label, key in keys.items()))
    for each in kin:
        if label_of(each) not in keys:
            condition |= _sharing(each, keys)
    return Family(keys=keys, condition=condition)


def _key_of(reference: ObjectReference, parent: Model, instance: models.Model | None) -> str | None:
    """The key of the object's row in the table of a parent, to which its own key says nothing."""
    key = parent._meta.pk
    if instance is not None and instance.__dict__.get(key.attname) is not None:
        return object_id_of(instance.__dict__[key.attname])
    from trailkeeper.models import Event

    versions = Event.objects.filter(object_key=reference.key, kind="change").latest_first()
    for after, before in versions.values_list("after", "before").iterator():
        found = _text(after.get(key.name, before.get(key.name)))
        if found is not None:
            return found
    return None


def _sharing(model: Model, keys: dict[str, str]) -> Q:
    """The events of objects of `model` that have one of the rows, whose key is not their id."""
    condition = Q()
    for parent in parents_of(model):
        label = label_of(parent)
        if label not in keys:
            continue
        try:
            key = primary_key_of(parent, keys[label])
        except (ValidationError, ValueError, TypeError):
            # A secret, of which events have a hash.
            key = keys[label]
        links: dict[Any, Any] = model._meta.parents
        names = {parent._meta.pk.name, *(link.name for link in [links.get(parent)] if link)}
        for name in sorted(names):
            condition |= Q(after__contains={name: key}) | Q(before__contains={name: key})
    return Q(condition, model=label_of(model)) if condition else Q(pk__in=[])


def kin_condition(object_keys: Iterable[str]) -> Q:
    """The events that tell of a row of one of these objects; perhaps of others of their models too.

    Args:
        object_keys: keys of objects with rows in several tables, as the column has them.
    """
    keys: set[str] = set()
    others: set[str] = set()
    for object_key in object_keys:
        label, _, object_id = object_key.partition("/")
        same, other = _relatives(label)
        keys.update(f"{each}/{object_id}" for each in same)
        others |= other
    condition = Q(object_key__in=sorted(keys))
    # Which of their objects are meant stands in their states only.
    return condition | Q(model__in=sorted(others)) if others else condition


def _relatives(label: str) -> tuple[frozenset[str], frozenset[str]]:
    """The models of the kin that have the same keys as a model, and those that have others."""
    model = find_model(label)
    if model is None:
        return frozenset({label}), frozenset()
    root = key_root_of(model)
    kin = kin_of(model)
    same = frozenset(label_of(each) for each in kin if key_root_of(each) is root)
    return same, frozenset(map(label_of, kin)) - same
