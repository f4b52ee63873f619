"""Which models are tracked, and what capture knows of each."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.apps import apps
from django.conf import settings as django_settings
from django.core.signals import setting_changed
from django.db import models

from trailkeeper._recorder import Layout, SavePlan, Schema
from trailkeeper.capture import triggers
from trailkeeper.capture.fields import is_folded, is_mutable, is_secret, spec_of
from trailkeeper.conf import settings
from trailkeeper.kin import has_kin, key_root_of, owner_of
from trailkeeper.policy.hooks import Hook, hook_of
from trailkeeper.policy.level import Level
from trailkeeper.policy.rules import (
    field_rule,
    link_owner,
    model_rule,
    tenant_field,
    unchanged_rule,
)

__all__ = [
    "Link",
    "Tracker",
    "is_tracked",
    "labels_of_table",
    "object_id_of",
    "own_part_of",
    "part_of",
    "plan_of",
    "plans",
    "tracker_of",
    "trackers",
    "why",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """The many-to-many field that an automatic through model stands for.

    Args:
        model: label of the model that declares the field.
        field: the field's name.
        source: attribute of the through row that holds the key of that model's object.
        target: attribute that holds the key of the other side's.
        target_model: label of the other side's model.
        is_source_secret: whether that object's key is a secret.
        is_target_secret: whether the other side's is.
        names_target: whether events name the other side, or only that there was a link.
        hook: asked about each event; None if nobody is.
    """

    model: str
    field: str
    source: str
    target: str
    target_model: str
    is_source_secret: bool
    is_target_secret: bool
    names_target: bool
    hook: Hook | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracker:
    """What capture knows of a tracked model on one kind of database.

    Args:
        model: the concrete model.
        label: its name in events: `billing.invoice`.
        vendor: of the database.
        schema: the recorder's view of its fields.
        fields: the tracked fields of its objects: of its own table, and of those of its parents.
        attnames: their attributes of the instance, in the same order.
        index: place of each attribute in `attnames`.
        kept: names of the fields whose values are recorded.
        skipped: places of the fields that are never looked at.
        mutable: places of the fields whose values can change in place.
        generated: places of the fields that the database computes; both without those skipped.
        pk: places of the fields of the primary key.
        layout: where the values of the fields stand in a row.
        save: how `Model.save()` is recorded without Python, where that is possible.
        is_plain_key: whether the key is one field and neither a secret nor folded, so that its text
            is the object's id.
        is_folded_key: whether the database may find a row by another spelling of its key.
        parents: the other models in whose tables the fields stand, in the order of the fields.
        has_kin: whether its table is one of several that an object may have rows in, its parents'
            or its children's.
        is_whole: whether it has all tracked fields of the model; else it was made by `part_of`.
        has_secret_pk: whether the key itself is a secret, so that events name a hash of it.
        has_label: whether the model says how it is shown (`__str__`), and events may say so.
        tenant: the attribute that names the tenant of a row; None if none does.
        link: set for an automatic through model.
        through: the many-to-many fields that a through model of the project's own stands for.
    """

    model: type[models.Model]
    label: str
    vendor: str
    schema: Schema
    fields: tuple[models.Field[Any, Any], ...]
    attnames: tuple[str, ...]
    index: dict[str, int]
    kept: tuple[str, ...]
    skipped: frozenset[int]
    mutable: tuple[int, ...]
    generated: tuple[int, ...]
    pk: tuple[int, ...]
    layout: Layout
    save: SavePlan | None
    is_plain_key: bool
    is_folded_key: bool
    parents: tuple[type[models.Model], ...]
    has_kin: bool
    is_whole: bool
    has_secret_pk: bool
    has_label: bool
    tenant: str | None
    link: Link | None
    through: tuple[Link, ...]

    def key_of(self, row: Sequence[Any]) -> Any:
        """The primary key in a row; a tuple if it is a composite one."""
        if len(self.pk) == 1:
            return row[self.pk[0]]
        return tuple(row[place] for place in self.pk)

    def python_key_of(self, row: Sequence[Any]) -> Any:
        """The same for a row that the application gives, with the types that the database gives."""
        converted = {place: self.fields[place].to_python(row[place]) for place in self.pk}
        return self.key_of([converted.get(place) for place in range(len(row))])


#: How instances of each model are loaded, as far as they have been; None if it is not tracked.
plans: dict[type[models.Model], Layout | None] = {}

#: What is known of each model on each kind of database; None if it is not tracked.
trackers: dict[tuple[type[models.Model], str], Tracker | None] = {}
_parts: dict[tuple[type[models.Model], str, frozenset[type[models.Model]]], Tracker] = {}


def tracker_of(model: type[models.Model], vendor: str) -> Tracker | None:
    """The tracker of `model` on a database of `vendor`; None if it is not tracked."""
    try:
        return trackers[model, vendor]
    except KeyError:
        concrete = model._meta.concrete_model or model
        tracker = _make(concrete, vendor) if is_tracked(concrete) else None
        trackers[model, vendor] = tracker
        return tracker


def part_of(tracker: Tracker, tables: Collection[type[models.Model]]) -> Tracker:
    """The tracker of those fields of the objects of `tracker` that stand in some of its tables.

    Args:
        tracker: of the model; if it has no parents, it is what this gives.
        tables: the models of the tables, the model's own among them.
    """
    wanted = frozenset(tables)
    if wanted.issuperset((tracker.model, *tracker.parents)):
        return tracker
    key = (tracker.model, tracker.vendor, wanted)
    part = _parts.get(key)
    if part is None:
        part = _parts[key] = _make(tracker.model, tracker.vendor, wanted)
    return part


def own_part_of(tracker: Tracker) -> Tracker:
    """The tracker of the fields that stand in the model's own table."""
    return part_of(tracker, (tracker.model,)) if tracker.parents else tracker


