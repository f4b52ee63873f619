"""Which tenant the running code works for.

The active tenant is a `ContextVar`: safe with threads and async views. The
middleware sets it from the session's user and always clears it again; an API
view sets it once more, because a token's user is known only inside the view.

While a tenant is active, the managers of `tenants.scoping` show its rows only.
Without one (a command, a shell, the operator of the platform) they show all
rows, so whoever serves a member's request must have entered the member's tenant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from django.http import HttpRequest, HttpResponse

if TYPE_CHECKING:
    from accounts.models import User
    from tenants.models import Tenant

_active: ContextVar[Tenant | None] = ContextVar("active_tenant", default=None)


def active_tenant() -> Tenant | None:
    return _active.get()


def active_tenant_id() -> int | None:
    """The default of every `tenant` column: a new row belongs to the active tenant."""
    tenant = _active.get()
    return None if tenant is None else tenant.pk


def current_tenant() -> str | None:
    """The active tenant as the audit trail names it: its slug."""
    tenant = _active.get()
    return None if tenant is None else tenant.slug


@contextmanager
def tenant_scope(tenant: Tenant | None) -> Iterator[None]:
    """Make `tenant` the active one inside the `with` block."""
    token = _active.set(tenant)
    try:
        yield
    finally:
        _active.reset(token)


def enter_tenant_of(user: User) -> None:
    """Make the tenant of `user` the active one until the request ends.

    For code inside a request whose user became known after the middleware ran:
    a login, or token authentication.
    """
    _active.set(user.tenant if user.is_authenticated else None)


class TenantMiddleware:
    """Work for the tenant of the request's user, until the response is made."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with tenant_scope(request.user.tenant if request.user.is_authenticated else None):
            return self.get_response(request)
