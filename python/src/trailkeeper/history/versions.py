"""What one version of an object says: the state it starts from, and the state it leaves.

A version is an event `create`, `baseline`, `update` or `delete`. A field that a version does not
know is left out of both states: nothing can contradict it.
"""

import json
from typing import TYPE_CHECKING, Any, Protocol

from trailkeeper.history.diff import Change

if TYPE_CHECKING:
    from collections.abc import Iterable

BEGINNINGS = frozenset({"create", "baseline"})
VERSIONS = frozenset({*BEGINNINGS, "update", "delete"})

State = dict[str, Any]


class Version(Protocol):
    """The columns of an event that tell its states; JSON columns are read."""

    @property
    def action(self) -> str: ...
    @property
    def changed(self) -> list[str]: ...
    @property
    def before(self) -> State: ...
    @property
    def after(self) -> State: ...
    @property
    def unavailable(self) -> list[str]: ...
    @property
    def redacted(self) -> State: ...


def start_of(version: Version) -> State | None:
    """What is known of the state before the version; None if it says that there was no object.

    An update names the old values of the fields that it changed. That the others were as they are
    after it is a statement as well: a save writes them all.
    """
    if version.action == "create":
        return None
    if version.action == "delete":
        return version.before
    unknown = {*version.changed, *version.unavailable}
    kept = {name: value for name, value in version.after.items() if name not in unknown}
    return {**kept, **version.before}


def end_of(version: Version, state: State | None) -> State | None:
    """What is known of the state after the version; None if there is no object any more.

    Args:
        version: the version.
        state: what the versions before it have left.
    """
    if version.action == "delete":
        return None
    if "after" in version.redacted:
        return {}
    if version.action in BEGINNINGS or state is None:
        return dict(version.after)
    known = {**state, **version.after}
    for name in version.unavailable:
        if name not in version.after:
            known.pop(name, None)
    return known


def contradictions(ended: State | None, starts: State | None) -> list[Change] | None:
    """The fields in which a state is not the one that it should be; None if nothing contradicts.

    Args:
        ended: what is known of the first state; None if there was no object.
        starts: what is known of the second.

    Returns:
        The fields that both know and that differ. If there is an object on one side only, those
        of that side, with None on the other.
    """
    if ended is None and starts is None:
        return None
    if starts is None:
        return [Change(name, value, None) for name, value in sorted((ended or {}).items())]
    if ended is None:
        return [Change(name, None, value) for name, value in sorted(starts.items())]
    found = [
        Change(name, ended[name], starts[name])
        for name in _shared(ended, starts)
        if not is_same(ended[name], starts[name])
    ]
    return found or None


def is_same(left: Any, right: Any) -> bool:
    """Whether two values read from JSON have the same canonical text: 1 is not true."""
    return left is right or _text(left) == _text(right)


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _shared(left: State, right: State) -> "Iterable[str]":
    return sorted(left.keys() & right.keys())