def plan_of(model: type[models.Model], vendor: str) -> Tracker:
    """The tracker of `model`, or what it would be if the model were tracked."""
    return tracker_of(model, vendor) or _make(model._meta.concrete_model or model, vendor)


def is_tracked(model: type[models.Model]) -> bool:
    """Whether `model` is captured at any level."""
    return why(model)[0]


def why(model: type[models.Model]) -> tuple[bool, str]:
    """Whether `model` is captured, and the rule that says so."""
    rule = model_rule(model)
    return rule.level is not Level.NONE, rule.why


#: The list of all models, and the labels of the tracked ones by the names of their tables: as they
#: are, and in lower case.
_tables: tuple[Any, dict[str, list[str]], dict[str, list[str]]] = (None, {}, {})


def labels_of_table(name: str, vendor: str) -> Sequence[str]:
    """The labels of the tracked models whose rows stand in a table.

    Args:
        name: of the table, without its schema.
        vendor: of the database: only PostgreSQL tells names apart by their case.
    """
    global _tables
    # Django makes this list anew when a model is added.
    found_in = apps.get_models(include_auto_created=True)
    if _tables[0] is not found_in:
        exact: dict[str, list[str]] = defaultdict(list)
        folded: dict[str, list[str]] = defaultdict(list)
        for model in found_in:
            if not model._meta.proxy and is_tracked(model):
                # A schema may stand in the name, between quotes: `"schema"."table"`.
                table = model._meta.db_table.strip('"').rpartition('"."')[2]
                exact[table].append(model._meta.label_lower)
                folded[table.lower()].append(model._meta.label_lower)
        _tables = (found_in, exact, folded)
    if vendor == "postgresql":
        return _tables[1].get(name, ())
    return _tables[2].get(name.lower(), ())


