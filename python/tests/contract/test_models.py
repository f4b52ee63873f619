"""What capture asks Django's model metadata and connections, beside what it wraps."""

import pytest
from django.contrib.auth.models import User
from django.db import ConnectionHandler, connections, models
from tests.shop.models import Customer, Note, Order, Tag


def test_the_owner_of_an_automatic_through_model_is_told_by_auto_created():
    assert Order.tags.through._meta.auto_created is Order
    assert User.groups.through._meta.auto_created is User
    assert Order._meta.auto_created is False


def test_a_many_to_many_field_names_the_fields_of_its_through_model():
    (field,) = Order._meta.local_many_to_many
    through = field.remote_field.through
    assert through is Order.tags.through
    assert (field.m2m_field_name(), field.m2m_reverse_field_name()) == ("order", "tag")
    assert through._meta.get_field("order").attname == "order_id"
    assert field.related_model is Tag


def test_the_fields_of_a_primary_key_are_known():
    # Django has had composite keys since 5.2.
    assert [field.name for field in Order._meta.pk_fields] == ["id"]
    assert [field.name for field in Note._meta.pk_fields] == ["slug"]


def test_a_field_says_whether_the_database_computes_it():
    assert {field.generated for field in Order._meta.concrete_fields} == {False}
    generated = models.GeneratedField(
        expression=models.F("a"), output_field=models.IntegerField(), db_persist=True
    )
    assert generated.generated is True


def test_a_relation_leads_to_its_target_field():
    field = Order._meta.get_field("customer")
    assert field.remote_field is not None
    assert field.target_field is Customer._meta.pk


def test_a_model_says_whether_it_has_a_str_of_its_own():
    assert Note.__str__ is models.Model.__str__
    assert Tag.__str__ is not models.Model.__str__


def test_a_new_instance_is_told_by_its_key():
    assert not Tag()._is_pk_set()
    assert Tag(pk=1)._is_pk_set()


@pytest.mark.django_db
def test_every_query_asks_the_connection_for_a_cursor_by_these_names(monkeypatch):
    # `labels` refuses queries by giving the connection attributes of these names.
    asked = []
    backend = type(connections["default"])
    for name in ("cursor", "chunked_cursor"):
        original = getattr(backend, name)

        def note(self, name=name, original=original):
            asked.append(name)
            return original(self)

        monkeypatch.setattr(backend, name, note)
    list(Tag.objects.all())
    assert asked == ["cursor"]
    list(Tag.objects.all().iterator())
    # Which may in turn ask for the other one.
    assert asked[1] == "chunked_cursor"
    overrides = connections["default"].__dict__
    assert not {"cursor", "chunked_cursor"} & set(overrides)


def test_the_handler_of_connections_asks_its_settings_by_in_and_by_key():
    class Noted(dict):
        asked: list = []  # noqa: RUF012

        def __contains__(self, alias):
            self.asked.append(("in", alias))
            return True

        def __missing__(self, alias):
            self.asked.append(("key", alias))
            return {"ENGINE": "django.db.backends.dummy"}

    listed = {"default": {"ENGINE": "django.db.backends.dummy"}}
    handler = ConnectionHandler(listed)
    assert "settings" not in handler.__dict__
    assert list(handler) == ["default"]
    assert type(handler.settings) is dict
    handler.settings = Noted(handler.settings)
    assert handler["hidden"].alias == "hidden"
    assert ("key", "hidden") in Noted.asked
    assert list(handler) == ["default"]
