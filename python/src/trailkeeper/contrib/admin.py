"""The admin: model admins that tell who has looked at an object, and the reason of an action.

```python
@admin.register(Patient)
class PatientAdmin(AccessMixin, admin.ModelAdmin): ...
```

What the admin logs of its own actions becomes an event of its own, with the admin's message as its
`reason`: in the same transaction as the rows that it is about, so that it is told if they are, and
found by their `transaction_id`.

Wraps this interface of Django, held by a contract test: `LogEntryManager.log_actions`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings as django_settings
from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry, LogEntryManager
from django.utils import translation

from trailkeeper import recording
from trailkeeper.accesses import access
from trailkeeper.failure import optional

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

__all__ = ["AccessMixin", "install", "uninstall"]

_ACTIONS: Final = {
    ADDITION: "admin.addition",
    CHANGE: "admin.change",
    DELETION: "admin.deletion",
}


class AccessMixin:
    """For a `ModelAdmin`: records each object whose page is opened."""

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        """The page of an object; that it was read is recorded."""
        if obj is not None and request.method == "GET":
            access(obj)
        page: HttpResponse = super().render_change_form(  # type: ignore[misc]
            request, context, add=add, change=change, form_url=form_url, obj=obj
        )
        return page


_originals: dict[str, Any] = {}


def _log_actions(
    self: LogEntryManager,
    user_id: Any,
    queryset: Any,
    action_flag: int,
    change_message: Any = "",
    **more: Any,
) -> Any:
    # Listed once: what is deleted next could not be read again.
    targets = list(queryset)
    logged = _originals["log_actions"](self, user_id, targets, action_flag, change_message, **more)
    action = _ACTIONS.get(action_flag, "admin.action")
    reason = _in_words(action_flag, change_message)
    for target in targets:
        recording.record(action, target=target, reason=reason)
    return logged


def _in_words(action_flag: int, change_message: Any) -> str | None:
    """The admin's message as it shows it, in the language of the project."""
    entry = LogEntry(action_flag=action_flag)
    entry.change_message = (
        change_message if isinstance(change_message, str) else json.dumps(change_message)
    )
    with translation.override(django_settings.LANGUAGE_CODE):
        return optional(entry.get_change_message, name="the admin's message") or None


def install() -> None:
    """Wraps the admin's log; a second call changes nothing."""
    if not _originals:
        _originals["log_actions"] = LogEntryManager.log_actions
        LogEntryManager.log_actions = _log_actions  # type: ignore[method-assign]


def uninstall() -> None:
    """Puts Django's own method back."""
    while _originals:
        name, original = _originals.popitem()
        setattr(LogEntryManager, name, original)
