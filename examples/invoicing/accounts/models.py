from django.contrib.auth.models import AbstractUser
from django.db import models


class Role(models.TextChoices):
    SALES = "sales", "Sales"
    ACCOUNTANT = "accountant", "Accountant"
    ADMIN = "admin", "Administrator"
    INTEGRATION = "integration", "Integration"


class User(AbstractUser):
    """A member of one tenant, or (without a tenant) an operator of the platform."""

    tenant = models.ForeignKey(
        "tenants.Tenant",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="members",
    )
    role = models.CharField(max_length=16, choices=Role, default=Role.SALES)

    def __str__(self) -> str:
        return self.get_full_name() or self.username
