"""One object, or one link, of which the table and the trail do not say the same."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from trailkeeper.history.diff import Change
from trailkeeper.history.versions import State, contradictions

__all__ = ["Drift", "Kind"]


class Kind(StrEnum):
    """How they differ."""

    #: Both have it, with other values.
    DIFFERS = "differs"
    #: It is in the table; the trail has never had it, or has it as deleted.
    MISSING = "missing"
    #: The trail has it; it is gone from the table, and nothing says so.
    LEFT_OVER = "left_over"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """A difference between a table and the trail.

    Args:
        model: label of the object's model.
        object_id: the object's id, as events have it; for a link, of the side that declares it.
        database: alias of the database that the table is in.
        recorded: what the trail knows of the state; None if there it does not exist.
        stored: what the table has, as the trail would record it; None if it is gone.
        event_id: the newest version of the object; None if there is none.
        is_link: whether it is a link: its state has one field, with the object it links to.
    """

    model: str
    object_id: str
    database: str
    recorded: State | None
    stored: State | None
    event_id: str | None = None
    is_link: bool = False

    @property
    def kind(self) -> Kind:
        """How they differ."""
        if self.stored is None:
            return Kind.LEFT_OVER
        return Kind.MISSING if self.recorded is None else Kind.DIFFERS

    @property
    def changes(self) -> tuple[Change, ...]:
        """The fields that differ: what the trail has, and what the table has."""
        return tuple(contradictions(self.recorded, self.stored) or ())

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of the fields that differ."""
        return tuple(change.field for change in self.changes)

    def as_dict(self) -> dict[str, Any]:
        """It as JSON can have it."""
        return {
            "kind": self.kind.value,
            "model": self.model,
            "object_id": self.object_id,
            "database": self.database,
            "event_id": self.event_id,
            "changes": {
                change.field: {"recorded": change.old, "stored": change.new}
                for change in self.changes
            },
        }

    def __str__(self) -> str:
        names = ", ".join(self.fields)
        if self.is_link:
            others = [other for change in self.changes for other in change.old or change.new]
            names = ", ".join(f"{names} {other['model']}/{other['object_id']}" for other in others)
        of_what = f": {names}" if self.is_link or self.kind is Kind.DIFFERS else ""
        return f"{self.kind.value} {self.model}/{self.object_id}{of_what}"
