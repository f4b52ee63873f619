"""Links: rows of the tables behind many-to-many fields.

A row of an automatic through model is nothing but a link. A row of a through model of the
project's own is an object too, with events of its own beside those of the link.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from django.db.models import Q

from trailkeeper import rights
from trailkeeper.capture.registry import masked_id
from trailkeeper.capture.rows import unseen
from trailkeeper.layers import current_context
from trailkeeper.policy.hooks import VETOED, Draft

if TYPE_CHECKING:
    from trailkeeper._recorder import Transaction
    from trailkeeper.capture.registry import Link, Tracker

__all__ = ["add_links", "add_named_links", "existing", "follow", "ids_of", "pairs_of"]

#: The keys of the declaring side and of the other one.
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
    """Adds a `link` or `unlink` event for each pair of keys."""
    pairs = list(pairs)
    ids = (ids_of(link, pair) for pair in pairs)
    add_named_links(transaction, link, action, ids, alias=alias, data=data)
    rights.add_link_changes(transaction, link, action, pairs, alias=alias)


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
        told = data
        if link.hook is not None and data is None:
            draft = _draft(link, action, source, target, alias)
            if link.hook.vetoes(draft):
                _add_veto(transaction, draft)
                continue
            told = link.hook.data_of(draft)
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
            "related": _related(link, target) or None,
            "unavailable": None if link.names_target else [link.field],
            "data": told,
        }
        transaction.event(context, items, json)


def _related(link: Link, target: str) -> list[dict[str, str]]:
    if not link.names_target:
        return []
    return [{"model": link.target_model, "object_id": target}]


def _draft(link: Link, action: str, source: str, target: str, alias: str) -> Draft:
    return Draft(
        model=link.model,
        action=action,
        object_id=source,
        object_label=None,
        database=alias,
        changed=[link.field],
        related=_related(link, target),
    )


def _add_veto(transaction: Transaction, draft: Draft) -> None:
    items = {
        "kind": "system",
        "action": VETOED,
        "outcome": "success",
        "database": draft.database,
        "model": draft.model,
    }
    transaction.event(current_context(), items, {"data": {"action": draft.action}})


def follow(
    transaction: Transaction,
    tracker: Tracker,
    old: Sequence[Any] | None,
    new: Sequence[Any] | None,
    *,
    alias: str,
) -> None:
    """Adds what the change of a row of a project's own through model did to the fields it serves.

    Args:
        transaction: gets the events.
        tracker: of the through model.
        old: the row before the change; None if there was none.
        new: the row after it; None if there is none.
        alias: the database.
    """
    for link in tracker.through:
        ends = (tracker.index[link.source], tracker.index[link.target])
        if any(row is not None and any(row[end] is ... for end in ends) for row in (old, new)):
            continue
        before = pairs_of(tracker, link, [old]) if old is not None else []
        after = pairs_of(tracker, link, [new]) if new is not None else []
        if before != after:
            add_links(transaction, link, "unlink", before, alias=alias)
            add_links(transaction, link, "link", after, alias=alias)


def existing(tracker: Tracker, link: Link, pairs: Sequence[Pair], *, using: str) -> set[Pair]:
    """Which of the pairs are linked already."""
    sources = {source for source, _ in pairs}
    targets = {target for _, target in pairs}
    wanted = Q((f"{link.source}__in", sources), (f"{link.target}__in", targets))
    rows = tracker.model._base_manager.using(using).filter(wanted)
    with unseen(using):
        return set(rows.values_list(link.source, link.target))


def pairs_of(tracker: Tracker, link: Link, rows: Iterable[Sequence[Any]]) -> list[Pair]:
    """The pairs of keys in rows of the through table; none for one that is not known or is null."""
    source, target = tracker.index[link.source], tracker.index[link.target]
    pairs = [(row[source], row[target]) for row in rows]
    return [pair for pair in pairs if not any(key is None or key is ... for key in pair)]
