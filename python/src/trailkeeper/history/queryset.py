"""Queries over the trail: a `QuerySet` that knows the questions people ask of it."""

import datetime
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Self

from django.db import models
from django.db.models import Q
from django.utils import timezone

from trailkeeper.backend.alias import ALIAS
from trailkeeper.history.family import descendants_of, family_of
from trailkeeper.history.gaps import Gap, gaps_of
from trailkeeper.history.ordering import NEWEST_FIRST, OLDEST_FIRST
from trailkeeper.history.reference import (
    ObjectReference,
    Target,
    find_model,
    label_of,
    object_id_of,
    reference_to,
)
from trailkeeper.kin import parents_of

if TYPE_CHECKING:
    from trailkeeper.models import Event  # noqa: F401 (the parameter of the base class)

LINKS = ("link", "unlink")


class EventQuerySet(models.QuerySet["Event"]):
    """Events, always read from the trail. Every write raises `NotSupportedError`."""

    def using(self, alias: str | None) -> Self:
        """The events in another database, of which there are none.

        Django's `dumpdata`, for one, asks each model for its rows in a database of the
        project.
        """
        return super().using(ALIAS) if alias in (None, ALIAS) else self.none()

    def for_object(self, target: Target) -> Self:
        """What happened to one object, and the links from other objects to it.

        `target` is an instance, or `(model, primary key)`; the model may be a label. An object
        with rows in several tables has the events of all of them, whichever model they were
        written through.
        """
        reference = reference_to(target)
        instance = target if isinstance(target, models.Model) else None
        model = target[0] if isinstance(target, tuple) else type(target)
        if isinstance(model, str):
            model = find_model(model) or model
        family = family_of(reference, model, instance)
        condition = family.condition | _links_to(reference, model)
        for parent in () if isinstance(model, str) else parents_of(model):
            label = label_of(parent)
            if label in family.keys:
                as_parent = ObjectReference(model=label, object_id=family.keys[label])
                condition |= _links_to(as_parent, parent)
        return self.filter(condition)

    def of_model(self, model: type[models.Model] | str) -> Self:
        """What happened to the objects of a model, given as a class or a label.

        Those of the models that inherit its table are among them. What was written through a
        parent is not: it names the parent.
        """
        known = find_model(model) if isinstance(model, str) else model
        labels = [label_of(model), *(map(label_of, descendants_of(known)) if known else ())]
        return self.filter(model__in=labels) if len(labels) > 1 else self.filter(model=labels[0])

    def by_actor(self, user: Any) -> Self:
        """What a user did, given as an instance or a primary key."""
        return self.filter(actor_type="user", actor_id=object_id_of(user))

    def in_transaction(self, transaction_id: str) -> Self:
        """The events of one database transaction."""
        return self.filter(transaction_id=transaction_id)

    def between(self, start: datetime.datetime, end: datetime.datetime) -> Self:
        """What occurred from `start` on and before `end`, both aware."""
        return self.filter(
            occurred_at__gte=require_aware(start), occurred_at__lt=require_aware(end)
        )

    def touching(self, field: str) -> Self:
        """Changes of the field with that name."""
        return self.filter(changed__contains=field)

    def gaps(self) -> Iterator[Gap]:
        """Where something wrote past the trail: see `trailkeeper.history.gaps`.

        Each event of this queryset is compared with the version before it, which the queryset
        need not have: a filter finds fewer gaps, and invents none.
        """
        return gaps_of(self)

    def latest_first(self) -> Self:
        return self.order_by(*NEWEST_FIRST)

    def oldest_first(self) -> Self:
        return self.order_by(*OLDEST_FIRST)


class EventManager(models.Manager.from_queryset(EventQuerySet)):  # type: ignore[misc]
    """The manager of `Event`: without being told, it uses the trail's alias."""

    def get_queryset(self) -> EventQuerySet:
        queryset: EventQuerySet = super().get_queryset()
        return queryset.using(self._db)


def require_aware(value: datetime.datetime) -> datetime.datetime:
    """`value`, unless it is naive: which instant it names would be a guess."""
    if timezone.is_naive(value):
        raise ValueError(f"{value!r} has no time zone: give an aware datetime")
    return value


def _links_to(reference: ObjectReference, model: type[models.Model] | str) -> Q:
    """The links that name the object as their other side.

    Only models that some many-to-many field points at can be that side. For all others
    the condition can never hold: Django drops it, and the look-up stays one by
    `object_key` alone.
    """
    named = Q(action__in=LINKS, related__refers_to=(reference.model, reference.object_id))
    if isinstance(model, str):
        return named
    declaring = {
        label_of(field.related_model)
        for field in model._meta.get_fields(include_hidden=True)
        if field.many_to_many and field.auto_created and isinstance(field.related_model, type)
    }
    return Q(named, model__in=sorted(declaring))
