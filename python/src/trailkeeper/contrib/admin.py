"""The admin: model admins that tell who has looked at an object, and the reason of an action.

```python
@admin.register(Patient)
class PatientAdmin(AccessMixin, admin.ModelAdmin): ...
```

What the admin logs of its own actions becomes an event of its own, with the admin's message as its
`reason`: in the same transaction as the rows that it is about, so that it is told if they are, and
found by their `transaction_id`.

The rows that the page has written have the same reason, those of inlines and links too. The admin
words its message after they are written, from what the formsets have saved; their events are still
held until the COMMIT, and get it there. An event that has a reason of its own keeps it. No message
reaches what was committed before, as an action without a transaction does, nor what a transaction
that outgrew the memory has written out.

Wraps these interfaces of Django, held by a contract test: `LogEntryManager.log_actions`,
`ModelAdmin.changeform_view`, `ModelAdmin.changelist_view`.
"""

from __future__ import annotations

import json
from contextvars import ContextVar
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings as django_settings
from django.contrib.admin import ModelAdmin
from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry, LogEntryManager
from django.db import connections, router
from django.utils import translation

from trailkeeper import recording, spool
from trailkeeper.accesses import access
from trailkeeper.capture.transactions import capture_of
from trailkeeper.failure import logger, optional

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from trailkeeper._recorder import Transaction

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


#: The database that the page of the admin writes to, and what its transaction held before: the
#: transaction and the number of its events.
_page: ContextVar[tuple[str, Transaction | None, int] | None] = ContextVar(
    "trailkeeper_admin_page", default=None
)

_originals: dict[tuple[type[Any], str], Any] = {}


def _wrap_page(name: str) -> None:
    original = _originals[ModelAdmin, name] = ModelAdmin.__dict__[name]

    @wraps(original)
    def view(self: Any, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if request.method != "POST":
            return original(self, request, *args, **kwargs)
        alias = router.db_for_write(self.model)
        transaction = capture_of(connections[alias]).transaction
        before = 0 if transaction is None else len(transaction)
        token = _page.set((alias, transaction, before))
        try:
            return original(self, request, *args, **kwargs)
        finally:
            _page.reset(token)

    setattr(ModelAdmin, name, view)


def _explain(reason: str) -> None:
    """Gives the reason to what the page has written so far, if it has not been committed."""
    page = _page.get()
    if page is None:
        return
    alias, transaction, before = page
    capture = capture_of(connections[alias])
    current = capture.transaction
    if current is None or capture.generation != spool.generation:
        return
    try:
        current.explain(before if current is transaction else 0, reason)
    except Exception as error:
        # The rows have their events: what is lost is an attribute of them.
        logger.warning("trailkeeper could not give a reason to the admin's rows: %r", error)


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
    original = _originals[LogEntryManager, "log_actions"]
    logged = original(self, user_id, targets, action_flag, change_message, **more)
    action = _ACTIONS.get(action_flag, "admin.action")
    reason = _in_words(action_flag, change_message)
    if reason is not None:
        _explain(reason)
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
    """Wraps the admin's log and its pages; a second call changes nothing."""
    if not _originals:
        _originals[LogEntryManager, "log_actions"] = LogEntryManager.log_actions
        LogEntryManager.log_actions = _log_actions  # type: ignore[method-assign]
        _wrap_page("changeform_view")
        _wrap_page("changelist_view")


def uninstall() -> None:
    """Puts Django's own methods back."""
    while _originals:
        (owner, name), original = _originals.popitem()
        setattr(owner, name, original)
