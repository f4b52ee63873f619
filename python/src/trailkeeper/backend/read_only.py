"""The one place that refuses writes."""

import re
from typing import Any, NoReturn

from django.db.utils import NotSupportedError

from trailkeeper.backend.literals import tokens

READING = frozenset({"DESCRIBE", "EXPLAIN", "SELECT", "SHOW", "TABLE", "VALUES", "WITH"})
# Statements that carry another one, which could be a write.
CARRYING = frozenset({"EXPLAIN", "WITH"})
WRITING = frozenset(
    {"ALTER", "COPY", "CREATE", "DELETE", "DROP", "INSERT", "MERGE", "TRUNCATE", "UPDATE"}
)

_word = re.compile(r"[A-Za-z_]+")


def refuse_write(*args: Any, **kwargs: Any) -> NoReturn:
    """Refuse, whatever the arguments: it stands in for methods that would write."""
    raise NotSupportedError("the trail is read-only")


def require_reading(sql: str) -> None:
    """Refuse `sql` unless it only reads.

    The engine refuses too; here the caller gets the same error for every kind of write.
    """
    words = [
        word.upper()
        for token in tokens(sql)
        if token.kind == "other"
        for word in _word.findall(token.text)
    ]
    first = words[0] if words else ""
    if first not in READING or (first in CARRYING and not WRITING.isdisjoint(words)):
        refuse_write()
