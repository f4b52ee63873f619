"""What the database has for the instances that `bulk_update` was given.

The statement knows rows, and not the instances. Without this, their next save would tell the
change a second time.

Wraps `QuerySet.bulk_update`, held by a contract test.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import wraps
from typing import Any

from django.db import connections, models

from trailkeeper._recorder import frozen
from trailkeeper.capture import triggers
from trailkeeper.capture.instances import UNKNOWN, known_values, remember
from trailkeeper.capture.registry import tracker_of
from trailkeeper.capture.transactions import capture_of
from trailkeeper.failure import logger

__all__ = ["install", "uninstall"]

_original: Any = None


def _note(instance: models.Model, fields: Iterable[str], alias: str) -> None:
    """Notes the values of `fields`, as they were sent; none where a trigger may change the row."""
    connection = connections[alias]
    tracker = tracker_of(type(instance), connection.vendor)
    known = None if tracker is None else known_values(instance, tracker)
    if tracker is None or known is None:
        return
    values = list(known)
    if triggers.reach(tracker, connection):
        values = [value if place in tracker.pk else UNKNOWN for place, value in enumerate(known)]
        fields = ()
    for name in fields:
        attname: str = instance._meta.get_field(name).attname  # type: ignore[union-attr]
        place = tracker.index.get(attname)
        if place is not None:
            value = instance.__dict__.get(attname, UNKNOWN)
            values[place] = UNKNOWN if hasattr(value, "resolve_expression") else value
    scope = capture_of(connection).current_scope()
    remember(instance, tracker, frozen(tuple(values), tracker.mutable), scope)


def install() -> None:
    """Wraps the method; a second call changes nothing."""
    global _original
    if _original is not None:
        return
    original = _original = models.QuerySet.bulk_update

    @wraps(original)
    def bulk_update(self: Any, objs: Any, fields: Any, *args: Any, **kwargs: Any) -> Any:
        objs, fields = tuple(objs), list(fields)
        result = original(self, objs, fields, *args, **kwargs)
        try:
            for instance in objs:
                _note(instance, fields, self.db)
        except Exception as error:
            logger.warning("trailkeeper could not note what bulk_update has written: %r", error)
        return result

    models.QuerySet.bulk_update = bulk_update  # type: ignore[method-assign]


def uninstall() -> None:
    """Puts Django's own method back."""
    global _original
    if _original is not None:
        models.QuerySet.bulk_update = _original  # type: ignore[method-assign]
        _original = None
