"""How much is recorded."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Level"]


class Level(StrEnum):
    """How much is recorded of a model, or of a field."""

    #: A model is not tracked: it has the same SQL as without Trailkeeper. A field is never looked
    #: at: a change of nothing else leaves no event.
    NONE = "none"
    #: That a row was created, updated or deleted, and which fields changed; no value.
    METADATA = "metadata"
    #: Values where they changed: the whole state when a row begins and ends, and of an update the
    #: fields that it changed.
    CHANGED = "changed"
    #: The whole state, each time.
    FULL = "full"

    @property
    def has_values(self) -> bool:
        """Whether values are recorded."""
        return self in {Level.CHANGED, Level.FULL}
