"""Who is acting, on whose behalf, from where, and why.

A `ContextVar` holds a chain of layers: the middleware adds one for each request,
`trailkeeper.context()` one for each block, a task's integration one for each task. An event takes
its context at the moment it happens, so a user set inside a view (DRF, JWT, django-ninja) is seen
by the events after it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any, Final

from trailkeeper import spool
from trailkeeper._recorder import Context
from trailkeeper.actor import actor_of, service_of_process, user_of
from trailkeeper.conf import settings
from trailkeeper.exceptions import InvalidRequestError
from trailkeeper.failure import optional

if TYPE_CHECKING:
    from django.http import HttpRequest

__all__ = ["Layer", "context", "current_context", "enter", "entered", "layer", "leave"]

GIVEN: Final = frozenset(
    {
        "actor",
        "impersonator",
        "ip",
        "reason",
        "request_id",
        "service",
        "session",
        "tenant",
        "trace_id",
    }
)


class Layer:
    """One layer of context: a request, or what a `context()` block gives.

    Args:
        parent: the layer around this one.
        request: the request that is served, for the middleware's layer.
        items: columns of the event that are known from the start.
        given: what the caller of `context()` said.
    """

    __slots__ = (
        "_actor",
        "_cache",
        "_columns",
        "_impersonator",
        "_key",
        "_request",
        "_tenant",
    )

    def __init__(
        self,
        parent: Layer | None,
        *,
        request: HttpRequest | None = None,
        items: dict[str, Any] | None = None,
        given: dict[str, Any] | None = None,
    ) -> None:
        given = given or {}
        texts = {
            name: None if value is None else str(value)
            for name, value in given.items()
            if name not in {"actor", "impersonator"}
        }
        #: The columns that are known now; what an inner layer does not say, the outer one says.
        self._columns: dict[str, Any] = {
            **(parent._columns if parent is not None else {}),
            **texts,
            **(items or {}),
        }
        #: The tenant that was given: what the project's callable says is asked for each event.
        self._tenant: Any = self._columns.get("tenant")
        around = parent._actor if parent is not None else None
        self._actor: Any = given.get("actor", around)
        # Who is behind the outer actor is not behind another one.
        around = parent._impersonator if parent is not None and "actor" not in given else None
        self._impersonator: Any = given.get("impersonator", around)
        outer = parent._request if parent is not None else None
        self._request: HttpRequest | None = request or outer
        self._key: tuple[Any, ...] = ()
        self._cache: Context | None = None

    @property
    def request(self) -> HttpRequest | None:
        """The request that is served, if one is."""
        return self._request

    def column(self, name: str) -> Any:
        """What is known of a column from the start, or said by `context()`."""
        return self._columns.get(name)

    def encoded(self) -> Context:
        """This layer's columns, encoded; made anew when actor, tenant or route have changed."""
        request = self._request
        user = loaded = authenticated = match = None
        if request is not None:
            # What is found here tells whether the actor may have changed, and costs no call.
            attributes = request.__dict__
            match = attributes.get("resolver_match")
            if self._actor is None:
                user = attributes.get("user")
                loaded = attributes.get("_acached_user")
                authenticated = attributes.get("auth")
                if settings.actor is not None:
                    user = user_of(request)
        tenant = self._tenant
        if not tenant and settings.tenant is not None:
            tenant = current_tenant()
        cached = self._cache
        if cached is not None:
            known_user, known_loaded, known_auth, known_match, known_tenant, generation = self._key
            if (
                known_user is user
                and known_match is match
                and known_loaded is loaded
                and known_auth is authenticated
                and known_tenant == tenant
                and generation == spool.generation
            ):
                return cached
        encoded = Context(self._encodable(tenant))
        self._key = (user, loaded, authenticated, match, tenant, spool.generation)
        self._cache = encoded
        return encoded

    def values(self) -> dict[str, Any]:
        """The columns as they are now."""
        return self._encodable(self._tenant or current_tenant())

    def forget(self) -> None:
        """Drops what was encoded: something has changed that cannot be seen from outside."""
        self._cache = None

    def _encodable(self, tenant: Any) -> dict[str, Any]:
        request = self._request
        actor = self._actor
        columns = dict(self._columns)
        columns["tenant"] = None if tenant is None else str(tenant)
        columns["source"] = settings.source
        if request is None:
            columns.setdefault("service", service_of_process())
        else:
            actor = user_of(request) if actor is None else actor
            if request.resolver_match is not None:
                columns["http_route"] = "/" + str(request.resolver_match.route).removeprefix("/")
        who = actor_of(actor, request=request, impersonator=self._impersonator)
        columns.update(who.columns())
        return columns


_layer: ContextVar[Layer | None] = ContextVar("trailkeeper_layer", default=None)


def layer() -> Layer:
    """The innermost layer of the current context."""
    return _layer.get() or _process_layer


def current_context() -> Context:
    """The context of an event that happens now, encoded."""
    return (_layer.get() or _process_layer).encoded()


def enter(new: Layer) -> Token[Layer | None]:
    """Makes `new` the innermost layer until `leave()` is given what this returns."""
    return _layer.set(new)


def leave(token: Token[Layer | None]) -> None:
    """Makes the layer innermost that was so before `enter()`."""
    _layer.reset(token)


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
        impersonator: the real user, where `actor` is one that somebody acts as; or its name.
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


_process_layer = Layer(None)
