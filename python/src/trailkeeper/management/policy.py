"""`manage.py trailkeeper status --policy`: what is recorded of each model and field, and why.

A model has a line, and below it what differs from it: fields with a level of their own, masked
ones, and what else was decided. Where models are named, every field has a line.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from django.apps import apps

from trailkeeper.capture.fields import why_secret
from trailkeeper.policy.level import Level
from trailkeeper.policy.rules import (
    Decision,
    choice_for,
    field_rule,
    link_owner,
    model_rule,
    tenant_field,
    unchanged_rule,
)
from trailkeeper.tables.selection import models_meant

if TYPE_CHECKING:
    from django.core.management.base import BaseCommand
    from django.db import models

    Model = type[models.Model]

__all__ = ["handle"]

#: What a row has: a name, a value, and why.
Row = tuple[str, str, str]

INDENT: Final = "    "


def handle(command: BaseCommand, names: Sequence[str]) -> None:
    """Prints what holds for the models that are named, or for all of them.

    Raises:
        InvalidRequestError: if there is no such model or app.
    """
    chosen = _chosen(names)
    tracked: list[tuple[Row, list[Row]]] = []
    untracked: list[Row] = []
    for model in chosen:
        rule = model_rule(model)
        row = (model._meta.label_lower, str(rule.level), rule.why)
        if rule.level is Level.NONE:
            untracked.append(row)
        else:
            tracked.append((row, list(_details(model, rule, is_whole=bool(names)))))
    command.stdout.write(f"recorded ({len(tracked)})")
    for line in _aligned(tracked):
        command.stdout.write(line)
    command.stdout.write("")
    command.stdout.write(f"not recorded ({len(untracked)})")
    for line in _aligned([(row, []) for row in untracked]):
        command.stdout.write(line)


def _chosen(names: Sequence[str]) -> list[Model]:
    found: Any = (
        [model for name in names for model in models_meant(name)] if names else apps.get_models()
    )
    # A proxy has the rows of another model; links stand below the model that declares them.
    concrete = {m for m in found if not m._meta.proxy and link_owner(m) is None}
    return sorted(concrete, key=lambda model: model._meta.label_lower)


def _details(model: Model, rule: Decision, *, is_whole: bool) -> Iterator[Row]:
    fields: list[Any] = [*model._meta.local_concrete_fields, *model._meta.local_many_to_many]
    alike = 0
    for field in fields:
        found = field_rule(field)
        secret = why_secret(field) if field.concrete and not field.many_to_many else None
        is_masked = secret is not None and found.level.has_values
        if found == rule and not is_masked and not is_whole:
            alike += 1
            continue
        value = f"{found.level}, masked" if is_masked else str(found.level)
        yield field.name, value, f"{found.why}; {secret}" if is_masked else found.why
    if alike and alike < len(fields):
        yield f"({alike} more)", str(rule.level), "as the model"
    unchanged = unchanged_rule(model)
    if unchanged.value != "skip" or is_whole:
        yield "saves that change nothing", str(unchanged.value), unchanged.why
    tenant = tenant_field(model)
    if tenant is not None:
        yield "tenant", str(tenant.value), tenant.why
    for setting, option in (("VETO", "veto"), ("ENRICH", "enrich")):
        asked = choice_for(model, setting, option)
        if asked is not None:
            yield option, "asked", f"{_name_of(asked.value)}; {asked.why}"


def _name_of(named: Any) -> str:
    if isinstance(named, str):
        return named
    return f"{getattr(named, '__module__', '')}.{getattr(named, '__qualname__', named)}".lstrip(".")


def _aligned(rows: list[tuple[Row, list[Row]]]) -> Iterator[str]:
    """The rows as lines in columns, those below a model set in."""
    every = [(row[0], row[1]) for row, _ in rows]
    every += [(INDENT + name, value) for _, below in rows for name, value, _ in below]
    width = max((len(name) for name, _ in every), default=0)
    level = max((len(value) for _, value in every), default=0)
    for (name, value, why), below in rows:
        yield f"  {name:<{width}}  {value:<{level}}  {why}"
        for name, value, why in below:
            yield f"  {INDENT + name:<{width}}  {value:<{level}}  {why}"
