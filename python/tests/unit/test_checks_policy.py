"""What `manage.py check` says of a policy."""

import pytest
from django.apps import apps
from django.test import override_settings
from tests.ledger.models import Asked, Entry

from trailkeeper import checks
from trailkeeper.policy.declaration import trail


def found(**given):
    with override_settings(TRAILKEEPER={"DRAIN": "none", **given}):
        messages = checks.check_settings()
    return [(message.id.removeprefix("trailkeeper."), message.msg) for message in messages]


def only(**given):
    (message,) = found(**given)
    return message


def test_a_good_policy_says_nothing():
    assert (
        found(
            POLICY=[("shop.order.notes", "metadata"), ["shop.*", "changed"], ("*", "full")],
            UNCHANGED={"shop.*": "record"},
            VETO={"shop.order": "tests.ledger.models.keeps"},
            ENRICH={"*": lambda draft: None},
            TENANT_FIELD={"shop.order": "customer", "shop.line": "order_id"},
        )
        == []
    )


@pytest.mark.parametrize(
    "entry", ["shop.*", ("shop.*",), ("shop.*", "full", "more"), (1, "full"), None]
)
def test_an_entry_is_a_pair(entry):
    number, message = only(POLICY=[entry])
    assert number == "E013"
    assert repr(entry) in message


@pytest.mark.parametrize("level", ["ful", "FULL", None, 3])
def test_an_unknown_level_is_told(level):
    number, message = only(POLICY=[("shop.*", level)])
    assert number == "E013"
    assert repr(level) in message


@pytest.mark.parametrize(
    "pattern", ["shp.*", "shop.order.note", "shop.ordr.*", "order", "*.*.*.*", "*.nothing"]
)
def test_a_pattern_that_matches_nothing_is_told(pattern):
    number, message = only(POLICY=[(pattern, "none")])
    assert number == "E014"
    assert repr(pattern) in message


def test_an_entry_that_decides_nothing_is_told():
    number, message = only(POLICY=[("shop.*", "full"), ("shop.order.notes", "none")])
    assert number == "W007"
    assert "'shop.order.notes'" in message
    assert found(POLICY=[("shop.order.notes", "none"), ("shop.*", "full")]) == []


def test_a_policy_of_another_type_is_told():
    assert [number for number, _ in found(POLICY="shop.*")] == ["E003"]
    assert [number for number, _ in found(VETO=["shop.*"])] == ["E003"]


@pytest.mark.parametrize("path", ["shop.nowhere.veto", "tests.ledger.models.nothing", 3])
@pytest.mark.parametrize("key", ["VETO", "ENRICH"])
def test_a_callable_that_cannot_be_called_is_told(key, path):
    number, message = only(**{key: {"shop.*": path}})
    assert number == "E017"
    assert repr(path) in message


def test_a_callable_takes_the_draft():
    assert only(VETO={"*": lambda: False})[0] == "E017"


def test_choices_are_told():
    assert only(UNCHANGED={"shop.*": "always"})[0] == "E016"
    assert only(TENANT_FIELD={"shop.order": "organisation"})[0] == "E016"
    assert only(TENANT_FIELD={"shp.order": "customer"})[0] == "E014"
    # Where some of the models have it, the others have no tenant of their own.
    assert found(TENANT_FIELD={"*": "customer"}) == []


def declared(monkeypatch, model, **options):
    with monkeypatch.context() as patch:
        patch.setattr(model, "Trail", type("Trail", (), options), raising=False)
        return found()


def test_what_a_model_declares_is_checked(monkeypatch):
    assert found() == []
    for options in (
        {"levle": "full"},
        {"level": "most"},
        {"fields": {"titel": "none"}},
        {"fields": {"title": "nothing"}},
    ):
        ((number, message),) = declared(monkeypatch, Entry, **options)
        assert number == "E015"
        assert "ledger.Entry" in message
    assert declared(monkeypatch, Entry, unchanged="always")[0][0] == "E016"
    assert declared(monkeypatch, Entry, tenant="organisation")[0][0] == "E016"
    assert declared(monkeypatch, Asked, veto="nowhere.at_all")[0][0] == "E017"


def test_a_proxy_has_no_policy_of_its_own(monkeypatch):
    proxy = next(model for model in apps.get_models() if model._meta.proxy)
    assert only(POLICY=[(proxy._meta.label_lower, "none")])[0] == "E014"
    ((number, message),) = declared(monkeypatch, proxy, level="none")
    assert (number, "proxy" in message) == ("E015", True)


def test_the_decorator_takes_known_options_only():
    with pytest.raises(TypeError):
        trail(levle="full")
