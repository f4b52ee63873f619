"""Celery: a task has the context of whoever queued it.

A message carries who acted, for which tenant, why, and the ids of the request, as values in the
header `trailkeeper`. The worker takes them for the events of the task; their `service` is the
task's name. A retry, a chain and a task queued by a task carry them on. A task that nobody's
request has queued gets the id of the first task of its chain as `request_id`, so that their events
are joined.

An eager task runs inside its caller, and has its caller's context.
"""

from __future__ import annotations

from contextvars import Token
from typing import Any, Final

from celery.signals import before_task_publish, task_postrun, task_prerun

from trailkeeper.carrying import carry, resumed
from trailkeeper.failure import optional
from trailkeeper.layers import Layer, enter, layer, leave
from trailkeeper.origin import is_request_id

__all__ = ["connect", "disconnect"]

HEADER: Final = "trailkeeper"
#: Where a running task's request keeps what must be undone after it.
_TOKEN: Final = "_trailkeeper_token"


def _published(*, headers: dict[str, Any] | None = None, **_: Any) -> None:
    values = optional(carry, name="the context of a task")
    if headers is not None and values is not None:
        headers[HEADER] = values


def _starting(*, task: Any, task_id: str, **_: Any) -> None:
    request = task.request
    if request.is_eager:
        new = Layer(layer(), items={"service": task.name})
    else:
        root = str(request.root_id or task_id)
        new = resumed(
            (request.headers or {}).get(HEADER, {}),
            service=task.name,
            request_id=root if is_request_id(root) else None,
        )
    setattr(request, _TOKEN, enter(new))


def _ended(*, task: Any, **_: Any) -> None:
    token: Token[Layer | None] | None = task.request.__dict__.pop(_TOKEN, None)
    if token is not None:
        leave(token)


_RECEIVERS: Final = {
    "publish": (before_task_publish, _published),
    "prerun": (task_prerun, _starting),
    "postrun": (task_postrun, _ended),
}


def connect() -> None:
    """Connects the receivers; a second call changes nothing."""
    for name, (signal, receiver) in _RECEIVERS.items():
        signal.connect(receiver, weak=False, dispatch_uid=f"trailkeeper.{name}")


def disconnect() -> None:
    """Takes the receivers away."""
    for name, (signal, _) in _RECEIVERS.items():
        signal.disconnect(dispatch_uid=f"trailkeeper.{name}")
