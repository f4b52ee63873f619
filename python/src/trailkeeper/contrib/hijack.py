"""django-hijack: who acts as somebody else is named beside them, and its start and end are events.

The session has the real user's key; the label is added when an impersonation starts or ends. So
no other event needs a query for it, and none depends on a user that is deleted meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from hijack.signals import hijack_ended, hijack_started

from trailkeeper.actor import HIJACK_LABEL, HIJACK_MARK, label_of_user
from trailkeeper.failure import optional
from trailkeeper.layers import layer
from trailkeeper.recording import auth_event

if TYPE_CHECKING:
    from django.db.models import Model
    from django.http import HttpRequest

__all__ = ["connect"]


def _started(*, request: HttpRequest, hijacked: Model, **_: Any) -> None:
    _tell("impersonation_started", request, hijacked)


def _ended(*, request: HttpRequest, hijacked: Model, **_: Any) -> None:
    _tell("impersonation_ended", request, hijacked)


def _tell(action: str, request: HttpRequest, hijacked: Model) -> None:
    label = optional(lambda: _label(request), name="the impersonator's label")
    if label is None:
        request.session.pop(HIJACK_LABEL, None)
    else:
        request.session[HIJACK_LABEL] = label
    # The user of the request has been replaced before the session's mark was set.
    layer().forget()
    auth_event(action, outcome="success", user=hijacked)


def _label(request: HttpRequest) -> str | None:
    """How the real user shows itself: the first of a chain. The login has emptied the session."""
    history = request.session.get(HIJACK_MARK)
    if not history:
        return None
    user = get_user_model()._base_manager.filter(pk=history[0]).first()
    return None if user is None else label_of_user(user)


def connect() -> None:
    """Connects the receivers; a second call changes nothing."""
    hijack_started.connect(_started, dispatch_uid="trailkeeper.hijack_started")
    hijack_ended.connect(_ended, dispatch_uid="trailkeeper.hijack_ended")
