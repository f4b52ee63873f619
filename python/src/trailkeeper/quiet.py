"""Texts of objects, without a query: an event asks the application's database nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

__all__ = ["QueryRefusedError", "put_back", "refuse", "text_of"]


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
    own = overrides.get("cursor"), overrides.get("chunked_cursor")
    overrides["cursor"] = overrides["chunked_cursor"] = refuse
    try:
        return str(value)
    except QueryRefusedError:
        return None
    finally:
        put_back(overrides, *own)


def put_back(overrides: dict[str, Any], cursor: Any, chunked_cursor: Any) -> None:
    """Ends the refusing of queries.

    Args:
        overrides: the attributes of the connection.
        cursor: what stood at this name: tools that watch queries give a connection cursors of
            their own. None if nothing did.
        chunked_cursor: the same.
    """
    for name, own in (("cursor", cursor), ("chunked_cursor", chunked_cursor)):
        if own is None:
            overrides.pop(name, None)
        else:
            overrides[name] = own
