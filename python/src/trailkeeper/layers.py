"""Who is acting, on whose behalf, from where, and why.

A `ContextVar` holds a chain of layers: the middleware adds one for each request,
`trailkeeper.context()` one for each block. An event takes its context at the moment it happens, so
a user set inside a view (DRF, JWT) is seen by the events after it.
"""

from __future__ import annotations

import getpass
import hashlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings as django_settings

from trailkeeper import spool
from trailkeeper._recorder import Context
from trailkeeper.conf import settings
from trailkeeper.exceptions import InvalidRequestError
from trailkeeper.failure import optional

if TYPE_CHECKING:
    from django.http import HttpRequest

__all__ = ["Layer", "context", "current_context", "layer", "service_of_process"]

GIVEN: Final = frozenset(
    {"actor", "reason", "tenant", "service", "request_id", "trace_id", "ip", "session"}
)


class Layer:
    """One layer of context: a request, or what a `context()` block gives.

    Args:
        parent: the layer around this one.
        request: the request that is served, for the middleware's layer.
        items: columns of the event that are known from the start.
        given: what the caller of `context()` said.
    """

    __slots__ = ("_actor", "_cache", "_columns", "_key", "_request")

    def __init__(
        self,
        parent: Layer | None,
        *,
        request: HttpRequest | None = None,
        items: dict[str, Any] | None = None,
        given: dict[str, Any] | None = None,
    ) -> None:
        given = given or {}
        texts = {name: None if value is None else str(value) for name, value in given.items()}
        texts.pop("actor", None)
        #: The columns that are known now; what an inner layer does not say, the outer one says.
        self._columns: dict[str, Any] = {
            **(parent._columns if parent is not None else {}),
            **texts,
            **(items or {}),
        }
        around = parent._actor if parent is not None else None
        self._actor: Any = given.get("actor", around)
        outer = parent._request if parent is not None else None
        self._request: HttpRequest | None = request or outer
        self._key: tuple[Any, ...] = ()
        self._cache: Context | None = None

    def encoded(self) -> Context:
        """This layer's columns, encoded; made anew when actor, tenant or route have changed."""
        actor = self._actor
        request = self._request
        match = None
        if request is not None:
            actor = _user_of(request) if actor is None else actor
            match = request.resolver_match
        tenant = self._columns.get("tenant") or current_tenant()
        cached = self._cache
        if cached is not None:
            known_actor, known_tenant, known_match, known_generation = self._key
            if (
                known_actor is actor
                and known_match is match
                and known_tenant == tenant
                and known_generation == spool.generation
            ):
                return cached
        encoded = Context(self._encodable(actor, tenant, match))
        self._key = (actor, tenant, match, spool.generation)
        self._cache = encoded
        return encoded

    def _encodable(self, actor: Any, tenant: Any, match: Any) -> dict[str, Any]:
        is_request = self._request is not None
        columns = dict(self._columns)
        columns["tenant"] = None if tenant is None else str(tenant)
        columns["source"] = settings.source
        if match is not None:
            columns["http_route"] = "/" + str(match.route).removeprefix("/")
        if not is_request:
            columns.setdefault("service", service_of_process())
        columns.update(_actor_columns(actor, is_request=is_request))
        return columns


_layer: ContextVar[Layer | None] = ContextVar("trailkeeper_layer", default=None)


def layer() -> Layer:
    """The innermost layer of the current context."""
    return _layer.get() or _process_layer


def current_context() -> Context:
    """The context of an event that happens now, encoded."""
    return (_layer.get() or _process_layer).encoded()


@contextmanager
def entered(new: Layer) -> Iterator[Layer]:
    """Makes `new` the innermost layer for a block."""
    token = _layer.set(new)
    try:
        yield new
    finally:
        _layer.reset(token)


@contextmanager
def context(**given: Any) -> Iterator[None]:
    """Says who acts and why, for the events of a block: in commands, threads, tasks and shells.

    Blocks nest; what an inner one does not say, the outer one or the request says.

    Args:
        actor: a user, or a text that names a service.
        reason: why, in words.
        tenant: the tenant's name or key.
        service: the name of the task or the command.
        request_id, trace_id, ip, session: where it comes from.

    Raises:
        InvalidRequestError: if another name is given.
    """
    unknown = set(given) - GIVEN
    if unknown:
        names = ", ".join(sorted(GIVEN))
        raise InvalidRequestError(
            f"context() takes {names}; not {', '.join(sorted(unknown))}. Put other data into "
            "record(data=...)."
        )
    with entered(Layer(_layer.get() or _process_layer, given=given)):
        yield


def current_tenant() -> Any:
    """What the project's `TENANT` callable says now; None if it raises."""
    tenant = settings.tenant
    return optional(tenant, name="the tenant") if tenant is not None else None


def service_of_process() -> str:
    """What this process is, by its command line: `manage.py mark_overdue`, `gunicorn`."""
    program = Path(sys.argv[0]).name if sys.argv and sys.argv[0] else "python"
    if program in {"manage.py", "django-admin", "__main__.py"} and len(sys.argv) > 1:
        return f"{program} {sys.argv[1]}"
    return program


def hash_session(key: str) -> str:
    """The session as events name it: it tells sessions apart and opens none."""
    return hashlib.sha256(b"trailkeeper session " + key.encode()).hexdigest()[:32]


def request_items(request: HttpRequest) -> dict[str, Any]:
    """The columns that a request gives: method, path, address, agent, session and ids."""
    headers = request.headers
    trace = headers.get("traceparent", "").split("-")
    session = request.COOKIES.get(django_settings.SESSION_COOKIE_NAME)
    return {
        "request_id": headers.get("X-Request-ID") or os.urandom(8).hex(),
        "trace_id": trace[1] if len(trace) >= 4 and len(trace[1]) == 32 else None,
        "session": hash_session(session) if session else None,
        "ip": request.META.get("REMOTE_ADDR") or None,
        "user_agent": headers.get("User-Agent"),
        "http_method": request.method,
        "http_path": request.path,
    }


def _user_of(request: HttpRequest) -> Any:
    # An async view's user is cached here; asking `request.user` could block the loop.
    cached = getattr(request, "_acached_user", None)
    return cached if cached is not None else getattr(request, "user", None)


def _actor_columns(actor: Any, *, is_request: bool) -> dict[str, Any]:
    if isinstance(actor, str):
        return {"actor_type": "service", "actor_label": actor}
    if actor is None:
        if is_request:
            return {"actor_type": "unknown"}
        return {"actor_type": "system", "actor_label": optional(getpass.getuser, name="the user")}
    columns = optional(lambda: _user_columns(actor), name="the actor")
    return columns if columns is not None else {"actor_type": "unknown"}


def _user_columns(user: Any) -> dict[str, Any]:
    if not getattr(user, "is_authenticated", True):
        return {"actor_type": "anonymous"}
    return {"actor_type": "user", "actor_id": str(user.pk), "actor_label": str(user)}


_process_layer = Layer(None)
