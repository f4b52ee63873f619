"""The state of an object at a time, rebuilt from its events.

An event's `after` is the whole state as a rule. Where it has only some fields, because no more is
known or the policy keeps no more, the older events have the others, back to one that knows the
whole, or to the object's creation. A value that no event has stays unknown: it is never filled in
from a default, nor from the database of today.
"""

import datetime
import json
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, overload

from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.db import models
from django.db.models import Q
from django.utils import timezone

from trailkeeper.history.family import Family, Told, family_of, parts_of, told_by
from trailkeeper.history.queryset import EventQuerySet, require_aware
from trailkeeper.history.reference import (
    ObjectReference,
    Target,
    find_model,
    key_parts,
    reference_to,
)
from trailkeeper.history.versions import BEGINNINGS, VERSIONS, State, Version

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from trailkeeper.models import Event

M = TypeVar("M", bound=models.Model)


class UnknownValueError(AttributeError):
    """The trail does not have the value that this field had at that time."""


@overload
def as_of(target: M, t: datetime.datetime) -> M: ...
@overload
def as_of(target: tuple[type[M], Any], t: datetime.datetime) -> M: ...
@overload
def as_of(target: tuple[str, Any], t: datetime.datetime) -> models.Model: ...
def as_of(target: Target, t: datetime.datetime) -> models.Model:
    """`target` as it was stored at `t`, which must be aware: an instance, never saved.

    `target` is an instance, or `(model, primary key)`. Fields whose value at that time is
    not known are left out of the instance: reading one raises `UnknownValueError`.

    Raises the model's `DoesNotExist` when the object did not exist at `t`, or when its
    events do not reach back to `t`; `LookupError` when the model is gone.
    """
    require_aware(t)
    model = _model_of(target)
    reference = reference_to(target)
    family = family_of(reference, model, target if isinstance(target, models.Model) else None)
    versions = _versions(family)
    until = versions.filter(
        # Events of the transaction that is still open have no time of commit.
        Q(committed_at__lte=t) | Q(committed_at=None, occurred_at__lte=t)
    )
    if parts_of(reference.model):
        newest, state = _state_of_parts(reference, family, until)
    else:
        newest = until.latest_first().first()
        state = {} if newest is None else _state(_names(model), _from(newest, until))
    name = _name_of(target, model, newest)
    if newest is None:
        raise _does_not_exist(model)(_why_nothing_before(versions, name))
    if newest.action == "delete":
        raise _does_not_exist(model)(f"{name} had already been deleted.")
    return _instance(model, reference, state)


def _model_of(target: Target) -> type[models.Model]:
    if isinstance(target, models.Model):
        return type(target)
    model = target[0]
    if not isinstance(model, str):
        return model
    found = find_model(model)
    if found is None:
        raise LookupError(f"the project has no model {model!r}: its events have the states")
    return found


def _versions(family: Family) -> EventQuerySet:
    from trailkeeper.models import Event

    found: EventQuerySet = Event.objects.filter(
        family.condition, kind="change", action__in=sorted(VERSIONS)
    )
    return found


def _does_not_exist(model: type[models.Model]) -> type[ObjectDoesNotExist]:
    error: type[ObjectDoesNotExist] = model.DoesNotExist  # type: ignore[attr-defined]
    return error


def _why_nothing_before(versions: EventQuerySet, name: str) -> str:
    oldest = versions.oldest_first().first()
    if oldest is None:
        return f"Nothing is recorded about {name}."
    if oldest.action == "create":
        return f"{name} had not yet been created."
    return f"What {name} was then is not known: its trail begins at {oldest.occurred_at}."


def _name_of(target: Target, model: type[models.Model], newest: "Event | None") -> str:
    if isinstance(target, models.Model):
        return str(target)
    if newest is not None and newest.object_label:
        return newest.object_label
    return f"{model._meta.verbose_name} {target[1]}"


