"""Events that are not rows: the application's own, logins, requests, the trail's own."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from django.db import DEFAULT_DB_ALIAS, connections

from trailkeeper import spool
from trailkeeper.capture import labels, transactions
from trailkeeper.exceptions import InvalidRequestError
from trailkeeper.failure import optional, report
from trailkeeper.layers import current_context

if TYPE_CHECKING:
    from django.db.models import Model

__all__ = ["access_events", "auth_event", "record", "request_served", "system_event"]

Outcome = Literal["success", "failure", "denied"]


def record(
    action: str,
    *,
    target: Model | None = None,
    data: Mapping[str, Any] | None = None,
    reason: str | None = None,
    outcome: Outcome = "success",
    using: str | None = None,
) -> None:
    """Records an event of the application's own.

    Inside a transaction the event belongs to it: rolled back with it, committed with it.

    Args:
        action: what happened, as `noun.verb`: `invoice.validated`.
        target: the object it happened to.
        data: anything that JSON can hold; see `docs/formats/event.md` for how values are written.
        reason: why, in words.
        outcome: `success`, `failure` or `denied`.
        using: the database alias whose transaction it belongs to; the target's, by default.

    Raises:
        InvalidRequestError: if an argument is not as said above.
        RecordingError: if it cannot be recorded and `ON_FAILURE` is `"raise"`.
    """
    if not _is_text(action) or not action.strip():
        raise InvalidRequestError(
            "record() takes the action as a text, such as 'invoice.validated'"
        )
    if outcome not in {"success", "failure", "denied"}:
        raise InvalidRequestError("outcome is 'success', 'failure' or 'denied'")
    if data is not None and not isinstance(data, Mapping):
        raise InvalidRequestError("record() takes data as a mapping from name to value")
    items: dict[str, Any] = {"kind": "event", "action": action, "outcome": outcome}
    if reason is not None:
        items["reason"] = reason
    json = {"data": dict(data)} if data is not None else None
    try:
        if target is not None:
            items.update(labels.describe(target))
            using = using or target._state.db
        alias = items["database"] = using or DEFAULT_DB_ALIAS
        if not _is_async():
            transactions.capture_of(connections[alias]).add_event(items, json)
            return
    except Exception as error:
        report(error, events=1, doing=f"record {action}")
        return
    # An event loop has no transaction that the event could belong to: Django refuses it one.
    _write_now(items, json, doing=f"record {action}")


def _is_async() -> bool:
    """Whether Django refuses to touch a connection here, as its `async_unsafe` does."""
    if os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE"):
        return False
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def auth_event(
    action: str, *, outcome: Outcome, user: Model | None, data: Mapping[str, Any] | None = None
) -> None:
    """Records a login, a logout or a failed login, whatever becomes of the open transaction."""
    items: dict[str, Any] = {"kind": "auth", "action": action, "outcome": outcome}
    if user is not None:
        items.update(optional(lambda: labels.describe(user), name="the user") or {})
    _write_now(items, {"data": dict(data)} if data else None, doing=f"record a {action}")


def request_served(*, status: int | None, duration_us: int, is_broken: bool) -> None:
    """Records the current request.

    Args:
        status: of its response; None if it was given up before there was one.
        duration_us: how long it took, in microseconds.
        is_broken: whether it ended before its response was whole.
    """
    if is_broken or status is None:
        outcome = "failure"
    else:
        outcome = "success" if status < 400 else "denied" if status in {401, 403} else "failure"
    items = {
        "kind": "request",
        "action": "request",
        "outcome": outcome,
        "http_status": status,
        "duration_us": duration_us,
    }
    _write_now(items, None, doing="record a request")


def system_event(action: str, data: Mapping[str, Any], *, reason: str | None = None) -> None:
    """Records what happened to the trail itself."""
    items = {"kind": "system", "action": action, "outcome": "success", "reason": reason}
    _write_now(items, {"data": dict(data)}, doing=f"record {action}")


def access_events(
    targets: Sequence[tuple[Model, Mapping[str, Any]]], items: dict[str, Any]
) -> None:
    """Records that objects were read, whatever becomes of the open transaction.

    Args:
        targets: the objects, each with the data of its event.
        items: what the events have in common.
    """
    try:
        transaction = spool.begin()
        transactions.tell_losses()
        context = current_context()
        for target, data in targets:
            what = {"kind": "access", "action": "access", **items, **labels.describe(target)}
            transaction.event(context, what, {"data": dict(data)} if data else None)
        transaction.complete()
    except Exception as error:
        report(error, events=len(targets), doing="record a read access")


def _write_now(items: dict[str, Any], json: dict[str, Any] | None, *, doing: str) -> None:
    try:
        transaction = spool.begin()
        transactions.tell_losses()
        transaction.event(current_context(), items, json)
        transaction.complete()
    except Exception as error:
        report(error, events=1, doing=doing)
