"""Logins, logouts and failed logins, by Django's own signals: in requests and outside of them."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed

from trailkeeper.failure import optional
from trailkeeper.layers import Layer, entered, layer
from trailkeeper.origin import request_items
from trailkeeper.recording import auth_event

if TYPE_CHECKING:
    from django.db.models import Model
    from django.http import HttpRequest

__all__ = ["connect"]


def _logged_in(*, user: Model, request: HttpRequest | None = None, **_: Any) -> None:
    with _context(request, user):
        auth_event("login", outcome="success", user=user)


def _logged_out(*, user: Model | None, request: HttpRequest | None = None, **_: Any) -> None:
    with _context(request, user):
        auth_event("logout", outcome="success", user=user)


def _login_failed(
    *, credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any
) -> None:
    # Django has replaced what looks like a password by asterisks: take nothing but the name all
    # the same.
    names = (_username_field(), "username", "email", "phone", "login")
    name = next((str(credentials[key]) for key in names if key in credentials), None)
    with _context(request, None):
        auth_event("login_failed", outcome="failure", user=None, data={"username": name})


def _username_field() -> str:
    from django.contrib.auth import get_user_model

    return str(getattr(get_user_model(), "USERNAME_FIELD", "username"))


def _context(request: HttpRequest | None, user: Model | None) -> AbstractContextManager[Any]:
    """The context of a login that no middleware has seen: its request, its user as the actor."""
    around = layer()
    if around.request is not None:
        return nullcontext()
    if not hasattr(request, "__dict__"):
        # `authenticate()` takes anything for a request.
        request = None
    items = optional(lambda: request_items(request), name="the origin") if request else None
    given = {} if user is None else {"actor": user}
    return entered(Layer(around, request=request, items=items, given=given))


def connect() -> None:
    """Connects the receivers."""
    user_logged_in.connect(_logged_in, dispatch_uid="trailkeeper.login")
    user_logged_out.connect(_logged_out, dispatch_uid="trailkeeper.logout")
    user_login_failed.connect(_login_failed, dispatch_uid="trailkeeper.login_failed")
