"""What the trail knows of the rows of a table whose objects have rows in others too.

A row of the table of places is told of by events of places, and by those of restaurants. Only what
they say of that row counts here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.apps import apps

from trailkeeper.capture.registry import own_part_of
from trailkeeper.capture.rows import CHUNK, chunked
from trailkeeper.history.family import descendants_of, told_by
from trailkeeper.history.reference import label_of
from trailkeeper.history.versions import BEGINNINGS, State, end_of
from trailkeeper.kin import key_root_of
from trailkeeper.tables.known import OLDEST_FIRST, KnownRows, KnownVersion, StoredVersion

if TYPE_CHECKING:
    from trailkeeper.capture.registry import Tracker
    from trailkeeper.history.family import Told

__all__ = ["known_rows", "models_of_rows"]


def known_rows(tracker: Tracker, using: str, tenant: str | None) -> KnownRows:
    """The versions of the rows of the tracker's own table."""
    if not tracker.has_kin:
        return KnownRows.of(tracker, using, tenant)
    _, *heirs = models_of_rows(tracker)
    return _KnownParts.of(own_part_of(tracker), using, tenant, heirs)


def models_of_rows(tracker: Tracker) -> list[str]:
    """The labels of the models whose events tell of the rows of a table, its own first."""
    if tracker.link is not None:
        return [tracker.link.model]
    heirs = descendants_of(tracker.model) if tracker.has_kin else ()
    return [tracker.label, *map(label_of, heirs)]


@dataclass(slots=True)
class _Row:
    """What all versions together tell of one row."""

    state: State | None = None
    event_id: str = ""
    action: str = ""
    has_begun: bool = False
    objects: set[str] = field(default_factory=set)

    def add(self, told: Told, event_id: str, object_key: str, names: frozenset[str]) -> None:
        """Adds a version, which is newer than those before."""
        self.state = end_of(told, self.state)
        self.event_id = event_id
        self.action = told.action
        is_whole = told.action == "update" and not told.unavailable and names <= told.after.keys()
        self.has_begun |= told.action in BEGINNINGS or is_whole
        self.objects.add(object_key)


class _KnownParts(KnownRows):
    """The versions of the rows of a table, of whichever model the objects are."""

    __slots__ = ()

    def newest(self, object_ids: Sequence[str]) -> dict[str, KnownVersion]:
        """For each of these rows, its newest version, with all that the older ones tell."""
        return {
            key: KnownVersion(
                event_id=row.event_id,
                action=row.action,
                after=json.dumps(
                    row.state, ensure_ascii=False, sort_keys=True, separators=(",", ":")
                )
                if row.state is not None
                else None,
                unavailable=self.names - (row.state or {}).keys(),
            )
            for key, row in self._rows(object_ids).items()
        }

    def states(self, object_ids: Sequence[str]) -> dict[str, State]:
        """What all versions together tell of each row now."""
        return {key: row.state or {} for key, row in self._rows(object_ids).items()}

    def begun(self, object_ids: Sequence[str]) -> set[str]:
        """Those of the rows that have a whole state somewhere in their history."""
        return {key for key, row in self._rows(object_ids).items() if row.has_begun}

    def existing_pages(self) -> Iterator[list[str]]:
        """The keys of all rows that are there, as the trail has it."""
        for condition, params in self._ranges():
            found: dict[str, str] = {}
            for object_key, _, key, _ in self._told(condition, *params):
                found[key] = min(object_key, found.get(key, object_key))
            rows = self._rows(list(found))
            # A row that several objects have is on the page of the first of them.
            yield [
                key
                for key, object_key in found.items()
                if rows[key].action != "delete" and object_key == min(rows[key].objects)
            ]

    def _rows(self, object_ids: Sequence[str]) -> dict[str, _Row]:
        found: dict[str, _Row] = {}
        for chunk in chunked(object_ids, CHUNK):
            wanted = set(chunk)
            condition, params = self._of_objects(chunk)
            if others := self._others():
                # Which of their objects are meant stands in their states only.
                marks = ", ".join(["%s"] * len(others))
                condition = f" AND ((TRUE{condition}) OR model IN ({marks}))"
                params = [*params, *others]
            for object_key, event_id, key, told in self._told(condition, *params):
                if key in wanted:
                    row = found.setdefault(key, _Row())
                    row.add(told, event_id, object_key, self.names)
        return found

    def _told(self, condition: str, *params: Any) -> Iterator[tuple[str, str, str, Told]]:
        """The object, the event and the key of each row that events tell of, oldest first."""
        columns = ", ".join(StoredVersion._fields)
        rows = self._ask(
            f"SELECT model, object_id, event_id, {columns} FROM events WHERE {{scope}} "
            f"ORDER BY {OLDEST_FIRST}",
            condition,
            *params,
        )
        for model, object_id, event_id, *values in rows:
            for part, key, told in told_by(StoredVersion.read(values), model, object_id):
                if part.model == self.models[0]:
                    yield f"{model}/{object_id}", event_id, key, told

    def _others(self) -> list[str]:
        """The models whose objects have another key than that of the row."""
        model, *heirs = (apps.get_model(label) for label in self.models)
        root = key_root_of(model)
        return [label_of(heir) for heir in heirs if key_root_of(heir) is not root]
