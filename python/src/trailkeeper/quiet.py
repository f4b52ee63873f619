"""Texts of objects, without a query: an event asks the application's database nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

__all__ = ["QueryRefusedError", "refuse", "text_of"]


class QueryRefusedError(Exception):
    """A `__str__` wanted to ask the database."""


def refuse(*_: Any, **__: Any) -> Any:
    """Stands where a connection makes its cursors."""
    raise QueryRefusedError


def text_of(value: object, connection: BaseDatabaseWrapper) -> str | None:
    """How an object shows itself; None if that takes a query on `connection`.

    Raises:
        Exception: whatever its `__str__` raises.
    """
    # Not an execute wrapper: what it refuses would still count among the executed queries.
    overrides = connection.__dict__
    overrides["cursor"] = overrides["chunked_cursor"] = refuse
    try:
        return str(value)
    except QueryRefusedError:
        return None
    finally:
        overrides.pop("cursor", None)
        overrides.pop("chunked_cursor", None)
