"""Rows of automatic through models: links between the two sides of a many-to-many field."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from django.db.models import Q

from trailkeeper.capture.registry import masked_id
from trailkeeper.layers import current_context

if TYPE_CHECKING:
    from trailkeeper._recorder import Transaction
    from trailkeeper.capture.registry import Link, Tracker

__all__ = ["add_links", "add_named_links", "existing", "ids_of", "pairs_of"]

Pair = tuple[Any, Any]


def ids_of(link: Link, pair: Pair) -> tuple[str, str]:
    """The ids that events have for a pair of keys."""
    source, target = str(pair[0]), str(pair[1])
    return (
        masked_id(source) if link.is_source_secret else source,
        masked_id(target) if link.is_target_secret else target,
    )


def add_links(
    transaction: Transaction,
    link: Link,
    action: str,
    pairs: Iterable[Pair],
    *,
    alias: str,
    data: dict[str, Any] | None = None,
) -> None:
    """Adds a `link` or `unlink` event for each pair of keys (declaring side, other side)."""
    ids = (ids_of(link, pair) for pair in pairs)
    add_named_links(transaction, link, action, ids, alias=alias, data=data)


def add_named_links(
    transaction: Transaction,
    link: Link,
    action: str,
    ids: Iterable[tuple[str, str]],
    *,
    alias: str,
    data: dict[str, Any] | None = None,
) -> None:
    """Adds the events for pairs of ids."""
    context = current_context()
    for source, target in ids:
        items = {
            "kind": "change",
            "action": action,
            "outcome": "success",
            "database": alias,
            "model": link.model,
            "object_id": source,
        }
        json = {
            "changed": [link.field],
            "related": [{"model": link.target_model, "object_id": target}],
            "data": data,
        }
        transaction.event(context, items, json)


def existing(tracker: Tracker, link: Link, pairs: Sequence[Pair], *, using: str) -> set[Pair]:
    """Which of the pairs are linked already."""
    sources = {source for source, _ in pairs}
    targets = {target for _, target in pairs}
    wanted = Q((f"{link.source}__in", sources), (f"{link.target}__in", targets))
    rows = tracker.model._base_manager.using(using).filter(wanted)
    return set(rows.values_list(link.source, link.target))


def pairs_of(tracker: Tracker, link: Link, rows: Iterable[Sequence[Any]]) -> list[Pair]:
    """The pairs of keys in rows of the through table."""
    source, target = tracker.index[link.source], tracker.index[link.target]
    return [(row[source], row[target]) for row in rows]
