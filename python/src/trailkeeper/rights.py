"""Changes of passwords and permissions, named as such beside the row that changed.

`password_changed` and `permissions_changed` are events of the kind `auth` in the transaction of the
change: they are told if it commits, and only if the stored value is known to have become another
one. A password that Django hashes anew at a login, because the hasher has changed, is
`password_rehashed`. They need the table captured: what is not known is not named.

Seen are the fields `password`, `is_active`, `is_staff` and `is_superuser` of every user model,
however they are written, and every link to a group or a permission.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from django.apps import apps
from django.contrib.auth.hashers import get_hasher, identify_hasher
from django.db import connections
from django.db.models.signals import post_save, pre_save

from trailkeeper.capture.instances import UNKNOWN, known_values
from trailkeeper.capture.registry import object_id_of, tracker_of
from trailkeeper.capture.transactions import capture_of
from trailkeeper.failure import report
from trailkeeper.kin import owner_of
from trailkeeper.layers import current_context
from trailkeeper.policy import disabling

if TYPE_CHECKING:
    from django.db.models import Model

    from trailkeeper._recorder import Transaction
    from trailkeeper.capture.registry import Link, Tracker

__all__ = ["add_link_changes", "add_row_changes", "connect"]

PASSWORD: Final = "password"
PERMISSIONS: Final = ("is_active", "is_staff", "is_superuser")
#: Where an instance keeps, while it is saved, what its save changes.
_ATTRIBUTE: Final = "_trailkeeper_rights"

#: For each table with such fields, their names.
_fields: dict[str, list[str]] = {}
#: The many-to-many fields that give permissions: model and field.
_links: set[tuple[str, str]] = set()


def add_row_changes(
    transaction: Transaction,
    tracker: Tracker,
    before: Sequence[Any],
    after: Sequence[Any],
    *,
    alias: str,
) -> None:
    """Adds what the change of a row means for a user, if it means anything.

    Args:
        transaction: the row's.
        tracker: of its table.
        before: its values.
        after: its values now, in the same order.
        alias: of the database.
    """
    names = _fields.get(tracker.label)
    if names is None:
        return
    changed = [name for name in names if _differs(tracker, name, before, after)]
    for items, json in _events(changed, is_rehash=False):
        items |= {
            "database": alias,
            "model": tracker.label,
            "object_id": object_id_of(tracker, before),
        }
        transaction.event(current_context(), items, json)


def add_link_changes(
    transaction: Transaction,
    link: Link,
    action: str,
    pairs: Iterable[tuple[Any, Any]],
    *,
    alias: str,
) -> None:
    """Adds what links mean for users and groups, if they give or take permissions.

    Args:
        transaction: the links'.
        link: the many-to-many field.
        action: `link` or `unlink`.
        pairs: keys of the declaring side and of the other side.
        alias: of the database.
    """
    if (link.model, link.field) not in _links:
        return
    targets = defaultdict(list)
    for source, target in pairs:
        targets[source].append({"model": link.target_model, "object_id": str(target)})
    for source, related in targets.items():
        items = _items("permissions_changed")
        items |= {"database": alias, "model": link.model, "object_id": str(source)}
        json: dict[str, Any] = {"changed": [link.field], "data": {"change": action}}
        if link.names_target:
            json["related"] = related
        transaction.event(current_context(), items, json)


def connect() -> None:
    """Finds the models that this is about, and connects the receivers."""
    if not apps.is_installed("django.contrib.auth"):
        return
    # A model: it cannot be imported before the apps are ready, and this module is.
    from django.contrib.auth.base_user import AbstractBaseUser

    _fields.clear()
    _links.clear()
    for model in apps.get_models():
        if issubclass(model, AbstractBaseUser):
            pre_save.connect(_saving, sender=model, dispatch_uid="trailkeeper.rights")
            post_save.connect(_saved, sender=model, dispatch_uid="trailkeeper.rights")
            for field in model._meta.concrete_fields:
                if field.name == PASSWORD or field.name in PERMISSIONS:
                    # What is written through a child of a user model has the child's name.
                    for owner in {owner_of(field), model}:
                        names = _fields.setdefault(owner._meta.label_lower, [])
                        if field.name not in names:
                            names.append(field.name)
        for link in model._meta.local_many_to_many:
            # A name where there is no such model: Django's own checks say so, later.
            giver: Any = link.related_model
            if not isinstance(giver, str) and giver._meta.label_lower in _GIVERS:
                _links.add((model._meta.label_lower, link.name))


_GIVERS: Final = frozenset({"auth.group", "auth.permission"})


def _saving(*, instance: Model, using: str, update_fields: Any = None, **_: Any) -> None:
    """Notes what a save is about to change."""
    state = instance._state.__dict__
    state.pop(_ATTRIBUTE, None)
    written = instance.__dict__
    vendor = connections[using].vendor
    changed = []
    is_rehash = False
    for field in instance._meta.concrete_fields:
        name = field.name
        if name != PASSWORD and name not in PERMISSIONS:
            continue
        tracker = tracker_of(field.model, vendor)
        if tracker is None or name not in written:
            continue
        if tracker.index[field.attname] in tracker.skipped:
            continue
        if update_fields is not None and name not in update_fields:
            continue
        known = known_values(instance, tracker)
        if known is None:
            continue
        old, new = known[tracker.index[field.attname]], written[name]
        if _is_other(old, new):
            changed.append(name)
            if name == PASSWORD:
                is_rehash = _is_rehash(instance, update_fields, str(old))
    if changed:
        state[_ATTRIBUTE] = (changed, is_rehash)


def _saved(*, instance: Model, created: bool, using: str, **_: Any) -> None:
    """Records what a save has changed."""
    noted = instance._state.__dict__.pop(_ATTRIBUTE, None)
    if noted is None or created or disabling.current() is not None:
        return
    changed, is_rehash = noted
    told = _events(changed, is_rehash=is_rehash)
    try:
        for items, json in told:
            items |= {
                "database": using,
                "model": (instance._meta.concrete_model or type(instance))._meta.label_lower,
                "object_id": str(instance.pk),
            }
            capture_of(connections[using]).add_event(items, json)
    except Exception as error:
        report(error, events=len(told), doing="record a change of a password or of permissions")


def _events(
    changed: Sequence[str], *, is_rehash: bool
) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """What the change of these fields is called, each with the fields."""
    told = []
    if PASSWORD in changed:
        action = "password_rehashed" if is_rehash else "password_changed"
        told.append((_items(action), {"changed": [PASSWORD]}))
    permissions = [name for name in changed if name != PASSWORD]
    if permissions:
        told.append((_items("permissions_changed"), {"changed": permissions}))
    return told


def _items(action: str) -> dict[str, Any]:
    return {"kind": "auth", "action": action, "outcome": "success"}


def _differs(tracker: Tracker, name: str, before: Sequence[Any], after: Sequence[Any]) -> bool:
    place = tracker.index.get(name)
    if place is None or place in tracker.skipped:
        return False
    return _is_other(before[place], after[place])


def _is_other(old: Any, new: Any) -> bool:
    """Whether both values are known, and differ."""
    if old is UNKNOWN or new is UNKNOWN or hasattr(new, "resolve_expression"):
        return False
    return bool(old != new)


def _is_rehash(user: Any, update_fields: Any, old: str) -> bool:
    """Whether Django hashes the same password anew, as `check_password()` does.

    It does so for a hash that is not made as the settings say now, forgets the raw password before
    it saves, and writes the password alone.
    """
    if update_fields is None or set(update_fields) != {PASSWORD}:
        return False
    if getattr(user, "_password", None) is not None:
        return False
    try:
        hasher, preferred = identify_hasher(old), get_hasher()
        return bool(hasher.algorithm != preferred.algorithm or preferred.must_update(old))
    except ValueError:
        # It was no hash: nobody could log in with it.
        return False
