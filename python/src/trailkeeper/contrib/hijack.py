"""django-hijack: who acts as somebody else is named beside them, and its start and end are events.

The session has the real user's key; the label is added when the impersonation starts, so that no
event needs a query for it, and none depends on a user that is deleted meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hijack.signals import hijack_ended, hijack_started

from trailkeeper.actor import HIJACK_LABEL, HIJACK_MARK, label_of_user
from trailkeeper.failure import optional
from trailkeeper.layers import layer
from trailkeeper.recording import auth_event

if TYPE_CHECKING:
    from django.db.models import Model
    from django.http import HttpRequest

__all__ = ["connect"]


def _started(*, request: HttpRequest, hijacker: Model, hijacked: Model, **_: Any) -> None:
    # Behind a chain of impersonations is its first user.
    if len(request.session.get(HIJACK_MARK, ())) == 1:
        label = optional(lambda: label_of_user(hijacker), name="the impersonator's label")
        request.session[HIJACK_LABEL] = label
    _tell("impersonation_started", hijacked)


def _ended(*, request: HttpRequest, hijacked: Model, **_: Any) -> None:
    if not request.session.get(HIJACK_MARK):
        request.session.pop(HIJACK_LABEL, None)
    _tell("impersonation_ended", hijacked)


def _tell(action: str, hijacked: Model) -> None:
    # The user of the request has been replaced before the session's mark was set.
    layer().forget()
    auth_event(action, outcome="success", user=hijacked)


def connect() -> None:
    """Connects the receivers; a second call changes nothing."""
    hijack_started.connect(_started, dispatch_uid="trailkeeper.hijack_started")
    hijack_ended.connect(_ended, dispatch_uid="trailkeeper.hijack_ended")
