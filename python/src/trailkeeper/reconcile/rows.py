"""The rows of one table, compared with their newest versions."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError

from trailkeeper.capture.rows import CHUNK, chunked
from trailkeeper.history.reference import primary_key_of
from trailkeeper.history.versions import State, contradictions
from trailkeeper.reconcile.drift import Drift
from trailkeeper.tables.kin import known_rows
from trailkeeper.tables.stored import (
    all_rows,
    id_of_key,
    key_pages,
    read,
    read_locked,
    row_pages,
)

if TYPE_CHECKING:
    from trailkeeper.capture.registry import Tracker
    from trailkeeper.tables.known import KnownVersion

__all__ = ["RowComparison"]


class RowComparison:
    """Compares the rows of a table with the trail.

    Args:
        tracker: of the fields that stand in the table.
        using: alias of the database.
        tenant: whose events, where each tenant has tables of its own.
    """

    def __init__(self, tracker: Tracker, using: str, tenant: str | None) -> None:
        self.tracker = tracker
        self.using = using
        self.known = known_rows(tracker, using, tenant)
        meta = tracker.model._meta
        self.names = tracker.kept
        #: What the policy leaves out.
        self.untracked = [f.name for f in meta.local_concrete_fields if f.name not in self.names]
        #: How many rows were compared.
        self.rows = 0
        #: Fields that could not be compared, with the number of rows.
        self.not_comparable: Counter[str] = Counter()

    def pages(self) -> Iterator[dict[str, Drift]]:
        """What differs at first sight, by object id: first of all rows, then of all objects that
        the trail has.
        """
        for page in row_pages(self.tracker, self.using):
            rows = {id_of_key(self.tracker, key): values for key, values in page.items()}
            self.rows += len(rows)
            self.not_comparable.update(dict.fromkeys(self.untracked, len(rows)))
            yield self._compare(rows, list(rows), self.not_comparable)
        for object_ids in self.known.existing_pages():
            gone = sorted(set(object_ids) - self._existing(object_ids))
            yield self._compare({}, gone, Counter())

    def look(self, object_ids: Sequence[str], *, is_locked: bool = False) -> dict[str, Drift]:
        """What differs now, of these objects: with their rows locked, at most `CHUNK` of them."""
        keys = list(self._keys(object_ids).values())
        found = (read_locked if is_locked else read)(self.tracker, self.using, keys)
        rows = {id_of_key(self.tracker, key): values for key, values in found.items()}
        return self._compare(rows, object_ids, Counter())

    def _compare(
        self,
        rows: Mapping[str, tuple[Any, ...]],
        object_ids: Sequence[str],
        not_comparable: Counter[str],
    ) -> dict[str, Drift]:
        versions = self.known.newest(object_ids)
        stored: dict[str, State] = {}
        recorded: dict[str, State] = {}
        partial = []
        for object_id in object_ids:
            version = versions.get(object_id)
            exists = version is not None and not version.is_deleted
            encoded = None
            if object_id in rows:
                encoded = self.tracker.schema.encode(rows[object_id])
                if version and exists and version.after == encoded.decode():
                    not_comparable.update(set(self.names) - json.loads(encoded).keys())
                    continue
                stored[object_id] = json.loads(encoded)
            if version and exists:
                recorded[object_id] = version.state
                if self._is_partial(version):
                    partial.append(object_id)
        recorded.update(self.known.states(partial))
        found = {}
        for object_id in object_ids:
            ended, starts = recorded.get(object_id), stored.get(object_id)
            if ended is not None and starts is not None:
                not_comparable.update(
                    name for name in self.names if name not in ended or name not in starts
                )
            if contradictions(ended, starts) is not None:
                version = versions.get(object_id)
                found[object_id] = Drift(
                    model=self.tracker.label,
                    object_id=object_id,
                    database=self.using,
                    recorded=ended,
                    stored=starts,
                    event_id=version.event_id if version else None,
                )
        return found

    def _is_partial(self, version: KnownVersion) -> bool:
        """Whether older versions may tell more than the newest."""
        return version.action == "update" and any(
            name not in version.state and name not in version.unavailable for name in self.names
        )

    def _existing(self, object_ids: Sequence[str]) -> set[str]:
        """Those of the objects that have a row."""
        found: set[str] = set()
        keys = list(self._keys(object_ids).values())
        for chunk in chunked(keys, CHUNK):
            rows = all_rows(self.tracker, self.using).filter(pk__in=chunk)
            found.update(id_of_key(self.tracker, key) for key in rows.values_list("pk", flat=True))
        return found

    def _keys(self, object_ids: Sequence[str]) -> dict[str, Any]:
        """The primary keys of objects; one that is no key of the model has no row either."""
        if not self.tracker.has_secret_pk:
            return {
                object_id: key
                for object_id in object_ids
                if (key := _key_of(self.tracker, object_id)) is not None
            }
        # Of a secret, events have a hash: it is found among those of all rows.
        wanted = set(object_ids)
        return {
            object_id: key
            for page in (key_pages(self.tracker, self.using) if wanted else ())
            for key in page
            if (object_id := id_of_key(self.tracker, key)) in wanted
        }


def _key_of(tracker: Tracker, object_id: str) -> Any:
    try:
        return primary_key_of(tracker.model, object_id)
    except (ValidationError, ValueError, TypeError):
        return None
