"""Which tables are meant: tracked ones, of a database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.apps import apps
from django.db import connections, models, router

from trailkeeper.capture.registry import Tracker, tracker_of, why
from trailkeeper.exceptions import InvalidRequestError

__all__ = ["Names", "models_meant", "tracked_tables"]

#: Models, labels of models (`billing.invoice`) or of apps (`billing`).
Names = Iterable[type[models.Model] | str]


def tracked_tables(names: Names | None, using: str) -> list[Tracker]:
    """The trackers of the tables that `names` means in the database `using`.

    A model's own many-to-many tables come with it, a proxy means its concrete model. Without names
    it is every table that Django makes in that database and that is tracked.

    Raises:
        InvalidRequestError: if there is no such database or model, or it is not tracked.
    """
    if using not in connections:
        raise InvalidRequestError(f"DATABASES has no {using!r}")
    vendor = connections[using].vendor
    if names is None:
        chosen = [model for model in apps.get_models(include_auto_created=True) if _is_own(model)]
        chosen = [model for model in chosen if router.allow_migrate_model(using, model)]
        # An app that has yet to be migrated has no rows.
        present = _tables(using)
        chosen = [model for model in chosen if _may_be_in(present, model)]
        trackers = [tracker_of(model, vendor) for model in chosen]
        return [tracker for tracker in trackers if tracker is not None]
    found: dict[type[models.Model], Tracker] = {}
    for name in names:
        for model in models_meant(name):
            tracker = tracker_of(model, vendor)
            if tracker is not None:
                found[tracker.model] = tracker
            elif model._meta.label_lower == _label(name):
                raise InvalidRequestError(f"{model._meta.label} is not tracked: {why(model)[1]}")
    return list(found.values())


def _is_own(model: type[models.Model]) -> bool:
    """Whether Django makes the table: rows of a view are written elsewhere."""
    meta: Any = model._meta
    return meta.managed and not meta.proxy and not meta.swapped


def _tables(using: str) -> set[str]:
    """The names of the tables in a database, in lower case."""
    connection = connections[using]
    with connection.cursor() as cursor:
        return {name.lower() for name in connection.introspection.table_names(cursor)}


def _may_be_in(tables: set[str], model: type[models.Model]) -> bool:
    name = model._meta.db_table.strip('"').lower()
    # One in another schema is not among those that Django lists.
    return "." in name or name in tables


def _label(name: type[models.Model] | str) -> str:
    return name.lower() if isinstance(name, str) else name._meta.label_lower


def models_meant(name: type[models.Model] | str) -> Iterator[type[models.Model]]:
    """The models that a name means, with the tables of their own many-to-many fields.

    Raises:
        InvalidRequestError: if there is no such app or model.
    """
    if isinstance(name, str) and "." not in name:
        try:
            config = apps.get_app_config(name)
        except LookupError as error:
            raise InvalidRequestError(f"no app is called {name!r}") from error
        yield from filter(_is_own, config.get_models(include_auto_created=True))
        return
    try:
        named: Any = apps.get_model(name) if isinstance(name, str) else name
    except (LookupError, ValueError) as error:
        raise InvalidRequestError(f"no model is called {name!r}") from error
    concrete: Any = named._meta.concrete_model
    model: type[models.Model] = concrete or named
    yield model
    for field in model._meta.local_many_to_many:
        through: Any = field.remote_field.through
        if through._meta.auto_created:
            yield through
