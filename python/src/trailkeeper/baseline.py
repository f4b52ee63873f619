"""The present state of rows that were there before Trailkeeper, recorded once.

Each row whose state the trail does not have gets an event `baseline` with its whole state; each
link that the trail does not have, an event `link` that `data` marks with `{"baseline": true}`.
`manage.py trailkeeper baseline` is the command.

# Guarantees

- **Once.** What is recorded already is found out from the trail: a baseline that was stopped goes
  on when it is run again, and a row that the application has created or wholly saved since is left
  alone. Run one at a time for each database: two at once may both record a row.
- **In order.** A row is locked while it is read and its event is appended. A change that was
  committed before is in the state; one that is made after it has a later event. A row that was
  deleted in between gets none.
- **Gently.** Locks are held for the reading and appending of at most 500 rows, never while the
  trail is asked. On SQLite the whole database is locked that long.
- Memory holds one page of keys. The spool is drained before it is half full, so that the
  application's events find room.
- Nothing is written to the application's database.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from django.db import DEFAULT_DB_ALIAS, connections

from trailkeeper import drainer, spool
from trailkeeper.capture.labels import label_of
from trailkeeper.capture.links import add_links, pairs_of
from trailkeeper.capture.rows import CHUNK, chunked
from trailkeeper.conf import settings
from trailkeeper.layers import context
from trailkeeper.tables.events import add_version, locked_writer, names_of
from trailkeeper.tables.kin import known_rows
from trailkeeper.tables.known import KnownLinks
from trailkeeper.tables.links import pair_pages
from trailkeeper.tables.selection import Names, tracked_tables
from trailkeeper.tables.stored import all_rows, id_of_key, key_pages, read_locked

if TYPE_CHECKING:
    from trailkeeper._recorder import Transaction
    from trailkeeper.capture.registry import Tracker

__all__ = ["Step", "baseline"]

ACTOR: Final = "trailkeeper baseline"
REASON: Final = "baseline: it was there before its history"

#: Seconds that the spool is given to be drained.
PATIENCE: Final = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """How far a table is.

    Args:
        model: label of its model.
        rows: how many of its rows were seen.
        recorded: how many of them were recorded; on a dry run, would be.
    """

    model: str
    rows: int
    recorded: int


def baseline(
    *,
    models: Names | None = None,
    using: str = DEFAULT_DB_ALIAS,
    tenant: str | None = None,
    is_dry_run: bool = False,
) -> Iterator[Step]:
    """Records the rows that the trail does not have; the work is done by iterating.

    Args:
        models: which, as classes or labels of models or apps; all tracked ones by default.
        using: alias of the database.
        tenant: the tenant that the rows belong to, where each has tables of its own.
        is_dry_run: whether it only counts.

    Yields:
        How far the table at hand is, at least once for each.

    Raises:
        InvalidRequestError: if a model is not there, or not tracked.
        UnavailableError: if the trail cannot be read or written now; run it again later.
    """
    given = {} if tenant is None else {"tenant": tenant}
    # What stands in several tables is recorded once, as an object of the model that has most of it.
    for tracker in sorted(tracked_tables(models, using), key=lambda each: -len(each.parents)):
        if tracker.link is not None and not tracker.link.names_target:
            # A link without its other side is nothing that could be known before its end.
            continue
        rows = recorded = 0
        yield Step(model=tracker.label, rows=0, recorded=0)
        for seen, keys in _unknown(tracker, using, tenant):
            rows += seen
            for chunk in chunked(keys, CHUNK):
                if is_dry_run:
                    recorded += len(chunk)
                    continue
                with context(actor=ACTOR, reason=REASON, **given):
                    recorded += _record(tracker, using, chunk)
            yield Step(model=tracker.label, rows=rows, recorded=recorded)
            if not is_dry_run:
                _make_room()


def _unknown(tracker: Tracker, using: str, tenant: str | None) -> Iterator[tuple[int, list[Any]]]:
    """For each page its number of rows, and the keys of those that the trail does not have."""
    if not all_rows(tracker, using).exists():
        # The trail is not asked about tables in which there is nothing.
        return
    if tracker.link is not None:
        links = KnownLinks.of(tracker, tracker.link, using, tenant)
        for pairs in pair_pages(tracker, tracker.link, using):
            linked = links.newest(list(pairs))
            yield len(pairs), [key for pair, key in pairs.items() if pair not in linked]
        return
    known = known_rows(tracker, using, tenant)
    for keys in key_pages(tracker, using):
        ids = {id_of_key(tracker, key): key for key in keys}
        begun = known.begun(list(ids))
        yield len(keys), [key for object_id, key in ids.items() if object_id not in begun]


def _record(tracker: Tracker, using: str, keys: Sequence[Any]) -> int:
    with locked_writer(using) as transaction:
        rows = read_locked(tracker, using, keys)
        if tracker.link is not None:
            pairs = pairs_of(tracker, tracker.link, rows.values())
            add_links(
                transaction, tracker.link, "link", pairs, alias=using, data={"baseline": True}
            )
        else:
            _add_rows(transaction, tracker, using, rows)
    return len(rows)


def _add_rows(
    transaction: Transaction, tracker: Tracker, using: str, rows: dict[Any, tuple[Any, ...]]
) -> None:
    names = names_of(tracker)
    connection = connections[using]
    for key, values in rows.items():
        state = json.loads(tracker.schema.encode(values))
        label = None
        if tracker.has_label:
            instance = tracker.model.from_db(using, tracker.attnames, values)
            label = label_of(instance, tracker, connection)
        add_version(
            transaction,
            tracker,
            action="baseline",
            using=using,
            object_id=id_of_key(tracker, key),
            label=label,
            tenant=_tenant_of(tracker, values),
            after=state,
            unavailable=[name for name in names if name not in state],
        )


def _tenant_of(tracker: Tracker, values: tuple[Any, ...]) -> str | None:
    """The tenant that the row itself names."""
    value = None if tracker.tenant is None else values[tracker.index[tracker.tenant]]
    return None if value is None else str(value)


def _make_room() -> None:
    """Drains the spool if it is half full: what the application writes must find room."""
    if spool.recorder().usage() > int(settings["SPOOL_LIMIT"]) // 2:
        drainer.flush(PATIENCE)