def object_id_of(tracker: Tracker, values: Sequence[Any]) -> str | None:
    """The object's id as events have it: text, or canonical JSON for a composite key.

    Args:
        tracker: the tracker of its model.
        values: the values of its fields, in the order of the schema's.
    """
    if len(tracker.pk) == 1:
        only = values[tracker.pk[0]]
        return None if only is None or only is ... else text_of_key(tracker, only)
    key = [values[place] for place in tracker.pk]
    if not key or any(part is None or part is ... for part in key):
        return None
    return json.dumps([_scalar(part) for part in key], ensure_ascii=False, separators=(",", ":"))


def text_of_key(tracker: Tracker, key: Any) -> str:
    """The id of an object whose primary key is one value."""
    try:
        text = str(key)
    except Exception:
        # A type of the project's own, which need not be made for people.
        text = _text_without_str(tracker, key)
    return masked_id(text) if tracker.has_secret_pk else text


def _text_without_str(tracker: Tracker, key: Any) -> str:
    """The text of a key as the database has it, or as a developer is shown it."""
    try:
        return str(tracker.model._meta.pk.get_prep_value(key))
    except Exception:
        return repr(key)


def masked_id(text: str) -> str:
    """What stands for the id of an object whose primary key is a secret."""
    digest = hmac.new(mask_key(), text.encode(), hashlib.sha256).hexdigest()
    return f"masked:{digest[:32]}"


def mask_key() -> bytes:
    """The key of the hashes that stand for masked values: derived from `SECRET_KEY`."""
    secret = str(django_settings.SECRET_KEY).encode()
    return hashlib.sha256(b"trailkeeper mask " + secret).digest()


def reset() -> None:
    """Forgets all trackers: settings or models have changed."""
    global _tables
    trackers.clear()
    _parts.clear()
    plans.clear()
    triggers.forget()
    _tables = (None, {}, {})


def _scalar(value: Any) -> Any:
    return value if isinstance(value, (bool, int, str)) else str(value)


def _make(
    model: type[models.Model], vendor: str, tables: Collection[type[models.Model]] | None = None
) -> Tracker:
    meta = model._meta
    fields = tuple(
        field
        for field in meta.concrete_fields
        if (owner := owner_of(field)) is model
        or (is_tracked(owner) if tables is None else owner in tables)
    )
    owners = dict.fromkeys(owner_of(field) for field in fields)
    attnames = tuple(field.attname for field in fields)
    index = {name: place for place, name in enumerate(attnames)}
    pk_fields: Iterable[models.Field[Any, Any]] = getattr(meta, "pk_fields", [meta.pk])
    levels = [_level_of(field, model) for field in fields]
    skipped = frozenset(place for place, level in enumerate(levels) if level is Level.NONE)
    tenant = tenant_field(model)
    tenant_place = None if tenant is None else index.get(tenant.value)
    schema = Schema(
        meta.label_lower,
        [spec_of(field, vendor, level) for field, level in zip(fields, levels, strict=True)],
        mask_key(),
        settings["MAX_VALUE_BYTES"],
        records_unchanged=unchanged_rule(model).value == "record",
        tenant=tenant_place,
        hook=hook_of(model),
    )
    pk = tuple(index[field.attname] for field in pk_fields if field.attname in index)
    looked_at = [(place, field) for place, field in enumerate(fields) if place not in skipped]
    generated = tuple(place for place, field in looked_at if getattr(field, "generated", False))
    mutable = tuple(
        place
        for place, field in looked_at
        # A file is one object, which takes another name when another file is saved.
        if is_mutable(field) or isinstance(field, models.FileField)
    )
    has_secret_pk = any(is_secret(field) for field in pk_fields)
    is_folded_key = any(is_folded(field, vendor) for field in pk_fields)
    through = tuple(link for owner in owners for link in _links_through(owner))
    layout = Layout(attnames, pk[0] if len(pk) == 1 else None, mutable, generated)
    is_plain_key = len(pk) == 1 and not has_secret_pk and not is_folded_key
    # What an object shows itself as is made of its values.
    has_label = (
        model.__str__ is not models.Model.__str__ and model_rule(model).level is not Level.METADATA
    )
    has_plain_rows = is_plain_key and not (has_kin(model) or generated or through)
    return Tracker(
        model=model,
        label=meta.label_lower,
        vendor=vendor,
        schema=schema,
        fields=fields,
        attnames=attnames,
        index=index,
        kept=tuple(f.name for f, level in zip(fields, levels, strict=True) if level.has_values),
        skipped=skipped,
        mutable=mutable,
        generated=generated,
        pk=pk,
        layout=layout,
        save=SavePlan(schema, layout, has_label) if has_plain_rows else None,
        is_plain_key=is_plain_key,
        is_folded_key=is_folded_key,
        parents=tuple(owner for owner in owners if owner is not model),
        has_kin=has_kin(model),
        is_whole=tables is None,
        has_secret_pk=has_secret_pk,
        has_label=has_label,
        tenant=None if tenant_place is None else attnames[tenant_place],
        link=_link_of(model),
        through=through,
    )


