"""The model of the table `events`, which is not a table of the application's database."""

from typing import Any, ClassVar, NoReturn

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import DEFAULT_DB_ALIAS, connections, models

from trailkeeper.backend.read_only import refuse_write
from trailkeeper.history.json_text import JSONTextField
from trailkeeper.history.ordering import NEWEST_FIRST
from trailkeeper.history.queryset import EventManager
from trailkeeper.history.reference import find_model, primary_key_of


class Event(models.Model):
    """Something that happened, as docs/formats/event.md specifies it.

    Events cannot be changed: `save()` and `delete()` raise `NotSupportedError`.
    """

    class Kind(models.TextChoices):
        CHANGE = "change"
        AUTH = "auth"
        REQUEST = "request"
        ACCESS = "access"
        EVENT = "event"
        SYSTEM = "system"

    class Action(models.TextChoices):
        """The actions that trailkeeper records; the application adds names of its own."""

        CREATE = "create"
        UPDATE = "update"
        DELETE = "delete"
        LINK = "link"
        UNLINK = "unlink"
        TRUNCATE = "truncate"
        OPAQUE = "opaque"
        BASELINE = "baseline"
        LOGIN = "login"
        LOGOUT = "logout"
        LOGIN_FAILED = "login_failed"
        REQUEST = "request"

    class Outcome(models.TextChoices):
        SUCCESS = "success"
        FAILURE = "failure"
        DENIED = "denied"

    class ActorType(models.TextChoices):
        USER = "user"
        SERVICE = "service"
        SYSTEM = "system"
        ANONYMOUS = "anonymous"
        UNKNOWN = "unknown"

    event_id = models.CharField(max_length=32, primary_key=True)
    seq = models.BigIntegerField(null=True, help_text="Empty until the event is in the store.")
    writer = models.CharField(max_length=16)
    transaction_number = models.BigIntegerField()
    position = models.BigIntegerField(help_text="Order within the transaction.")
    transaction_id = models.CharField(max_length=32)
    schema_version = models.IntegerField()

    kind = models.CharField(max_length=16, choices=Kind)
    action = models.CharField(max_length=255, choices=Action)
    outcome = models.CharField(max_length=16, choices=Outcome)
    reason = models.TextField(null=True)  # noqa: DJ001 (null is "not said", as in the table)

    occurred_at = models.DateTimeField()
    committed_at = models.DateTimeField(null=True)
    recorded_at = models.DateTimeField(null=True)

    actor_type = models.CharField(max_length=16, choices=ActorType)
    actor_id = models.TextField(null=True)  # noqa: DJ001
    actor_label = models.TextField(null=True)  # noqa: DJ001
    impersonator_id = models.TextField(null=True)  # noqa: DJ001
    impersonator_label = models.TextField(null=True)  # noqa: DJ001
    service = models.TextField(null=True)  # noqa: DJ001

    tenant = models.TextField(null=True)  # noqa: DJ001
    source = models.TextField(null=True)  # noqa: DJ001
    database = models.TextField(null=True)  # noqa: DJ001
    request_id = models.TextField(null=True)  # noqa: DJ001
    trace_id = models.TextField(null=True)  # noqa: DJ001
    session = models.TextField(null=True)  # noqa: DJ001
    ip = models.TextField(null=True)  # noqa: DJ001
    user_agent = models.TextField(null=True)  # noqa: DJ001
    http_method = models.TextField(null=True)  # noqa: DJ001
    http_route = models.TextField(null=True)  # noqa: DJ001
    http_path = models.TextField(null=True)  # noqa: DJ001
    http_status = models.IntegerField(null=True)
    duration_us = models.BigIntegerField(null=True)

    model = models.TextField(null=True)  # noqa: DJ001
    object_id = models.TextField(null=True)  # noqa: DJ001
    object_key = models.TextField(null=True)  # noqa: DJ001
    object_label = models.TextField(null=True)  # noqa: DJ001
    related = JSONTextField(null=True, container=list)

    changed = JSONTextField(null=True, container=list)
    before = JSONTextField(null=True)
    after = JSONTextField(null=True)
    unavailable = JSONTextField(null=True, container=list)
    data = JSONTextField(null=True)

    salt = models.BinaryField(null=True)
    redacted = JSONTextField(null=True)

    objects: ClassVar[EventManager] = EventManager()

    class Meta:
        app_label = "trailkeeper"
        managed = False
        db_table = "events"
        # Also for what Django loads by itself: it must not ask another database.
        base_manager_name = "objects"
        default_permissions = ("view",)
        get_latest_by = ("occurred_at", "position")
        ordering = NEWEST_FIRST
        verbose_name = "event"

    def __str__(self) -> str:
        actor = self.actor_label or self.actor_id or self.service or self.actor_type
        what = self.object_label or self.object_key or self.http_path or ""
        parts = (f"{self.occurred_at!s:.19}", actor, self.action, what)
        return " ".join(part for part in parts if part)

    def save(self, *args: Any, **kwargs: Any) -> NoReturn:
        refuse_write()

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        refuse_write()

    @property
    def target(self) -> models.Model | None:
        """The object as it is now, or None if it, or its model, is gone."""
        model = find_model(self.model)
        if model is None or self.object_id is None:
            return None
        using = self.database if self.database in list(connections) else DEFAULT_DB_ALIAS
        return _found(model, self.object_id, using)

    @property
    def actor(self) -> models.Model | None:
        """The user who acted, as he is now; None for other actors, or if he is gone."""
        if self.actor_type != self.ActorType.USER or self.actor_id is None:
            return None
        return _found(get_user_model(), self.actor_id, None)


def _found(model: type[models.Model], object_id: str, using: str | None) -> models.Model | None:
    try:
        primary_key = primary_key_of(model, object_id)
    except (ValidationError, ValueError, TypeError):
        return None
    found: models.Model | None = model._base_manager.using(using).filter(pk=primary_key).first()
    return found
