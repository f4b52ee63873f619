"""How objects are named in events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.db import connections

from trailkeeper.capture.registry import object_id_of, tracker_of
from trailkeeper.failure import is_news, logger
from trailkeeper.quiet import QueryRefusedError, put_back, refuse

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models import Model

    from trailkeeper.capture.registry import Tracker

__all__ = ["describe", "label_of", "label_of_row", "unlabelled"]


def label_of(instance: Model, tracker: Tracker, connection: BaseDatabaseWrapper) -> str | None:
    """How the instance shows itself; None if that takes a query, fails, or would show a secret."""
    if not tracker.has_label or tracker.has_secret_pk:
        return None
    # Not an execute wrapper: what it refuses would still count among the executed queries.
    overrides = connection.__dict__
    own = overrides.get("cursor"), overrides.get("chunked_cursor")
    overrides["cursor"] = overrides["chunked_cursor"] = refuse
    try:
        return str(instance)
    except Exception as error:
        unlabelled(tracker, error)
        return None
    finally:
        put_back(overrides, *own)


def unlabelled(tracker: Tracker, error: Exception) -> None:
    """Logs why an instance could not say how it is shown, unless that takes a query."""
    if not isinstance(error, QueryRefusedError) and is_news((tracker.label, type(error))):
        logger.warning("trailkeeper could not label a %s: %r", tracker.label, error)


def label_of_row(
    row: Sequence[Any], tracker: Tracker, connection: BaseDatabaseWrapper
) -> str | None:
    """How an instance with the values of `row` shows itself; None also if some are not known."""
    if not tracker.has_label or any(value is ... for value in row):
        return None
    instance = tracker.model.from_db(connection.alias, tracker.attnames, row)
    return label_of(instance, tracker, connection)


def describe(instance: Model) -> dict[str, Any]:
    """The columns `model`, `object_id` and `object_label` for an instance."""
    alias = instance._state.db or "default"
    connection = connections[alias]
    label = instance._meta.label_lower
    tracker = tracker_of(instance.__class__, connection.vendor)
    if tracker is None:
        return {"model": label, "object_id": str(instance.pk)}
    # Nothing but the key is asked for: another field may be deferred, and would be loaded.
    key = {tracker.attnames[place] for place in tracker.pk}
    values = [getattr(instance, name, None) if name in key else None for name in tracker.attnames]
    return {
        "model": tracker.label,
        "object_id": object_id_of(tracker, values),
        "object_label": label_of(instance, tracker, connection),
    }
