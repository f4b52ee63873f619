"""Callables of the application that are asked about a change before it becomes an event.

- One that vetoes gives False for a change that is not to be recorded. That there was one is: an
  event `change.vetoed` of the kind `system`, in the place of the change and in its transaction,
  with its model, its action, who and when, and neither object nor values.
- One that enriches gives a dict, which becomes the event's `data`.

What raises, or cannot be imported, is logged, and the event is recorded as without it. A callable
may be asked twice about one change, of a statement in autocommit: as it is meant, and as it was
stored. It must not write. A model without one pays nothing: it has no hook.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from django.utils.module_loading import import_string

from trailkeeper._recorder import canonical
from trailkeeper.conf import settings
from trailkeeper.failure import is_news, logger
from trailkeeper.policy import rules

if TYPE_CHECKING:
    from django.db import models

__all__ = ["VETOED", "Draft", "Hook", "hook_of"]

#: The `action` of the event that stands for a change which was vetoed; the recorder writes it too.
VETOED: Final = "change.vetoed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A change that is about to be recorded, as its event would have it.

    Args:
        model: label of the model: `billing.invoice`.
        action: `create`, `update`, `delete`, `link` or `unlink`.
        object_id: the object's id; None if the database has yet to give it.
        object_label: how the object shows itself.
        database: alias of the database.
        changed: the fields that an update changed; of a link, the many-to-many field.
        before, after: the states, without what the policy leaves out; secrets are masked.
        unavailable: the fields that are not known, or not told.
        related: the other side of a link.
    """

    model: str
    action: str
    object_id: str | None
    object_label: str | None
    database: str
    changed: Sequence[str] = ()
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
    unavailable: Sequence[str] = ()
    related: Sequence[Mapping[str, Any]] = ()


class Hook:
    """What the recorder asks about each change of one model.

    Args:
        label: of the model.
        veto: gives False for a change that is not to be recorded; None if nobody does.
        enrich: gives a dict for its event; None if nobody does.
    """

    __slots__ = ("_enrich", "_label", "_veto")

    def __init__(
        self,
        label: str,
        *,
        veto: Callable[[Draft], Any] | None,
        enrich: Callable[[Draft], Any] | None,
    ) -> None:
        self._label = label
        self._veto = veto
        self._enrich = enrich

    def __call__(
        self,
        action: str,
        object_id: str | None,
        object_label: str | None,
        database: str,
        changed: bytes | None,
        before: bytes | None,
        after: bytes | None,
        unavailable: bytes | None,
    ) -> bytes | Literal[False] | None:
        """Gives False for a veto, the JSON of `data`, or None; called by the recorder."""
        try:
            draft = Draft(
                model=self._label,
                action=action,
                object_id=object_id,
                object_label=object_label,
                database=database,
                changed=json.loads(changed or b"[]"),
                before=None if before is None else json.loads(before),
                after=None if after is None else json.loads(after),
                unavailable=json.loads(unavailable or b"[]"),
            )
        except ValueError as error:
            self._failed("read", error)
            return None
        if self.vetoes(draft):
            return False
        data = self.data_of(draft)
        return None if data is None else canonical(data)

    def vetoes(self, draft: Draft) -> bool:
        """Whether a change is not to be recorded."""
        if self._veto is None:
            return False
        try:
            return self._veto(draft) is False
        except Exception as error:
            self._failed("veto", error)
            return False

    def data_of(self, draft: Draft) -> dict[str, Any] | None:
        """What the event has as `data`; None if nothing."""
        if self._enrich is None:
            return None
        try:
            data = self._enrich(draft)
            if data is None:
                return None
            if not isinstance(data, Mapping):
                raise TypeError(f"it gave a {type(data).__name__}, and no dict")
            json = canonical(dict(data))
            if json is None:
                raise ValueError("it gave what JSON cannot hold exactly")
            if len(json) > settings["MAX_VALUE_BYTES"]:
                raise ValueError("it gave more than MAX_VALUE_BYTES")
            return dict(data)
        except Exception as error:
            self._failed("enrich", error)
            return None

    def _failed(self, what: str, error: Exception) -> None:
        if is_news((self._label, what, type(error))):
            logger.warning(
                "trailkeeper could not %s a change of a %s: %r", what, self._label, error
            )


def hook_of(model: type[models.Model]) -> Hook | None:
    """The hook of a model; None if nobody is to be asked."""
    veto = rules.choice_for(model, "VETO", "veto")
    enrich = rules.choice_for(model, "ENRICH", "enrich")
    if veto is None and enrich is None:
        return None
    return Hook(
        model._meta.label_lower,
        veto=None if veto is None else _callable(veto.value),
        enrich=None if enrich is None else _callable(enrich.value),
    )


def _callable(named: Any) -> Callable[[Draft], Any] | None:
    if not isinstance(named, str):
        return named  # type: ignore[no-any-return]
    try:
        return import_string(named)  # type: ignore[no-any-return]
    except Exception as failure:
        # Told when it is called: it costs the veto or the data, not the event.
        error = failure

        def fail(_: Draft) -> Any:
            raise error

        return fail
