"""Reading the trail: events, the history of an object, its state at a time, differences.

- `events()`: all events, as an `EventQuerySet`.
- `history(target)`: what happened to an object or to the objects of a model, newest first.
- `as_of(target, t)`: the object as it was stored at `t`.
- `diff(event)`: the fields that an event changed, with old and new values.

Importing this package reads nothing and needs no app to be ready.
"""

from typing import TYPE_CHECKING

from django.db import models

from trailkeeper.history.diff import UNKNOWN, Change, diff
from trailkeeper.history.reference import Target
from trailkeeper.history.state import UnknownValueError, as_of

if TYPE_CHECKING:
    from trailkeeper.history.queryset import EventQuerySet

__all__ = ["UNKNOWN", "Change", "UnknownValueError", "as_of", "diff", "events", "history"]


def events() -> "EventQuerySet":
    """All events, of every kind, newest first."""
    from trailkeeper.models import Event

    queryset: EventQuerySet = Event.objects.all()
    return queryset.latest_first()


def history(target: Target | type[models.Model]) -> "EventQuerySet":
    """What happened to `target`, newest first.

    `target` is an instance, `(model, primary key)` also where the object or even its
    model is gone, or a model class for all its objects. For one object, links from the
    many-to-many fields of others are included.
    """
    if isinstance(target, type):
        return events().of_model(target)
    return events().for_object(target)
