"""Who acts: users, services, the system, and the real user behind an impersonated one.

An actor is written as values (kind, id, label), never as a reference: a user who is deleted later
is still named. What cannot be found out costs itself: a `__str__` that raises costs the label, a
user who cannot be loaded leaves the actor unknown.
"""

from __future__ import annotations

import os
import pwd
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from django.db import connections
from django.utils.functional import SimpleLazyObject

from trailkeeper.conf import settings
from trailkeeper.failure import optional
from trailkeeper.quiet import text_of

if TYPE_CHECKING:
    from django.http import HttpRequest

__all__ = [
    "HIJACK_LABEL",
    "HIJACK_MARK",
    "Actor",
    "actor_of",
    "label_of_user",
    "service_of_process",
    "user_of",
]

#: Under this name django-hijack keeps the users behind the present one, the real one first.
HIJACK_MARK: Final = "hijack_history"
#: Under this name `trailkeeper.contrib.hijack` keeps the real user's label.
HIJACK_LABEL: Final = "trailkeeper_hijacker"


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who acts, as events have it.

    Args:
        type: `user`, `service`, `system`, `anonymous` or `unknown`.
        id: the user's primary key, as text.
        label: how the user shows itself, or the service's name.
        impersonator_id: the key of the real user behind this one.
        impersonator_label: how that one shows itself.
    """

    type: str
    id: str | None = None
    label: str | None = None
    impersonator_id: str | None = None
    impersonator_label: str | None = None

    def columns(self) -> dict[str, str | None]:
        """The columns of an event that say it."""
        return {
            "actor_type": self.type,
            "actor_id": self.id,
            "actor_label": self.label,
            "impersonator_id": self.impersonator_id,
            "impersonator_label": self.impersonator_label,
        }


def user_of(request: HttpRequest) -> Any:
    """The user of a request as known now, without loading it: what `ACTOR` says, else its own."""
    resolve = settings.actor
    if resolve is not None:
        actor = optional(lambda: resolve(request), name="the actor")
        if actor is not None:
            return actor
    user = getattr(request, "user", None)
    if type(user) is SimpleLazyObject:
        # An async view has loaded the user here; asking `request.user` could block the loop.
        attributes = request.__dict__
        loaded = attributes.get("_acached_user")
        if loaded is not None and "_cached_user" not in attributes:
            return loaded
    return user


def actor_of(who: Any, *, request: HttpRequest | None, impersonator: Any = None) -> Actor:
    """Writes down who acts.

    Args:
        who: a user, the name of a service, an `Actor`, or None if nobody has said.
        request: the request that is served, if one is.
        impersonator: the real user behind `who`; None if the request may tell.
    """
    if isinstance(who, Actor):
        return who
    if isinstance(who, str):
        found = Actor(type="service", label=who)
    elif who is None and request is None:
        found = _system()
    else:
        found = _user(who, request)
    if impersonator is None and request is not None and found.type == "user":
        impersonator = _impersonator_of(request)
    if impersonator is None:
        return found
    named = optional(lambda: _named(impersonator), name="the impersonator")
    if named is None:
        return found
    return replace(found, impersonator_id=named[0], impersonator_label=named[1])


def _user(user: Any, request: HttpRequest | None) -> Actor:
    is_known = user is not None and optional(lambda: _is_authenticated(user), name="the actor")
    if not is_known and request is not None:
        # django-ninja keeps here what its authentication gave: a user, a token, anything.
        authenticated = getattr(request, "auth", None)
        if getattr(authenticated, "is_authenticated", False) is True:
            user, is_known = authenticated, True
    if is_known:
        named = optional(lambda: _named(user), name="the actor")
        return Actor(type="user", id=named[0], label=named[1]) if named else Actor(type="unknown")
    return Actor(type="unknown" if user is None or is_known is None else "anonymous")


def _is_authenticated(user: Any) -> bool:
    return bool(getattr(user, "is_authenticated", True))


def _named(user: Any) -> tuple[str | None, str | None]:
    """Id and label of a user; a text is a label alone, a pair is both."""
    if isinstance(user, str):
        return None, user
    if isinstance(user, tuple):
        real_id, label = user
        return str(real_id), None if label is None else str(label)
    return str(user.pk), optional(lambda: label_of_user(user), name="the actor's label")


def label_of_user(user: Any) -> str | None:
    """How a user shows itself; None if that takes a query.

    Raises:
        Exception: whatever its `__str__` raises.
    """
    state = getattr(user, "_state", None)
    alias = getattr(state, "db", None)
    return str(user) if alias is None else text_of(user, connections[alias])


def _impersonator_of(request: HttpRequest) -> Any:
    """The real user behind a request's: what `IMPERSONATOR` says, else django-hijack's marks."""
    resolve = settings.impersonator
    if resolve is not None:
        return optional(lambda: resolve(request), name="the impersonator")
    return optional(lambda: _hijacker_of(request), name="the impersonator")


def _hijacker_of(request: HttpRequest) -> tuple[str, str | None] | None:
    session = getattr(request, "session", None)
    # A session that nobody has read did not give the user, and reading it could take a query.
    if session is None or not session.accessed:
        return None
    history = session.get(HIJACK_MARK)
    if not history:
        return None
    label = session.get(HIJACK_LABEL)
    return str(history[0]), str(label) if label else None


def _system() -> Actor:
    """The operating system's user whose process this is; behind `sudo`, who asked for it."""
    number = os.geteuid()
    try:
        label = pwd.getpwuid(number).pw_name
    except KeyError:
        # Containers may run under a number that has no name.
        label = f"uid {number}"
    return Actor(type="system", label=label, impersonator_label=os.environ.get("SUDO_USER") or None)


def service_of_process() -> str:
    """What this process is, by its command line: `manage.py mark_overdue`, `gunicorn`.

    Arguments behind a command's name are left out: they may hold secrets.
    """
    program = Path(sys.argv[0]).name if sys.argv and sys.argv[0] not in ("", "-c") else "python"
    if program in {"manage.py", "django-admin", "__main__.py"} and len(sys.argv) > 1:
        return f"{program} {sys.argv[1]}"
    return program
