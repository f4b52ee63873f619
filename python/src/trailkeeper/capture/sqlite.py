"""What SQLite asks of a transaction that reads before it writes."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from django.db import models

__all__ = ["lock"]


def lock(connection: Any, model: type[models.Model]) -> None:
    """Lets a transaction of SQLite write before it reads; does nothing elsewhere.

    One that has read cannot wait for another that writes: the statement that follows would fail,
    where without this module it would have waited. Past Django's cursor, for it is no query of the
    application's.

    Args:
        connection: that is about to read.
        model: whose table the statement that follows writes.
    """
    if connection.vendor != "sqlite" or not connection.in_atomic_block:
        return
    name = connection.ops.quote_name
    meta = model._meta
    table, column = name(meta.db_table), name(meta.local_concrete_fields[0].column)
    # What goes wrong here, the statement itself meets again.
    with contextlib.suppress(connection.Database.Error):
        connection.connection.execute(f"UPDATE {table} SET {column} = {column} WHERE 0")
