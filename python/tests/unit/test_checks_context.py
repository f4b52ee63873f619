"""Checks of the settings that say who acts, from where, and what is told of it."""

import sys

import pytest
from tests.unit.test_checks import found, no_url, only

__all__ = ["found", "no_url"]


def nobody():
    return None


async def later(request):
    return None


# E009: a callable that cannot be called.


@pytest.mark.parametrize("key", ["ACTOR", "IMPERSONATOR"])
@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("nowhere.actor", "cannot be imported: No module named 'nowhere'"),
        (7, "cannot be called: it is of type int"),
        (nobody, "cannot be called with the request: too many positional arguments"),
        (later, "is async"),
    ],
)
def test_who_acts_cannot_be_told(found, key, given, reason):
    text = only(found(**{key: given}), "E009")
    assert f"TRAILKEEPER[{key!r}] {reason}" in text
    assert "Give a function of the request that returns" in text


# E010: no header.


@pytest.mark.parametrize("key", ["PROXY_HEADER", "REQUEST_ID_HEADER"])
@pytest.mark.parametrize("name", ["HTTP_X_REQUEST_ID", "X Request", "X-Id:", "X-Id\n"])
def test_a_header_that_is_none(found, key, name):
    text = only(found(**{key: name}), "E010")
    assert f"TRAILKEEPER[{key!r}] is {name!r}" in text


def test_a_header_must_be_named(found):
    assert "must not be empty" in only(found(PROXY_HEADER=""), "E003")
    assert "must be str, not NoneType" in only(found(PROXY_HEADER=None), "E003")


# E011: no network.


@pytest.mark.parametrize("item", ["10.0.0.1/8", "proxy.example", "", None, 7, b"10.0.0.1"])
def test_a_proxy_that_is_no_network(found, item):
    text = only(found(TRUSTED_PROXIES=["10.0.0.0/8", item]), "E011")
    assert f"has {item!r}, which is no network" in text


@pytest.mark.parametrize("proxies", [[], 2, ["10.0.0.1", "2001:db8::/32", "unix"], ("unix",)])
def test_proxies_that_can_be(found, proxies):
    assert found(TRUSTED_PROXIES=proxies) == []


@pytest.mark.parametrize(
    ("proxies", "expected"), [("10.0.0.0/8", "not str"), (True, "not bool"), (-1, "above zero")]
)
def test_proxies_of_another_type(found, proxies, expected):
    assert expected in only(found(TRUSTED_PROXIES=proxies), "E003")


# E012: no share.


@pytest.mark.parametrize("share", [-0.1, 1.1, "1", None, True, float("nan")])
def test_a_share_that_is_none(found, share):
    text = only(found(ACCESS={"shop.order": share}), "E012")
    assert f"gives 'shop.order' the share {share!r}" in text


def test_a_share_of_models_that_do_not_exist(found):
    assert "'shop.odrer'" in only(found(ACCESS={"shop.odrer": 1}), "W001")


# W006: Celery came too late.


def test_celery_that_was_imported_late(found, monkeypatch):
    monkeypatch.setitem(sys.modules, "celery.app", sys)
    monkeypatch.delitem(sys.modules, "trailkeeper.contrib.celery", raising=False)
    assert "'on'" in only(found(), "W006")
    assert found(CELERY="off") == []
    monkeypatch.setitem(sys.modules, "trailkeeper.contrib.celery", sys)
    assert found() == []
