"""Objects whose fields stand in several tables: Django's multi-table inheritance.

A restaurant that is a place has a row in the table of places, and one in its own. Both writing and
reading ask here which tables there are. A model means its concrete model, proxies are none.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db import models

__all__ = ["has_kin", "key_root_of", "kin_of", "owner_of", "parents_of"]

Model = type[models.Model]


def owner_of(field: Any) -> Model:
    """The model in whose table the field stands."""
    owner: Model = field.model._meta.concrete_model
    return owner


def parents_of(model: Model) -> tuple[Model, ...]:
    """The models in whose tables an object of `model` has rows beside its own."""
    concrete: Any = model._meta.concrete_model or model
    found: dict[Model, None] = dict.fromkeys(
        parent._meta.concrete_model for parent in concrete._meta.get_parent_list()
    )
    found.pop(concrete, None)
    return tuple(found)


def has_kin(model: Model) -> bool:
    """Whether an object of `model` may have rows in further tables: its parents' or children's."""
    return bool(parents_of(model)) or any(True for _ in _children_of(model))


def kin_of(model: Model) -> tuple[Model, ...]:
    """All models whose objects may share a row with an object of `model`, and `model` itself."""
    concrete: Any = model._meta.concrete_model or model
    found: dict[Model, None] = {}
    waiting: list[Model] = [concrete]
    while waiting:
        current = waiting.pop()
        if current not in found:
            found[current] = None
            waiting += [*parents_of(current), *_children_of(current)]
    return tuple(found)


def key_root_of(model: Model) -> Model:
    """The model that gives the primary key: itself, or the parent that the key is a link to."""
    root: Model = model._meta.concrete_model or model
    while True:
        link: Any = root._meta.pk.remote_field
        if link is None or not link.parent_link:
            return root
        root = link.model._meta.concrete_model


def _children_of(model: Model) -> Iterator[Model]:
    concrete: Any = model._meta.concrete_model or model
    for relation in concrete._meta.get_fields(include_parents=False, include_hidden=True):
        if isinstance(relation, models.OneToOneRel) and relation.parent_link:
            child: Any = relation.related_model
            if issubclass(child, concrete):
                yield child
