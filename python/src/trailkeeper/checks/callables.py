"""Callables of the project that settings name."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any, Final

from django.core.checks import CheckMessage, Error
from django.utils.module_loading import import_string

from trailkeeper.conf import settings

__all__ = ["check_callables", "unusable"]

#: For each setting what its callable takes, and what it is for.
_TAKEN: Final = {
    "TENANT": ((), "returns the tenant's name or key", "shop.tenants.current"),
    "ACTOR": (("request",), "returns a user, a service's name or None", "shop.actors.of"),
    "IMPERSONATOR": (("request",), "returns the real user or None", "shop.actors.behind"),
}


def check_callables() -> Iterator[CheckMessage]:
    """Checks that what is to be called can be."""
    for key, (arguments, does, example) in _TAKEN.items():
        taken = "the request" if arguments else "without arguments"
        reason = unusable(settings[key], arguments, f"with {taken}" if arguments else taken)
        if reason is not None:
            yield Error(
                f"TRAILKEEPER[{key!r}] {reason}.",
                hint=f"Give a function {'of ' if arguments else ''}{taken} that {does}, or the "
                f"dotted path of one, such as {example!r}.",
                id="trailkeeper.E009",
            )


def unusable(given: Any, arguments: tuple[str, ...], how: str) -> str | None:
    """Why something cannot be called so; None if it can, or is not set."""
    if isinstance(given, str):
        try:
            given = import_string(given)
        except Exception as error:
            # Its module runs when it is imported, and may raise anything.
            return f"cannot be imported: {error}"
    if given is None:
        return None
    if not callable(given):
        return f"cannot be called: it is of type {type(given).__name__}"
    if inspect.iscoroutinefunction(given):
        return "is async, and events are recorded in synchronous code too"
    try:
        inspect.signature(given).bind(*arguments)
    except TypeError as error:
        return f"cannot be called {how}: {error}"
    except ValueError:
        # A callable that does not say what it takes.
        return None
    return None