def _level_of(field: models.Field[Any, Any], model: type[models.Model]) -> Level:
    """How much is recorded of a field of an object of `model`."""
    level = field_rule(field).level
    owner = owner_of(field)
    is_name = field.primary_key and key_root_of(owner) is not key_root_of(model)
    # The key of a parent's row, to which the object's id says nothing, names that row.
    return Level.FULL if is_name and level is not Level.NONE else level


def _link_of(model: type[models.Model]) -> Link | None:
    owner = link_owner(model)
    if owner is None:
        return None
    return next(_links_by(owner, model), None)


def _links_through(model: type[models.Model]) -> Iterator[Link]:
    """The links that a row of a model of the project's own stands for."""
    if link_owner(model) is None:
        for owner in apps.get_models():
            yield from _links_by(owner, model)


def _links_by(owner: type[models.Model], through: type[models.Model]) -> Iterator[Link]:
    own = {field.attname for field in through._meta.local_concrete_fields}
    for field in owner._meta.local_many_to_many:
        # Applications add fields of another make to this list (`TaggableManager`), and leave
        # classes unfinished whose other side is never made.
        is_ours = isinstance(field, models.ManyToManyField)
        if not is_ours or field.remote_field.through is not through or not _is_resolved(field):
            continue
        level = field_rule(field).level
        if level is Level.NONE and link_owner(through) is None:
            continue
        source = _attname(through, field.m2m_field_name())
        target = _attname(through, field.m2m_reverse_field_name())
        # Ends in another table, or of several columns, are not told as links: the row itself is.
        if source in own and target in own:
            yield Link(
                model=owner._meta.label_lower,
                field=field.name,
                source=source,
                target=target,
                target_model=field.related_model._meta.label_lower,
                is_source_secret=is_secret(owner._meta.pk),
                is_target_secret=is_secret(field.related_model._meta.pk),
                names_target=level.has_values,
                hook=hook_of(owner),
            )


def _is_resolved(field: models.ManyToManyField[Any, Any]) -> bool:
    """Whether both sides are known: Django gives a field its ends when it has found them."""
    names: Any = (
        getattr(field, "m2m_field_name", None),
        getattr(field, "m2m_reverse_field_name", None),
    )
    return all(name is not None and name() is not None for name in names)


def _attname(model: type[models.Model], name: str) -> str:
    field = model._meta.get_field(name)
    return str(getattr(field, "attname", name))


_SETTINGS: Final = frozenset({"TRAILKEEPER", "USE_TZ", "SECRET_KEY", "INSTALLED_APPS"})


def _on_setting_changed(*, setting: str, **_: object) -> None:
    if setting in _SETTINGS:
        reset()


setting_changed.connect(_on_setting_changed, dispatch_uid="trailkeeper.capture.registry")
