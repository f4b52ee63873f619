"""The audit functions that the application calls itself.

With Trailkeeper these are `trailkeeper.record` and `trailkeeper.context`, and a
real project imports them from there. This example can also run beside other
audit packages, or none, to compare them: there, the two do nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings

if settings.INVOICING_AUDIT == "trailkeeper":
    from trailkeeper import context, record
else:

    def record(action: str, *, target: Any = None, data: dict[str, Any] | None = None) -> None:
        """Do nothing: there is no trail."""

    @contextmanager
    def context(**facts: Any) -> Iterator[None]:
        """Run the block as it is: there is no trail."""
        yield


__all__ = ["context", "record"]
