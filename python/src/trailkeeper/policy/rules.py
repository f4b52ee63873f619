"""What holds for a model or a field, and which rule decided.

The rules stand in one chain, and the first that matches decides:

1. the entries of `POLICY`, in their order;
2. `EXCLUDE`;
3. `INCLUDE`, which leaves out what none of its patterns matches;
4. what the model declares: of a field, then of itself;
5. everything is recorded in full.

A pattern with two dots (`billing.invoice.notes`) is about fields; any other is about models, and
with them about all of their fields and many-to-many fields.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from trailkeeper.conf import BOOKKEEPING, settings
from trailkeeper.policy.declaration import declared_by
from trailkeeper.policy.level import Level
from trailkeeper.policy.patterns import pattern_matches

if TYPE_CHECKING:
    from django.db import models

    Model = type[models.Model]

__all__ = [
    "Decision",
    "choice_for",
    "entries",
    "field_rule",
    "is_field_pattern",
    "link_owner",
    "model_rule",
    "tenant_field",
    "unchanged_rule",
]

#: What becomes of a save that changes nothing.
UNCHANGED: Final = ("skip", "record")


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What holds, and why.

    Args:
        value: what was decided: a level, a choice, a name.
        why: the setting or the declaration that decided, in words.
    """

    value: Any
    why: str

    @property
    def level(self) -> Level:
        """The value of a decision about a level."""
        return Level(self.value)


def is_field_pattern(pattern: str) -> bool:
    """Whether a pattern of `POLICY` is about fields, rather than models."""
    return pattern.count(".") >= 2


def entries() -> Iterator[tuple[str, Level]]:
    """The entries of `POLICY`, without those that `manage.py check` refuses."""
    given = settings["POLICY"]
    for entry in given if isinstance(given, (list, tuple)) else ():
        match entry:
            case (str() as pattern, str() as level) if level in set(Level):
                yield pattern, Level(level)


def model_rule(model: Model) -> Decision:
    """How much is recorded of a model."""
    owner = link_owner(model)
    if owner is not None:
        found = _link_rule(owner, model)
        why = f"{found.why}, as the many-to-many field of {owner._meta.label_lower}"
        return Decision(value=found.value, why=why)
    label = model._meta.label_lower
    if model._meta.app_label == "trailkeeper":
        return Decision(value=Level.NONE, why="the trail does not record itself")
    for pattern, level in entries():
        # One about fields has a dot more than any label.
        if _admits(pattern, label, level):
            return _by_policy(pattern, level)
    excluded, why = _admission(label)
    if excluded:
        return Decision(value=Level.NONE, why=why)
    declared = _level(declared_by(model).level)
    if declared is not None:
        return Decision(value=declared, why=f"Trail of {label} has level {str(declared)!r}")
    return Decision(value=Level.FULL, why=why)


def field_rule(field: models.Field[Any, Any]) -> Decision:
    """How much is recorded of a field, or of the links of a many-to-many field."""
    model: Model = field.model._meta.concrete_model or field.model
    whole = model_rule(model)
    if whole.level is Level.NONE:
        return whole
    label = model._meta.label_lower
    name = f"{label}.{field.name}"
    for pattern, level in entries():
        is_meant = (
            pattern_matches(pattern, name)
            if is_field_pattern(pattern)
            else _admits(pattern, label, level)
        )
        if is_meant:
            return _by_policy(pattern, level)
    declared = _level(declared_by(model).fields.get(field.name))
    if declared is not None:
        why = f"Trail of {label} gives {field.name!r} {str(declared)!r}"
        return Decision(value=declared, why=why)
    return whole


def unchanged_rule(model: Model) -> Decision:
    """What becomes of a save that changes nothing: `skip` or `record`."""
    found = choice_for(model, "UNCHANGED", "unchanged")
    if found is not None and found.value in UNCHANGED:
        return found
    return Decision(value="skip", why="the default")


def tenant_field(model: Model) -> Decision | None:
    """The column that names the tenant of a model's rows; None if there is none."""
    columns = {
        name: field for field in model._meta.concrete_fields for name in (field.name, field.attname)
    }
    found = choice_for(model, "TENANT_FIELD", "tenant", among=columns)
    if found is None:
        return None
    return Decision(value=columns[found.value].attname, why=found.why)


def choice_for(model: Model, setting: str, option: str, *, among: Any = None) -> Decision | None:
    """What a setting says of a model, else what the model declares; None if neither says anything.

    Args:
        model: the model.
        setting: a dict from patterns of models, of which the first that matches decides.
        option: of the declaration.
        among: the answers that count for this model; any, by default.
    """
    label = model._meta.label_lower
    given = settings[setting]
    for pattern, value in given.items() if isinstance(given, dict) else ():
        is_meant = isinstance(pattern, str) and pattern_matches(pattern, label)
        if is_meant and (among is None or value in among):
            return Decision(value=value, why=f"{setting} has {pattern!r}")
    declared = getattr(declared_by(model), option)
    if declared is None or (among is not None and declared not in among):
        return None
    return Decision(value=declared, why=f"Trail of {label} has {option}")


def link_owner(model: Model) -> Model | None:
    """The model that declares the field for which Django has made `model`; None for all others."""
    # Typed as a flag, and the class of the declaring side for an automatic through model.
    owner: Any = model._meta.auto_created
    return owner if isinstance(owner, type) else None


def _link_rule(owner: Model, through: Model) -> Decision:
    for field in owner._meta.local_many_to_many:
        if field.remote_field.through is through:
            return field_rule(field)
    return model_rule(owner)


def _admits(pattern: str, label: str, level: Level) -> bool:
    """Whether an entry of `POLICY` is about a model; `*` alone adds no bookkeeping of Django's."""
    is_everything = pattern == "*" and level is not Level.NONE and label in BOOKKEEPING
    return pattern_matches(pattern, label) and not is_everything


def _by_policy(pattern: str, level: Level) -> Decision:
    return Decision(value=level, why=f"POLICY has ({pattern!r}, {str(level)!r})")


def _admission(label: str) -> tuple[bool, str]:
    """Whether `EXCLUDE` or `INCLUDE` leave a model out, and which pattern says so."""
    for pattern in settings["EXCLUDE"]:
        if pattern_matches(pattern, label):
            return True, f"EXCLUDE has {pattern!r}"
    for pattern in settings["INCLUDE"]:
        if pattern_matches(pattern, label) and (pattern != "*" or label not in BOOKKEEPING):
            return False, f"INCLUDE has {pattern!r}"
    if label in BOOKKEEPING:
        return True, "bookkeeping of Django; POLICY or INCLUDE can name it"
    return True, "no pattern of INCLUDE matches"


def _level(value: Any) -> Level | None:
    """The level of that name; None for anything else, which `manage.py check` refuses."""
    return Level(value) if isinstance(value, str) and value in set(Level) else None
