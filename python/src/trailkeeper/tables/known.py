"""What the trail knows of the rows of a table, in pages: newest versions, links.

Asked in SQL, without the `Event` model: most states are compared as the text that they are.
Whatever a reader of the trail sees counts: the store, the spool, and the open transactions of the
calling thread.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from trailkeeper import engine
from trailkeeper.backend.literals import bind
from trailkeeper.capture.rows import CHUNK, chunked
from trailkeeper.history.versions import VERSIONS, State, end_of

if TYPE_CHECKING:
    from trailkeeper.capture.registry import Link, Tracker

__all__ = ["KnownLinks", "KnownRows", "KnownVersion", "Pair", "StoredVersion", "recorded_models"]

#: How many events a page has; the events of one object are never divided.
PAGE: Final = 20_000

#: How many objects are named one by one without a further thought.
FEW: Final = 500
#: How many events are read for each object that is asked for, rather than to name them all.
MOST_VERSIONS: Final = 5

#: The ids of the declaring side and of the other side of a link.
Pair = tuple[str, str]

_VERSIONS: Final = "(" + ", ".join(f"'{action}'" for action in sorted(VERSIONS)) + ")"
_NEWEST_FIRST: Final = "occurred_at DESC, position DESC, seq DESC NULLS FIRST"
_MICROSECONDS: Final = 'Timestamp(Microsecond, Some("UTC"))'
OLDEST_FIRST: Final = "occurred_at, position, seq NULLS LAST"


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownVersion:
    """The newest version of an object.

    Args:
        event_id: of the version.
        action: `delete` if the trail says that the object is gone.
        after: the state that it left, as canonical JSON; None if the event has none.
        unavailable: the fields that it names as not known.
    """

    event_id: str
    action: str
    after: str | None
    unavailable: frozenset[str]

    @property
    def is_deleted(self) -> bool:
        """Whether there is no object any more."""
        return self.action == "delete"

    @property
    def state(self) -> State:
        """The state that it left, as far as this event alone tells."""
        return {} if self.after is None else json.loads(self.after)


class StoredVersion(NamedTuple):
    """The columns that tell the states of a version."""

    action: str
    changed: list[str]
    before: State
    after: State
    unavailable: list[str]
    redacted: State

    @classmethod
    def read(cls, columns: Sequence[Any]) -> StoredVersion:
        """A version from its columns, those of JSON as text."""
        action, changed, before, after, unavailable, redacted = columns
        return cls(
            action,
            json.loads(changed or "[]"),
            json.loads(before or "{}"),
            json.loads(after or "{}"),
            json.loads(unavailable or "[]"),
            json.loads(redacted or "{}"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """The events of the objects of one model in one database.

    Args:
        models: label of the objects' model; then those of others whose objects have rows in its
            table.
        condition: which of their events, in SQL.
        using: the alias of the database.
        tenant: whose events, where each tenant has tables of its own.
        emptied_at: when the table was last emptied by a TRUNCATE, in microseconds: what was
            recorded until then tells nothing of the rows that are there now.
    """

    models: tuple[str, ...]
    condition: str
    using: str
    tenant: str | None
    emptied_at: int

    def _ask(self, sql: str, more: str = "", *params: Any) -> Any:
        """The rows of a statement, in which `{scope}` stands for the events that are meant.

        Args:
            sql: the statement; it takes no parameters of its own.
            more: further conditions, with a mark for each of `params`.
        """
        models = ", ".join(["%s"] * len(self.models))
        scope = f"kind = 'change' AND {self.condition} AND model IN ({models}) AND database = %s"
        values: list[Any] = [*self.models, self.using]
        if self.tenant is not None:
            scope += " AND tenant = %s"
            values.append(self.tenant)
        if self.emptied_at:
            scope += " AND occurred_at > arrow_cast(%s, %s)"
            values += [self.emptied_at, _MICROSECONDS]
        return engine.query(bind(sql.replace("{scope}", scope + more), [*values, *params])).rows

    def _of_objects(self, object_ids: Sequence[str]) -> tuple[str, list[Any]]:
        """A condition, with its parameters, that holds for the events of these objects at least.

        Naming thousands of keys costs the engine more than reading what stands between the first
        and the last, as long as little else does.
        """
        keys = [f"{model}/{object_id}" for model in self.models for object_id in object_ids]
        condition = " AND object_key BETWEEN %s AND %s"
        params: list[Any] = [min(keys), max(keys)]
        if len(keys) > FEW:
            numbers = _numbers(object_ids)
            if numbers:
                # As texts, 1 and 9999 have almost all numbers between them.
                condition += " AND TRY_CAST(object_id AS BIGINT) BETWEEN %s AND %s"
                params += [min(numbers), max(numbers)]
            ((events,),) = self._ask(
                "SELECT COUNT(*) FROM events WHERE {scope}", condition, *params
            )
            if events <= MOST_VERSIONS * len(keys):
                return condition, params
        marks = ", ".join(["%s"] * len(keys))
        return f"{condition} AND object_key IN ({marks})", [*params, *keys]

    def _ranges(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Conditions, with their parameters, that divide the objects into pages."""
        after = ""
        while True:
            ends = self._ask(
                "SELECT object_key FROM events WHERE {scope} "
                f"ORDER BY object_key LIMIT 1 OFFSET {PAGE}",
                " AND object_key > %s",
                after,
            )
            if not ends:
                yield " AND object_key > %s", (after,)
                return
            yield " AND object_key > %s AND object_key <= %s", (after, ends[0][0])
            after = ends[0][0]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownRows(_Known):
    """The versions of the rows of a table.

    Args:
        names: the fields that a whole state has: those whose values are recorded.
    """

    names: frozenset[str]

    @classmethod
    def of(
        cls, tracker: Tracker, using: str, tenant: str | None, heirs: Sequence[str] = ()
    ) -> Self:
        """Those of a tracker's table, in which objects of the models `heirs` have rows too."""
        return cls(
            models=(tracker.label, *heirs),
            condition=f"action IN {_VERSIONS}",
            using=using,
            tenant=tenant,
            emptied_at=_emptied_at(tracker, using),
            names=frozenset(tracker.kept),
        )

    def newest(self, object_ids: Sequence[str]) -> dict[str, KnownVersion]:
        """The newest version of each of these objects that the trail has one of."""
        if not object_ids:
            return {}
        condition, params = self._of_objects(object_ids)
        rows = self._ask(
            "SELECT object_id, event_id, action, after, unavailable FROM ("
            "SELECT object_id, event_id, action, after, unavailable, "
            f"ROW_NUMBER() OVER (PARTITION BY object_key ORDER BY {_NEWEST_FIRST}) AS age "
            "FROM events WHERE {scope}) AS versions WHERE age = 1",
            condition,
            *params,
        )
        wanted = set(object_ids)
        return {
            object_id: KnownVersion(
                event_id=event_id,
                action=action,
                after=after,
                unavailable=frozenset(json.loads(unavailable or "[]")),
            )
            for object_id, event_id, action, after, unavailable in rows
            if object_id in wanted
        }

    def states(self, object_ids: Sequence[str]) -> dict[str, State]:
        """What all versions of each object together tell of its state now."""
        if not object_ids:
            return {}
        names = ", ".join(StoredVersion._fields)
        condition, params = self._of_objects(object_ids)
        rows = self._ask(
            f"SELECT object_id, {names} FROM events WHERE {{scope}} "
            f"ORDER BY object_key, {OLDEST_FIRST}",
            condition,
            *params,
        )
        found: dict[str, State] = {}
        for object_id, versions in groupby(rows, key=lambda row: row[0]):
            state: State | None = None
            for _, *columns in versions:
                version = StoredVersion.read(columns)
                state = end_of(version, state)
            found[object_id] = state or {}
        return found

    def begun(self, object_ids: Sequence[str]) -> set[str]:
        """Those of the objects that have a whole state somewhere in their history."""
        if not object_ids:
            return set()
        condition, params = self._of_objects(object_ids)
        rows = self._ask(
            "SELECT DISTINCT object_id FROM events WHERE {scope}",
            f"{condition} AND action IN ('create', 'baseline')",
            *params,
        )
        begun = {object_id for (object_id,) in rows}.intersection(object_ids)
        others = [object_id for object_id in object_ids if object_id not in begun]
        for ids in chunked(others, CHUNK):
            condition, params = self._of_objects(ids)
            updates = self._ask(
                "SELECT object_id, after, unavailable FROM events WHERE {scope}",
                f"{condition} AND action = 'update'",
                *params,
            )
            wanted = set(ids)
            begun.update(
                object_id
                for object_id, after, unavailable in updates
                if object_id in wanted and self._is_whole(after, unavailable)
            )
        return begun

    def _is_whole(self, after: str | None, unavailable: str | None) -> bool:
        """Whether an update tells the whole state, and the old values of what it changed."""
        told = json.loads(after or "{}").keys()
        return bool(self.names) and self.names <= told - set(json.loads(unavailable or "[]"))

    def existing_pages(self) -> Iterator[list[str]]:
        """The ids of all objects that are there, as the trail has it."""
        for condition, params in self._ranges():
            rows = self._ask(
                "SELECT object_id FROM (SELECT object_id, action, "
                f"ROW_NUMBER() OVER (PARTITION BY object_key ORDER BY {_NEWEST_FIRST}) AS age "
                "FROM events WHERE {scope}) AS versions WHERE age = 1 AND action <> 'delete'",
                condition,
                *params,
            )
            yield [object_id for (object_id,) in rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownLinks(_Known):
    """The links of one many-to-many field."""

    link: Link

    @classmethod
    def of(cls, tracker: Tracker, link: Link, using: str, tenant: str | None) -> KnownLinks:
        """Those that the rows of an automatic through model stand for."""
        # A field's name is an identifier: nothing in it needs to be quoted.
        return cls(
            condition=f"action IN ('link', 'unlink') AND changed = '[\"{link.field}\"]'",
            models=(link.model,),
            using=using,
            tenant=tenant,
            emptied_at=_emptied_at(tracker, using),
            link=link,
        )

    def newest(self, pairs: Sequence[Pair]) -> dict[Pair, str]:
        """`link` or `unlink`, whichever came last, for each pair that the trail has any of."""
        if not pairs:
            return {}
        wanted = set(pairs)
        condition, params = self._of_objects(sorted({source for source, _ in pairs}))
        newest = self._newest(condition, *params)
        return {pair: action for pair, action in newest if pair in wanted}

    def existing_pages(self) -> Iterator[list[Pair]]:
        """All pairs that are linked, as the trail has it."""
        for condition, params in self._ranges():
            newest = dict(self._newest(condition, *params))
            yield [pair for pair, action in newest.items() if action == "link"]

    def _newest(self, condition: str, *params: Any) -> Iterator[tuple[Pair, str]]:
        rows = self._ask(
            "SELECT object_id, action, related FROM (SELECT object_id, action, related, "
            "occurred_at, position, seq, ROW_NUMBER() OVER ("
            f"PARTITION BY object_key, related ORDER BY {_NEWEST_FIRST}) AS age "
            f"FROM events WHERE {{scope}}) AS versions WHERE age = 1 ORDER BY {OLDEST_FIRST}",
            condition,
            *params,
        )
        # Oldest first: where the same pair is named with two labels, the newest of both stays.
        for object_id, action, related in rows:
            for other in json.loads(related or "[]"):
                if other.get("model") == self.link.target_model:
                    yield (object_id, other["object_id"]), action


def recorded_models(using: str) -> set[str]:
    """The labels of the models of which the trail has an event, in this database."""
    sql = "SELECT DISTINCT model FROM events WHERE kind = 'change' AND database = %s"
    return {label for (label,) in engine.query(bind(sql, [using])).rows}


def _emptied_at(tracker: Tracker, using: str) -> int:
    rows = engine.query(
        bind(
            "SELECT arrow_cast(MAX(occurred_at), 'Int64') FROM events WHERE kind = 'change' "
            "AND action = 'truncate' AND model = %s AND database = %s",
            [tracker.label, using],
        )
    ).rows
    return rows[0][0] or 0


def _numbers(object_ids: Sequence[str]) -> list[int]:
    """The ids as numbers of 64 bits; nothing if one is none."""
    try:
        numbers = [int(object_id) for object_id in object_ids]
    except ValueError:
        return []
    return numbers if all(-(2**63) <= number < 2**63 for number in numbers) else []
