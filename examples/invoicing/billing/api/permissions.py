"""Who may do what, by role within the own tenant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rest_framework.permissions import BasePermission

from accounts.models import Role

if TYPE_CHECKING:
    from rest_framework.request import Request
    from rest_framework.views import APIView

EVERYBODY = frozenset(Role)
BACK_OFFICE = frozenset({Role.ACCOUNTANT, Role.ADMIN})


class RolePermission(BasePermission):
    """Lets members read; what else they may do stands in the view's `roles`.

    `roles` maps the name of an action to the roles that may take it. An action
    that is not named there is open to every member of the tenant.
    """

    def has_permission(self, request: Request, view: APIView) -> bool:
        user = request.user
        if not user.is_authenticated or user.tenant_id is None:
            return False
        roles = getattr(view, "roles", {})
        return user.role in roles.get(getattr(view, "action", None), EVERYBODY)
