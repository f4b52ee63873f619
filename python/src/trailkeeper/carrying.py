"""Context that goes where a `ContextVar` does not: into threads, queues and other services.

What is carried are values: who acted when it was taken, not the request or the user object. A task
that runs tomorrow says who ordered it, whoever has been deleted or renamed since.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar

from trailkeeper.actor import Actor
from trailkeeper.failure import logger
from trailkeeper.layers import Layer, entered, layer

__all__ = ["carried", "carry", "resume", "resumed"]

P = ParamSpec("P")
R = TypeVar("R")

_ACTOR: Final = {
    "actor_type": "type",
    "actor_id": "id",
    "actor_label": "label",
    "impersonator_id": "impersonator_id",
    "impersonator_label": "impersonator_label",
}
#: What goes into a message. Address, agent and session stay behind: they are personal, and the
#: event of the request with this id has them.
_MESSAGE: Final = (*_ACTOR, "tenant", "reason", "request_id", "trace_id")
#: What a function of the same process is given beside them.
_PROCESS: Final = (
    *_MESSAGE,
    "service",
    "session",
    "ip",
    "user_agent",
    "http_method",
    "http_path",
    "http_route",
)
_TYPES: Final = frozenset({"user", "service", "system", "anonymous", "unknown"})
#: Longer texts were not written by `carry()`.
_LONGEST: Final = 8192


def carry() -> dict[str, str]:
    """The present context as values for a message: who, for which tenant, why, and the ids.

    Put it into the message as it is, and give it to `resume()` where the message is handled. It is
    a dict of texts, so every serialiser takes it.
    """
    return _taken(_MESSAGE)


@contextmanager
def resume(values: Mapping[str, Any], *, service: str | None = None) -> Iterator[None]:
    """Makes what `carry()` gave the context of a block.

    Args:
        values: what `carry()` gave. What is not in its form is left out: a message is foreign.
        service: the name of the task that runs.
    """
    with entered(resumed(values, service=service)):
        yield


def carried(function: Callable[P, R]) -> Callable[P, R]:
    """Wraps a function so that it runs in the present context, on whatever thread.

    For what is started from a request and runs beside it:
    `Thread(target=trailkeeper.carried(work))`, `pool.submit(trailkeeper.carried(work), ...)`.
    """
    values = _taken(_PROCESS)

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        with entered(_layer_of(values, _PROCESS)):
            return function(*args, **kwargs)

    return run


def resumed(values: object, *, service: str | None = None, request_id: str | None = None) -> Layer:
    """The layer of a task.

    Args:
        values: what its message carries.
        service: its name.
        request_id: what joins its events with others where the message says nothing.
    """
    if not isinstance(values, Mapping):
        logger.warning("trailkeeper was given a message whose context is no mapping")
        values = {}
    if request_id is not None and "request_id" not in values:
        values = {**values, "request_id": request_id}
    return _layer_of(values, _MESSAGE, service=service)


def _taken(names: tuple[str, ...]) -> dict[str, str]:
    values = layer().values()
    return {name: str(values[name]) for name in names if values.get(name) is not None}


def _layer_of(
    values: Mapping[str, Any], names: tuple[str, ...], *, service: str | None = None
) -> Layer:
    known = {name: values[name] for name in names if _is_text(values.get(name))}
    actor = {_ACTOR[name]: known.pop(name) for name in _ACTOR if name in known}
    items: dict[str, Any] = dict(known)
    if service is not None:
        items["service"] = service
    # Who has queued it is not the user of the process that runs it.
    given = actor if actor.get("type") in _TYPES else {"type": "unknown"}
    return Layer(None, items=items, given={"actor": Actor(**given)})


def _is_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= _LONGEST
