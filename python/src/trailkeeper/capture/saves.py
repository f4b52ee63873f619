"""Updates by `Model.save()`: what applications do most, so written for speed.

Each call of a Python function is felt here, for a save has emptied the processor's caches of
everything that is not part of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from trailkeeper import layers, spool
from trailkeeper._recorder import Saver, frozen
from trailkeeper.capture import links, rows, statement, triggers
from trailkeeper.capture.cursors import compiling
from trailkeeper.capture.instances import known_values, remember
from trailkeeper.capture.labels import label_of, unlabelled
from trailkeeper.capture.registry import object_id_of
from trailkeeper.capture.transactions import is_uncertain, tell_losses
from trailkeeper.conf import settings
from trailkeeper.failure import losses, report, report_mark
from trailkeeper.layers import current_context
from trailkeeper.policy import disabling
from trailkeeper.quiet import refuse

if TYPE_CHECKING:
    from trailkeeper._recorder import Transaction
    from trailkeeper.capture.registry import Tracker
    from trailkeeper.capture.transactions import Capture

__all__ = ["quickly", "record"]

#: Types of keys whose text is their id, without asking further.
PLAIN_KEYS: Final = frozenset({int, str, UUID})


def quickly(original: Callable[..., Any], otherwise: Callable[..., Any]) -> Callable[..., Any]:
    """A method of the update compiler that records saves in autocommit by two native calls.

    Args:
        original: the method of Django.
        otherwise: records all other statements.
    """
    saver = Saver(
        triggers.untouched,
        vars(spool),
        vars(disabling),
        vars(layers),
        losses,
        settings,
        refuse,
        unlabelled,
    )
    begin = saver.begin

    def execute(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            save = begin(self)
        except Exception as error:
            report(error, events=1, doing=_doing(self))
            with compiling(self):
                return original(self, *args, **kwargs)
        if save is None:
            return otherwise(self, *args, **kwargs)
        try:
            result = original(self, *args, **kwargs)
        except BaseException as error:
            outcome = save.uncertain if is_uncertain(error) else save.abort
            statement.mark(outcome, _doing(self))
            raise
        try:
            save.end(result)
        except Exception as error:
            # The statement has happened: the rows will say.
            doing = _doing(self)
            report_mark(error, doing=doing)
            statement.mark(save.uncertain, doing)
        return result

    return execute


def _doing(compiler: Any) -> str:
    return f"record the update of a {compiler.query.model._meta.label_lower}"


def record(
    compiler: Any,
    tracker: Tracker,
    capture: Capture,
    execute: Callable[[], Any],
    saving: tuple[Any, Any, Any],
) -> Any:
    """Executes the update of one instance and records it.

    Args:
        compiler: of the statement.
        tracker: of the table that is written.
        capture: of the statement's connection.
        execute: runs the statement, and gives its result.
        saving: the instance, its key, and the fields with their values.

    Returns:
        What `execute` gave.

    Raises:
        RecordingError: if the event cannot be recorded and `ON_FAILURE` is `"raise"`.
    """
    instance, key, values = saving
    doing = f"record the update of a {tracker.label}"
    try:
        before = known_values(instance, tracker)
        after, known, is_computed = tracker.layout.written(before, key, values)
        if tracker.is_plain_key and type(key) in PLAIN_KEYS:
            object_id: str | None = str(key)
        else:
            object_id = object_id_of(tracker, known)
            if tracker.is_folded_key and not _is_loaded_as(key, before, tracker):
                is_computed = True
        label = label_of(instance, tracker, capture.connection)
        alias = compiler.using
        if (tracker.model, alias) not in triggers.untouched:
            is_computed = bool(triggers.reach(tracker, capture.connection)) or is_computed
        transaction = None
        if capture.is_autocommit():
            transaction = spool.begin()
            if losses.count:
                tell_losses()
            transaction.change(
                tracker.schema, current_context(), "update", object_id, label, before, after, alias
            )
            if tracker.through and before is not None:
                links.follow(transaction, tracker, before, known, alias=alias)
            if len(transaction):
                spool.prepare(transaction, capture.note)
    except Exception as error:
        report(error, events=1, doing=doing)
        return execute()

    def confirm(_: Any, transaction: Transaction) -> None:
        nonlocal after, known, object_id
        if is_computed:
            after = next(iter(rows.of_keys(tracker, [key], alias).values()), after)
            if tracker.mutable:
                after = frozen(after, tracker.mutable)
            known = after
            if tracker.is_folded_key:
                object_id = object_id_of(tracker, after)
        transaction.change(
            tracker.schema, current_context(), "update", object_id, label, before, after, alias
        )
        if tracker.through and before is not None:
            links.follow(transaction, tracker, before, known, alias=alias)

    if transaction is None:
        result = statement.join(capture, execute, confirm=confirm, has_effect=bool, doing=doing)
    else:
        result = statement.follow(
            transaction,
            execute,
            confirm=confirm if is_computed else None,
            has_effect=bool,
            doing=doing,
        )
    if result:
        remember(instance, tracker, known, capture.scope)
    return result


def _is_loaded_as(key: Any, before: tuple[Any, ...] | None, tracker: Tracker) -> bool:
    """Whether the row is known to spell its key as the instance does."""
    return before is not None and all(before[place] == key for place in tracker.pk)
