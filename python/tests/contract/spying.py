"""Watches calls of Django's private methods without changing what they do."""

import functools
import inspect
from dataclasses import dataclass
from typing import Any

import pytest


@dataclass
class Call:
    """One call: who was called, by which arguments, and what came back.

    Args:
        owner: the instance, or the class for a class method.
        given: the arguments by the names of Django's parameters.
        positional: how many of them were given by position.
        result: what the method returned; unset while it runs, or if it raised.
    """

    owner: Any
    given: dict[str, Any]
    positional: int
    result: Any = None


def spy(monkeypatch: pytest.MonkeyPatch, owner: type, name: str) -> list[Call]:
    """Notes each call of `owner.name` from now on."""
    original = inspect.getattr_static(owner, name)
    function = original.__func__ if isinstance(original, classmethod) else original
    signature = inspect.signature(function)
    calls: list[Call] = []

    @functools.wraps(function)
    def watched(this: Any, *args: Any, **kwargs: Any) -> Any:
        given = dict(signature.bind(this, *args, **kwargs).arguments)
        given.pop(next(iter(signature.parameters)))
        call = Call(this, given, len(args))
        calls.append(call)
        call.result = function(this, *args, **kwargs)
        return call.result

    monkeypatch.setattr(
        owner, name, classmethod(watched) if isinstance(original, classmethod) else watched
    )
    return calls


def parameters(owner: type, name: str) -> list[str]:
    """The parameters of a method that `owner` itself defines, without the first."""
    original = owner.__dict__[name]
    function = original.__func__ if isinstance(original, classmethod) else original
    return list(inspect.signature(function).parameters)[1:]
