"""Read access: who has looked at what.

Reading passes no place where all of it could be seen, and recording all of it would drown the
rest. So the application says what counts, by `access()` or by the hooks for Django REST framework
and the admin in `trailkeeper.contrib`, and the setting `ACCESS` says for which models, and for
which share of the reads.

Whether a read is in the sample follows from the request's id, the object and the day: one request
tells all its reads of an object or none, and a repetition decides alike. It follows under a key of
the application's, so a client that chooses its ids chooses nothing. An event of a sample has the
share in its `data`, so that the reads can be estimated: each stands for one divided by the share.
What was not asked for by a request is not sampled.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from trailkeeper import recording
from trailkeeper.capture.registry import mask_key
from trailkeeper.conf import settings
from trailkeeper.exceptions import InvalidRequestError
from trailkeeper.layers import layer
from trailkeeper.policy.patterns import pattern_matches

if TYPE_CHECKING:
    from django.db.models import Model

__all__ = ["access", "share_of"]


def access(
    *targets: Model,
    reason: str | None = None,
    data: Mapping[str, Any] | None = None,
    outcome: recording.Outcome = "success",
) -> None:
    """Records that objects were read, or that somebody was refused to read them.

    It has happened, whatever becomes of the open transaction.

    Args:
        targets: the objects.
        reason: why, in words.
        data: anything that JSON can hold.
        outcome: `success`, or `denied` for a refusal, which is never left out of a sample.

    Raises:
        InvalidRequestError: if an argument is not as said above.
        RecordingError: if it cannot be recorded and `ON_FAILURE` is `"raise"`.
    """
    if any(not hasattr(target, "_meta") or isinstance(target, type) for target in targets):
        raise InvalidRequestError("access() takes instances of models")
    if outcome not in {"success", "failure", "denied"}:
        raise InvalidRequestError("outcome is 'success', 'failure' or 'denied'")
    if data is not None and not isinstance(data, Mapping):
        raise InvalidRequestError("access() takes data as a mapping from name to value")
    request_id = layer().column("request_id")
    told: list[tuple[Model, Mapping[str, Any]]] = []
    for target in targets:
        share = share_of(target._meta.label_lower)
        if share <= 0:
            continue
        if share >= 1 or outcome == "denied" or request_id is None:
            told.append((target, data or {}))
        elif _place(request_id, target) < share:
            told.append((target, {**(data or {}), "share": share}))
    if told:
        items: dict[str, Any] = {"outcome": outcome}
        if reason is not None:
            items["reason"] = reason
        recording.access_events(told, items)


def share_of(label: str) -> float:
    """The share of the reads of a model that are recorded: the first pattern of `ACCESS` says."""
    for pattern, share in settings["ACCESS"].items():
        if pattern_matches(pattern, label):
            return float(share)
    return 0.0


def _place(request_id: str, target: Model) -> float:
    """Where the read of an object in a request stands between 0 and 1: all day at one place."""
    day = int(time.time()) // 86400
    text = f"{day} {request_id} {target._meta.label_lower}/{target.pk}"
    digest = hmac.digest(mask_key(), text.encode("utf-8", "replace"), "sha256")
    return int.from_bytes(digest[:7], "big") / (1 << 56)
