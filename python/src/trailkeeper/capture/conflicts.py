"""Inserts that skip rows which are there already, or change them.

What happened to each row is known from what the statement returns: an insert that skips returns
the rows that it added, one that changes returns all, and those that were there before are looked
up. Where a database returns nothing, one opaque event tells of the statement.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from django.db.models import Q
from django.db.models.constants import OnConflict

from trailkeeper.capture import links, returning, rows, statement, triggers
from trailkeeper.capture.labels import label_of_row
from trailkeeper.capture.registry import object_id_of
from trailkeeper.layers import current_context

if TYPE_CHECKING:
    from django.db.models import Field, Model

    from trailkeeper._recorder import Transaction
    from trailkeeper.capture.registry import Link, Tracker
    from trailkeeper.capture.transactions import Capture

__all__ = ["record"]

#: How many instances one look-up names, each by the values of all its unique fields.
CHUNK: Final = 100


def record(compiler: Any, tracker: Tracker, capture: Capture, execute: partial[Any]) -> Any:
    """Executes an insert with `ignore_conflicts` or `update_conflicts` and records its rows.

    Args:
        compiler: of the statement.
        tracker: of the table that is written.
        capture: of the statement's connection.
        execute: `SQLInsertCompiler.execute_sql` with its arguments.

    Returns:
        What `execute` would give.

    Raises:
        RecordingError: if the events cannot be recorded and `ON_FAILURE` is `"raise"`.
    """
    query = compiler.query
    alias = compiler.using
    verb = f"bulk_create with {query.on_conflict.name.lower()} conflicts"
    doing = f"record an insert into {tracker.label}"
    olds: dict[Any, rows.Row] = {}
    returned: list[rows.Row] = []
    fields = tracker.model._meta.local_concrete_fields
    reach = triggers.reach(tracker, compiler.connection)

    def tell(transaction: Transaction) -> None:
        statement.add_opaque(
            transaction,
            alias,
            model=tracker.label,
            table=tracker.model._meta.db_table,
            verb="insert",
            rows=len(query.objs),
            text=verb,
        )

    can_return = compiler.connection.features.can_return_rows_from_bulk_insert
    if can_return and query.on_conflict is OnConflict.UPDATE:
        found = statement.look(
            lambda: _existing(query, tracker, alias),
            doing=f"read the rows that an insert into {tracker.label} may change",
        )
        can_return = found is not None
        olds = found or {}
    if not can_return and tracker.link is not None and query.on_conflict is OnConflict.IGNORE:
        return _link(compiler, tracker, tracker.link, capture, execute)
    if not can_return:
        return statement.run(
            capture,
            execute,
            intend=tell,
            confirm=lambda _, transaction: tell(transaction),
            intent_is_exact=True,
            has_effect=lambda _: True,
            doing=doing,
        )

    def add(transaction: Transaction, old: rows.Row | None, new: rows.Row) -> None:
        transaction.change(
            tracker.schema,
            current_context(),
            "create" if old is None else "update",
            object_id_of(tracker, new),
            label_of_row(new, tracker, capture.connection),
            old,
            new,
            alias,
        )
        if tracker.through:
            links.follow(transaction, tracker, old, new, alias=alias)

    def insert() -> Any:
        found, asked = returning.insert(compiler, fields, execute)
        returned.extend(found)
        return asked or []

    def confirm(_: Any, transaction: Transaction) -> None:
        written = returning.convert(compiler, fields, returned)
        if tracker.link is not None:
            pairs = links.pairs_of(tracker, tracker.link, written)
            links.add_links(transaction, tracker.link, "link", pairs, alias=alias)
            return
        if reach is triggers.Reach.LATER:
            written = rows.as_stored(tracker, list(written), alias)
        for row in written:
            add(transaction, olds.get(tracker.key_of(row)), row)

    return statement.run(
        capture,
        insert,
        intend=tell,
        confirm=confirm,
        intent_is_exact=False,
        has_effect=lambda _: bool(returned),
        doing=doing,
    )


def _link(
    compiler: Any, tracker: Tracker, link: Link, capture: Capture, execute: partial[Any]
) -> Any:
    """Executes an insert of links, of which those that are there already are skipped."""
    alias = compiler.using
    wanted = [(getattr(o, link.source), getattr(o, link.target)) for o in compiler.query.objs]
    known = statement.look(
        lambda: links.existing(tracker, link, wanted, using=alias),
        doing=f"read the links of {link.model}",
    )
    if known is None:
        return execute()
    new = [pair for pair in wanted if pair not in known]
    return statement.run(
        capture,
        execute,
        intend=lambda transaction: links.add_links(transaction, link, "link", new, alias=alias),
        confirm=lambda _, transaction: links.add_links(transaction, link, "link", new, alias=alias),
        intent_is_exact=True,
        has_effect=lambda _: bool(new),
        doing=f"record links of {link.model}",
    )


def _existing(query: Any, tracker: Tracker, alias: str) -> dict[Any, rows.Row]:
    """The rows that are there already and that the insert may change, by key."""
    found: dict[Any, rows.Row] = {}
    uniques = [list(query.unique_fields)] if query.unique_fields else list(_uniques(tracker.model))
    objects = tracker.model._base_manager.using(alias)
    for start in range(0, len(query.objs), CHUNK):
        condition = Q()
        for fields in uniques:
            condition |= _same(fields, query.objs[start : start + CHUNK])
        if condition:
            with rows.unseen(alias):
                for row in objects.filter(condition).values_list(*tracker.attnames):
                    found[tracker.key_of(row)] = row
    return found


def _same(fields: Sequence[Field[Any, Any]], instances: Sequence[Model]) -> Q:
    """The rows with the values of one of the instances in `fields`."""
    names = [field.attname for field in fields]
    values = [tuple(getattr(instance, name) for name in names) for instance in instances]
    values = [each for each in values if None not in each]
    columns = [list(column) for column in zip(*values, strict=True)]
    if sum(any(value != column[0] for value in column) for column in columns) <= 1:
        # All but one of the fields have one value each: quick for Django and for the database.
        return Q(*((f"{name}__in", only) for name, only in zip(names, columns, strict=False)))
    condition = Q()
    for each in values:
        condition |= Q(*zip(names, each, strict=True))
    return condition


def _uniques(model: type[Model]) -> Iterator[list[Field[Any, Any]]]:
    """The sets of fields that no two rows of `model` share."""
    meta = model._meta
    for field in meta.local_concrete_fields:
        if field.unique:
            yield [field]
    together = [list(names) for names in meta.unique_together]
    together += [list(constraint.fields) for constraint in meta.total_unique_constraints]
    for names in together:
        yield [meta.get_field(name) for name in names]  # type: ignore[misc]
    if len(getattr(meta, "pk_fields", ())) > 1:
        yield list(meta.pk_fields)
