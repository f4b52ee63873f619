"""What an instance was loaded with: its `before`.

A snapshot stands on `instance._state`, so it is copied and pickled with the instance and seen by
nobody else. It names the scope it was taken in: when that is rolled back, the snapshot before it
stands again.

Wraps these private interfaces of Django, each held by a contract test: `Model.from_db`,
`Model.refresh_from_db`, `Model._do_update`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import django
from django.db import DEFAULT_DB_ALIAS, connections, models
from django.db.models.base import ModelState

from trailkeeper._recorder import Layout, Loader, frozen
from trailkeeper.capture.registry import plans, tracker_of
from trailkeeper.failure import is_news, logger

if TYPE_CHECKING:
    from trailkeeper.capture.registry import Tracker
    from trailkeeper.capture.transactions import Scope

__all__ = ["install", "known_values", "remember", "uninstall"]

#: Attribute of `instance._state`. Python keeps attributes without a `__dict__` until somebody asks
#: for it: nobody does here.
ATTRIBUTE: Final = "_trailkeeper_snapshot"

#: Attribute of the query of an update by `Model.save()`: the instance, its key, and the fields with
#: their values.
SAVING: Final = "_trailkeeper_saving"

#: A value that is not known.
UNKNOWN: Final = ...

#: Whether `Model.from_db` takes a `fetch_mode`.
HAS_FETCH_MODE: Final = django.VERSION >= (6, 1)


class Snapshot:
    """Values of an instance's attributes, as the database had them.

    A plain tuple stands for the usual one: a value for each of the tracked fields in their order,
    read, or written in autocommit.

    Args:
        names: the attributes.
        values: their values, in the same order; values that can change in place are encoded.
        scope: where they were written; None if they were read, or written in autocommit.
        previous: what stands again when the scope is rolled back.
    """

    __slots__ = ("names", "previous", "scope", "values")

    def __init__(
        self,
        names: Sequence[str],
        values: Sequence[Any],
        scope: Scope | None = None,
        previous: Known | None = None,
    ) -> None:
        self.names = names
        self.values = values
        self.scope = scope
        self.previous = previous

    def __reduce__(self) -> tuple[Any, ...]:
        # A copy outlives the transaction, whose outcome it cannot follow.
        return Snapshot, ((), ()) if self.scope else (tuple(self.names), tuple(self.values))


#: What stands on an instance's state.
Known = Snapshot | tuple[Any, ...]


def known_values(instance: models.Model, tracker: Tracker) -> tuple[Any, ...] | None:
    """What the database had for the tracked fields of `instance`; None if nothing is known."""
    state: Any = instance._state
    try:
        snapshot: Any = state._trailkeeper_snapshot
    except AttributeError:
        return None
    while type(snapshot) is Snapshot and snapshot.scope is not None and snapshot.scope.is_dead():
        snapshot = snapshot.previous
    if snapshot is None:
        return None
    if type(snapshot) is tuple:
        return _of_table(instance, snapshot, tracker) if tracker.has_kin else snapshot
    if snapshot.names is tracker.attnames:
        return tuple(snapshot.values)
    values = dict(zip(snapshot.names, snapshot.values, strict=False))
    return tuple(values.get(name, UNKNOWN) for name in tracker.attnames)


def _of_table(instance: models.Model, known: tuple[Any, ...], tracker: Tracker) -> tuple[Any, ...]:
    """The values of the fields of `tracker`, of all that are known of `instance`."""
    whole = tracker_of(type(instance), tracker.vendor)
    if whole is None or whole is tracker:
        return known
    values = dict(zip(whole.attnames, known, strict=False))
    return tuple(values.get(name, UNKNOWN) for name in tracker.attnames)


def remember(
    instance: models.Model, tracker: Tracker, values: tuple[Any, ...], scope: Scope | None
) -> None:
    """Notes what the database has for the tracked fields of `instance` from now on.

    Args:
        instance: the object.
        tracker: of what was written.
        values: the values of its fields, those that can change in place frozen.
        scope: the transaction or savepoint they were written in; None in autocommit.
    """
    state: Any = instance._state
    is_whole = tracker.is_whole and instance._meta.concrete_model is tracker.model
    if scope is None and is_whole:
        state._trailkeeper_snapshot = values
        return
    previous: Known | None = getattr(state, ATTRIBUTE, None)
    if isinstance(previous, Snapshot) and previous.scope is scope:
        previous = previous.previous
    names: Sequence[str] = tracker.attnames
    kept: Sequence[Any] = values
    if not is_whole:
        # One table of several: keep what is known of the others.
        whole = tracker_of(type(instance), tracker.vendor) or tracker
        older = known_values(instance, whole) or [UNKNOWN] * len(whole.attnames)
        newer = dict(zip(names, values, strict=True))
        names = whole.attnames
        kept = [newer.get(name, old) for name, old in zip(names, older, strict=True)]
    state._trailkeeper_snapshot = Snapshot(
        names, kept, scope, previous if scope is not None else None
    )


_originals: dict[str, Any] = {}


def _plan(model: type[models.Model]) -> None:
    """Notes for the loader how instances of `model` are loaded when all their fields are."""
    tracker = tracker_of(model, connections[DEFAULT_DB_ALIAS].vendor)
    if tracker is None:
        plans[model] = None
    else:
        # One of whose tables not all are tracked is never loaded as a whole row.
        is_all = len(tracker.fields) == len(model._meta.concrete_fields)
        plans[model] = tracker.layout if is_all else Layout((), None, (), ())


def _from_db(original: Callable[..., Any], take: Callable[..., Any]) -> Callable[..., Any]:
    """What stands in the place of `original`, the function behind Django's class method.

    Reading is what applications do most. Each of the two below calls Django's function as Python
    does it best, by a plain list of arguments, and has nothing in the way of a usual instance: they
    repeat each other, for what they could share would be one call more for each object.

    Args:
        original: `from_db(model, db, field_names, values)`; since Django 6.1 `fetch_mode` too.
        take: `Loader.take`.
    """

    def plain(cls: type[models.Model], db: str, field_names: Any, values: Any) -> Any:
        taken = take(cls, field_names, values)
        instance = original(cls, db, field_names, values)
        if taken is not None:
            try:
                instance._state._trailkeeper_snapshot = taken
                if taken is ...:
                    _loaded_elsewhere(instance, field_names, values)
            except Exception as error:
                _failed(cls, error)
        return instance

    def fetching(
        cls: type[models.Model], db: str, field_names: Any, values: Any, *, fetch_mode: Any = None
    ) -> Any:
        taken = take(cls, field_names, values)
        instance = original(cls, db, field_names, values, fetch_mode=fetch_mode)
        if taken is not None:
            try:
                instance._state._trailkeeper_snapshot = taken
                if taken is ...:
                    _loaded_elsewhere(instance, field_names, values)
            except Exception as error:
                _failed(cls, error)
        return instance

    return fetching if HAS_FETCH_MODE else plain


def _loaded_elsewhere(instance: models.Model, names: Sequence[str], values: Sequence[Any]) -> None:
    """Notes the values of an instance with fields that are not tracked."""
    tracker = tracker_of(type(instance), connections[DEFAULT_DB_ALIAS].vendor)
    if tracker is None:
        return
    if tracker.mutable:
        mutable = {tracker.attnames[place] for place in tracker.mutable}
        places = tuple(place for place, name in enumerate(names) if name in mutable)
        values = frozen(tuple(values), places)
    setattr(instance._state, ATTRIBUTE, Snapshot(names, values))


def _failed(model: type[models.Model], error: BaseException) -> None:
    """Says that what an instance was loaded with is not known: its next save has no `before`."""
    if is_news((model, type(error))):
        logger.warning(
            "trailkeeper could not note what a %s was loaded with: %r", model._meta.label, error
        )


def _refresh_from_db(self: models.Model, *args: Any, **kwargs: Any) -> None:
    _originals["refresh_from_db"](self, *args, **kwargs)
    alias = self._state.db
    tracker = tracker_of(type(self), connections[alias].vendor) if alias else None
    if tracker is None:
        return
    fields = kwargs.get("fields", args[1] if len(args) > 1 else None)
    values = list(known_values(self, tracker) or [UNKNOWN] * len(tracker.attnames))
    wanted = None if fields is None else set(fields)
    for place, field in enumerate(tracker.fields):
        if wanted is None or field.name in wanted or field.attname in wanted:
            values[place] = self.__dict__.get(field.attname, UNKNOWN)
    remember(self, tracker, frozen(tuple(values), tracker.mutable), None)


def _do_update(
    self: models.Model,
    base_qs: Any,
    using: str,
    pk_val: Any,
    values: Any,
    *args: Any,
    **kwargs: Any,
) -> Any:
    # The query takes it along to its statement, through all copies that Django makes of it.
    base_qs.query.__dict__[SAVING] = (self, pk_val, values)
    return _originals["_do_update"](self, base_qs, using, pk_val, values, *args, **kwargs)


_WRAPPERS: Final[dict[str, Any]] = {
    "refresh_from_db": _refresh_from_db,
    "_do_update": _do_update,
}


def install() -> None:
    """Wraps the model's methods; a second call changes nothing."""
    if _originals:
        return
    for name in ("from_db", *_WRAPPERS):
        _originals[name] = models.Model.__dict__[name]
    models.Model.from_db = classmethod(  # type: ignore[assignment]
        _from_db(_originals["from_db"].__func__, Loader(plans, _plan, _failed).take)
    )
    for name, wrapper in _WRAPPERS.items():
        setattr(models.Model, name, wrapper)
    _make_room()


def _make_room() -> None:
    """Lets the state of every instance have the snapshot without a `__dict__` of its own.

    Python gives the instances of a class a common table of attributes, which those that come first
    decide about: the first of a process may never be saved.
    """
    state: Any = ModelState()
    state.adding, state.db = True, None
    setattr(state, ATTRIBUTE, ())
    # Django keeps loaded relations here, and makes it when it is asked for.
    state.fields_cache  # noqa: B018


def uninstall() -> None:
    """Puts Django's own methods back."""
    while _originals:
        name, original = _originals.popitem()
        setattr(models.Model, name, original)
