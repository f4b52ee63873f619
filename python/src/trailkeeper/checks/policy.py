"""The policy: entries, patterns, choices, callables, and what models declare."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from django.apps import apps
from django.core.checks import CheckMessage, Error, Warning

from trailkeeper.checks.callables import unusable
from trailkeeper.checks.said import listed, meant
from trailkeeper.policy.declaration import (
    OPTIONS,
    declared_by,
    is_declared_in,
    unknown_options,
)
from trailkeeper.policy.level import Level
from trailkeeper.policy.patterns import pattern_matches
from trailkeeper.policy.rules import UNCHANGED, entries, is_field_pattern

__all__ = ["check_choices", "check_declarations", "check_policy"]

LEVELS: Final = tuple(str(level) for level in Level)


def check_policy(value: dict[str, Any]) -> Iterator[CheckMessage]:
    """Checks the entries of `POLICY`: their form, what they match, and that each can decide."""
    for entry in listed(value, "POLICY"):
        match entry:
            case (str(), str() as level) if level in LEVELS:
                continue
            case (str() as pattern, level):
                found = f"gives {pattern!r} the level {level!r}, and there is none"
                asked = meant(str(level), LEVELS)
            case _:
                found, asked = f"has {entry!r}, which is no pair of a pattern and a level", ""
        yield Error(
            f"TRAILKEEPER['POLICY'] {found}.",
            hint=f"{asked}Write pairs such as ('billing.*', 'changed'); the levels are "
            f"{', '.join(LEVELS)}.",
            id="trailkeeper.E013",
        )
    names = _names()
    known = [*names, *(name for own in names.values() for name in own)]
    decided: set[str] = set()
    for pattern, level in entries():
        matched = _matched(pattern, names)
        if not matched:
            what = "field" if is_field_pattern(pattern) else "model"
            yield Error(
                f"TRAILKEEPER['POLICY'] has {pattern!r}, which matches no {what}.",
                hint=f"{meant(pattern.lower(), known)}A pattern with two dots is about fields, "
                "'app_label.modelname.fieldname', any other about models, 'app_label.modelname'.",
                id="trailkeeper.E014",
            )
        elif matched <= decided:
            yield Warning(
                f"TRAILKEEPER['POLICY'] has ({pattern!r}, {str(level)!r}), which decides nothing: "
                "the entries before it match all that it does.",
                hint="The first entry that matches decides: put it before the wider one, or remove "
                "it.",
                id="trailkeeper.W007",
            )
        decided |= matched


def check_choices(value: dict[str, Any]) -> Iterator[CheckMessage]:
    """Checks `UNCHANGED`, `VETO`, `ENRICH` and `TENANT_FIELD`: dicts from patterns of models."""
    names = _names()
    for key in ("UNCHANGED", "VETO", "ENRICH", "TENANT_FIELD"):
        given = value.get(key)
        for pattern, choice in given.items() if isinstance(given, dict) else ():
            where = f"TRAILKEEPER[{key!r}]"
            matched = [
                label
                for label in names
                if isinstance(pattern, str) and pattern_matches(pattern, label)
            ]
            if not matched:
                yield Error(
                    f"{where} has {pattern!r}, which matches no model.",
                    hint=f"{meant(str(pattern).lower(), names)}Patterns are matched against "
                    "'app_label.modelname'.",
                    id="trailkeeper.E014",
                )
                continue
            yield from _check_choice(f"{where} gives {pattern!r}", key, choice, matched)


def check_declarations() -> Iterator[CheckMessage]:
    """Checks what models declare in `class Trail`, or by the decorator."""
    for model in apps.get_models():
        if not is_declared_in(model):
            continue
        label = model._meta.label_lower
        where = f"Trail of {model._meta.label}"
        if model._meta.proxy:
            concrete: Any = model._meta.concrete_model
            yield _undeclared(
                f"{where} says nothing: it is a proxy",
                f"Its rows are those of {concrete._meta.label}: declare it there.",
            )
            continue
        for name in unknown_options(model):
            yield _undeclared(
                f"{where} has {name!r}, which is no option",
                f"{meant(name, OPTIONS)}The options are {', '.join(OPTIONS)}.",
            )
        declared = declared_by(model)
        if declared.level is not None:
            yield from _check_level(f"{where} has the level", declared.level)
        fields: list[Any] = [*model._meta.concrete_fields, *model._meta.many_to_many]
        names = [field.name for field in fields]
        for name, level in declared.fields.items():
            if name not in names:
                yield _undeclared(
                    f"{where} names the field {name!r}, which the model does not have",
                    f"{meant(str(name), names)}The fields are {', '.join(names)}.",
                )
            yield from _check_level(f"{where} gives {name!r} the level", level)
        for key, option in _DECLARED.items():
            choice = getattr(declared, option)
            if choice is not None:
                yield from _check_choice(f"{where} has, as {option},", key, choice, [label])


_DECLARED: Final = {
    "UNCHANGED": "unchanged",
    "VETO": "veto",
    "ENRICH": "enrich",
    "TENANT_FIELD": "tenant",
}


def _check_choice(where: str, key: str, choice: Any, labels: list[str]) -> Iterator[CheckMessage]:
    if key == "UNCHANGED":
        if choice not in UNCHANGED:
            yield Error(
                f"{where} {choice!r}, which says nothing about saves that change nothing.",
                hint="'skip' leaves them out, 'record' records an update without changes.",
                id="trailkeeper.E016",
            )
        return
    if key == "TENANT_FIELD":
        columns = [name for label in labels for name in _columns(label)]
        if choice not in columns:
            yield Error(
                f"{where} the field {choice!r}, which is none of the columns of "
                f"{labels[0] if len(labels) == 1 else 'these models'}.",
                hint=f"{meant(str(choice), columns)}The tenant is read from the row itself: give "
                "a field of its own table.",
                id="trailkeeper.E016",
            )
        return
    reason = unusable(choice, ("draft",), "with the draft of an event")
    if reason is not None:
        yield Error(
            f"{where} {choice!r}, which {reason}.",
            hint="Give a function of the draft of an event, or the dotted path of one, such as "
            "'billing.trail.keeps'.",
            id="trailkeeper.E017",
        )


def _check_level(where: str, level: Any) -> Iterator[CheckMessage]:
    if level not in LEVELS:
        yield _undeclared(
            f"{where} {level!r}, and there is none",
            f"{meant(str(level), LEVELS)}The levels are {', '.join(LEVELS)}.",
        )


def _undeclared(found: str, hint: str) -> CheckMessage:
    return Error(f"{found}.", hint=hint, id="trailkeeper.E015")


def _names() -> dict[str, list[str]]:
    """The models by their labels, each with the names of its fields.

    A proxy is none of them: its rows are those of its concrete model.
    """
    names = {}
    for model in apps.get_models():
        if model._meta.proxy:
            continue
        own: list[Any] = [*model._meta.local_concrete_fields, *model._meta.local_many_to_many]
        label = model._meta.label_lower
        names[label] = [f"{label}.{field.name}" for field in own]
    return names


def _columns(label: str) -> list[str]:
    fields = apps.get_model(label)._meta.concrete_fields
    return [name for field in fields for name in (field.name, field.attname)]


def _matched(pattern: str, names: dict[str, list[str]]) -> set[str]:
    """The models and fields that an entry of `POLICY` decides about, as far as it is the first."""
    if is_field_pattern(pattern):
        return {n for own in names.values() for n in own if pattern_matches(pattern, n)}
    matched: set[str] = set()
    for label, own in names.items():
        if pattern_matches(pattern, label):
            matched.update((label, *own))
    return matched
