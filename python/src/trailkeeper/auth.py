"""Logins, logouts and failed logins, by Django's own signals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed

from trailkeeper.recording import auth_event

if TYPE_CHECKING:
    from django.db.models import Model

__all__ = ["connect"]


def _logged_in(*, user: Model, **_: Any) -> None:
    auth_event("login", outcome="success", user=user)


def _logged_out(*, user: Model | None, **_: Any) -> None:
    auth_event("logout", outcome="success", user=user)


def _login_failed(*, credentials: dict[str, Any], **_: Any) -> None:
    # Django has replaced what looks like a password by asterisks: take nothing but the name all
    # the same.
    names = ("username", "email", "phone", "login")
    name = next((str(credentials[key]) for key in names if key in credentials), None)
    auth_event("login_failed", outcome="failure", user=None, data={"username": name})


def connect() -> None:
    """Connects the receivers."""
    user_logged_in.connect(_logged_in, dispatch_uid="trailkeeper.login")
    user_logged_out.connect(_logged_out, dispatch_uid="trailkeeper.logout")
    user_login_failed.connect(_login_failed, dispatch_uid="trailkeeper.login_failed")
