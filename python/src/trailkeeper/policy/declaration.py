"""What a model says of itself: `class Trail` in it, or the decorator.

```python
class Invoice(models.Model):
    class Trail:
        level = "changed"
        fields = {"notes": "metadata", "search_text": "none"}


@trailkeeper.trail(level="metadata")
class Visit(models.Model): ...
```

Both say the same, both are optional, and the settings are asked first. A model inherits what its
base declares, and replaces it by declaring its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import Any, Final, TypeVar

from django.db import models

__all__ = ["OPTIONS", "Declared", "declared_by", "is_declared_in", "trail", "unknown_options"]

ATTRIBUTE: Final = "Trail"

M = TypeVar("M", bound=type[models.Model])

#: A function of the application, or the dotted path of one.
Named = Callable[..., Any] | str


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What a model declares; None where it says nothing.

    Args:
        level: of the model.
        fields: levels of fields by their names, those of many-to-many fields too.
        unchanged: `skip` or `record`: what becomes of a save that changes nothing.
        veto: says whether a change is recorded.
        enrich: gives data for the event of a change.
        tenant: the field that names the tenant of a row.
    """

    level: Any = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    unchanged: Any = None
    veto: Named | None = None
    enrich: Named | None = None
    tenant: Any = None


OPTIONS: Final = tuple(each.name for each in fields(Declared))


def trail(
    *,
    level: str | None = None,
    fields: Mapping[str, str] | None = None,
    unchanged: str | None = None,
    veto: Named | None = None,
    enrich: Named | None = None,
    tenant: str | None = None,
) -> Callable[[M], M]:
    """Declares what is recorded of a model, as `class Trail` in it does.

    Args:
        level: `none`, `metadata`, `changed` or `full`.
        fields: levels of fields by their names.
        unchanged: `skip` or `record`: what becomes of a save that changes nothing.
        veto: a function, or the dotted path of one, that gives False for a change that is not to
            be recorded.
        enrich: one that gives a dict for the event's `data`.
        tenant: the field that names the tenant of a row.
    """
    given = {
        "level": level,
        "fields": fields,
        "unchanged": unchanged,
        "veto": staticmethod(veto) if callable(veto) else veto,
        "enrich": staticmethod(enrich) if callable(enrich) else enrich,
        "tenant": tenant,
    }
    said = {name: value for name, value in given.items() if value is not None}

    def declare(model: M) -> M:
        setattr(model, ATTRIBUTE, type(ATTRIBUTE, (), said))
        return model

    return declare


def declared_by(model: type[models.Model]) -> Declared:
    """What `model` declares, or inherits."""
    trail = _trail_of(model)
    if trail is None:
        return Declared()
    said = {name: getattr(trail, name) for name in OPTIONS if hasattr(trail, name)}
    if not isinstance(said.get("fields", {}), Mapping):
        # `manage.py check` says so.
        del said["fields"]
    return Declared(**said)


def is_declared_in(model: type[models.Model]) -> bool:
    """Whether `model`, or an abstract base of it, declares something, rather than its parent."""
    found = _trail_of(model)
    parents = model._meta.parents
    return found is not None and all(_trail_of(parent) is not found for parent in parents)


def unknown_options(model: type[models.Model]) -> list[str]:
    """What stands in the `Trail` of `model` and is no option."""
    trail = _trail_of(model)
    names = [] if trail is None else [name for name in vars(trail) if not name.startswith("_")]
    return [name for name in names if name not in OPTIONS]


def _trail_of(model: type[models.Model]) -> type[Any] | None:
    """The class `Trail` of a model, unless it is something of the project's own."""
    found = getattr(model, ATTRIBUTE, None)
    if not isinstance(found, type) or issubclass(found, (models.Model, Enum)):
        return None
    return found
