"""What an event changed, field by field."""

from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from trailkeeper.models import Event


class Unknown(Enum):
    """The type of `UNKNOWN`."""

    UNKNOWN = "unknown"

    def __repr__(self) -> str:
        return "UNKNOWN"

    def __str__(self) -> str:
        return "(unknown)"

    def __bool__(self) -> bool:
        return False


# A value that the trail does not have; None is the value null.
UNKNOWN = Unknown.UNKNOWN


class Change(NamedTuple):
    """A field's values before and after an event."""

    field: str
    old: Any
    new: Any


def diff(event: "Event") -> list[Change]:
    """The fields that `event` changed, in the order the event names them.

    Before a create and after a delete, values are None: the object did not exist. A
    value that the trail does not have is `UNKNOWN`. Of a link or unlink, the value is
    the list of objects on the other side.
    """
    if event.action in {"link", "unlink"}:
        none_and_linked = (None, event.related)
        old, new = none_and_linked if event.action == "link" else none_and_linked[::-1]
        return [Change(field, old, new) for field in event.changed]
    created = event.action in {"create", "baseline"}
    deleted = event.action == "delete"
    return [
        Change(
            field,
            None if created else _value(event.before, field),
            None if deleted else _value(event.after, field),
        )
        for field in event.changed or _fields(event)
    ]


def _fields(event: "Event") -> list[str]:
    known = {**event.before, **event.after, **dict.fromkeys(event.unavailable)}
    return sorted(known)


def _value(state: dict[str, Any], field: str) -> Any:
    return state.get(field, UNKNOWN)