def _from(newest: "Event", until: EventQuerySet) -> "Iterator[Event]":
    """The versions, newest first; the older ones are read when they are asked for."""
    yield newest
    yield from until.latest_first()[1:]


def _names(model: type[models.Model]) -> frozenset[str]:
    """The fields that the model has today."""
    return frozenset(field.name for field in model._meta.concrete_fields)


def _state(names: frozenset[str], versions: "Iterable[Version]") -> State:
    """The fields that are known at the newest of `versions`, which are in that order, by name."""
    state: State = {}
    unknown: set[str] = set()
    for version in versions:
        if version.action == "delete":
            break
        for field, value in version.after.items():
            if field not in unknown:
                state.setdefault(field, value)
        unknown |= set(version.unavailable) - state.keys()
        if version.action in BEGINNINGS or names <= version.after.keys() | set(version.unavailable):
            break
    return state


def _state_of_parts(
    reference: ObjectReference, family: Family, until: EventQuerySet
) -> "tuple[Event | None, State]":
    """The newest version that tells of the object's own row, and the state of all its rows."""
    parts = {part.model: part for part in parts_of(reference.model)}
    told: dict[str, list[Told]] = {label: [] for label in parts}
    newest: Event | None = None
    for event in until.latest_first().iterator():
        for part, key, version in told_by(event, event.model or "", event.object_id or ""):
            if part.model in parts and family.keys.get(part.model) == key:
                told[part.model].append(version)
                if newest is None and part.model == reference.model:
                    newest = event
    state: State = {}
    for label, versions in told.items():
        state |= _state(parts[label].names, versions)
    return newest, state


def _instance(model: type[models.Model], reference: ObjectReference, state: State) -> models.Model:
    # Capture is the writing side; importing this module must not load it.
    from trailkeeper.capture.fields import is_secret
    from trailkeeper.policy.level import Level
    from trailkeeper.policy.rules import field_rule, model_rule

    key = key_parts(model, reference.object_id)
    is_tracked = model_rule(model).level is not Level.NONE

    def is_passed_over(field: Any) -> bool:
        # It may have changed since it was last recorded, and nothing says so.
        return is_tracked and field_rule(field).level is Level.NONE

    def value_of(field: Any) -> Any:
        if field.attname in key:
            return key[field.attname]
        # Of a secret the trail has a hash, which is not what was stored.
        if field.name not in state or is_secret(field) or is_passed_over(field):
            return models.DEFERRED
        return _typed(field, state[field.name])

    instance = model(*map(value_of, model._meta.concrete_fields))
    # Django loads a deferred field from the database on access: that would be the value
    # of today.
    instance.refresh_from_db = partial(_refuse_to_load, model._meta.label)  # type: ignore[method-assign]
    return instance


def _refuse_to_load(label: str, *args: Any, fields: Any = None, **kwargs: Any) -> NoReturn:
    what = ", ".join(fields) if fields else "the object"
    raise UnknownValueError(f"{label}: the trail does not have {what} at that time")


def _typed(field: Any, value: Any) -> Any:
    """The Python value that the database would give for the field."""
    if value is None:
        return None
    if isinstance(value, list) and hasattr(field, "base_field"):
        return [_typed(field.base_field, item) for item in value]
    try:
        # Django reads a range from JSON.
        is_range = isinstance(value, dict) and hasattr(field, "range_type")
        typed = field.to_python(json.dumps(value) if is_range else value)
    except (ValidationError, ValueError, TypeError, ObjectDoesNotExist):
        # The field had another type then, or its value is masked.
        return models.DEFERRED
    if isinstance(typed, memoryview):
        return bytes(typed)
    if isinstance(typed, datetime.datetime) and timezone.is_aware(typed):
        return _in_project_time(typed)
    return typed


def _in_project_time(value: datetime.datetime) -> datetime.datetime:
    from django.conf import settings

    if settings.USE_TZ:
        return value
    return timezone.make_naive(value, timezone.get_default_timezone())
