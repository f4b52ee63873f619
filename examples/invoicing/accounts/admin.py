from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.models import User
from invoicing.tenancy import active_tenant


@admin.register(User)
class MemberAdmin(UserAdmin):
    """Users, for a member those of the own tenant."""

    list_display = ["username", "first_name", "tenant", "role", "is_active"]
    list_filter = ["role", "is_active", "tenant"]
    fieldsets = (*UserAdmin.fieldsets, ("Membership", {"fields": ("tenant", "role")}))

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        users = super().get_queryset(request)
        tenant = active_tenant()
        return users if tenant is None else users.filter(tenant=tenant)
