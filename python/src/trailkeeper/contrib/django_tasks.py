"""Tasks of Django 6 (`django.tasks`): a task has the context of whoever queued it.

A task's arguments are all that every backend brings to the worker. So the context travels as one
keyword argument more, which is taken away before the task's function is called; the task's result
shows it among its `kwargs`. Backends that run a task where it is queued need none, and get none.

Wraps these interfaces of Django, each held by a contract test: `Task.enqueue`, `Task.aenqueue`,
`Task.call`, `Task.acall`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from django.tasks.backends.dummy import DummyBackend
from django.tasks.backends.immediate import ImmediateBackend
from django.tasks.base import Task

from trailkeeper.carrying import carry, resumed
from trailkeeper.failure import optional
from trailkeeper.layers import Layer, entered, layer

__all__ = ["ARGUMENT", "install", "uninstall"]

#: The keyword argument that carries the context.
ARGUMENT: Final = "_trailkeeper_context"

_originals: dict[str, Any] = {}


def _carrying(task: Task[..., Any], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a task that is queued, with the context."""
    if isinstance(task.get_backend(), (ImmediateBackend, DummyBackend)):
        return kwargs
    values = optional(carry, name="the context of a task")
    return kwargs if values is None else {**kwargs, ARGUMENT: values}


@contextmanager
def _running(task: Task[..., Any], values: Any) -> Iterator[None]:
    """The context of a task that runs: what it carries, or its caller's."""
    name = task.module_path
    new = (
        Layer(layer(), items={"service": name}) if values is None else resumed(values, service=name)
    )
    with entered(new):
        yield


def _enqueue(self: Task[..., Any], *args: Any, **kwargs: Any) -> Any:
    return _originals["enqueue"](self, *args, **_carrying(self, kwargs))


async def _aenqueue(self: Task[..., Any], *args: Any, **kwargs: Any) -> Any:
    return await _originals["aenqueue"](self, *args, **_carrying(self, kwargs))


def _call(self: Task[..., Any], *args: Any, **kwargs: Any) -> Any:
    with _running(self, kwargs.pop(ARGUMENT, None)):
        return _originals["call"](self, *args, **kwargs)


async def _acall(self: Task[..., Any], *args: Any, **kwargs: Any) -> Any:
    with _running(self, kwargs.pop(ARGUMENT, None)):
        return await _originals["acall"](self, *args, **kwargs)


_WRAPPERS: Final[dict[str, Any]] = {
    "enqueue": _enqueue,
    "aenqueue": _aenqueue,
    "call": _call,
    "acall": _acall,
}


def install() -> None:
    """Wraps the task's methods; a second call changes nothing."""
    if _originals:
        return
    for name, wrapper in _WRAPPERS.items():
        _originals[name] = getattr(Task, name)
        setattr(Task, name, wrapper)


def uninstall() -> None:
    """Puts Django's own methods back."""
    while _originals:
        name, original = _originals.popitem()
        setattr(Task, name, original)
