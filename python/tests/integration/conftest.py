"""A trail with rows that the test gives, for the tests that read."""

import sys
from collections.abc import Iterator
from typing import Any

import pytest
from tests.integration import fake_trail
from tests.shop.models import Tag

import trailkeeper
from trailkeeper import engine
from trailkeeper.backend import alias


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[fake_trail.Trail]]:
    """The alias, over the stand-in for the engine, without rows."""
    from django.db import connections

    monkeypatch.setitem(sys.modules, "trailkeeper_engine", fake_trail.module())
    monkeypatch.setattr(engine, "_trails", {})
    for kept in ("rows", "statements", "open_transactions", "opened"):
        getattr(fake_trail.Trail, kept).clear()
    was_installed = alias.ALIAS in connections.settings
    alias.install()
    yield fake_trail.Trail
    if not was_installed:
        alias.uninstall()


@pytest.fixture
def rows(fake: Any) -> Any:
    """Sets the rows of the trail."""
    return fake_trail.set_rows


@pytest.fixture
def committed(trail):
    """Gives the changes that the store has, since the last call."""
    seen = 0

    def read():
        nonlocal seen
        trailkeeper.flush()
        stored = trailkeeper.events().filter(kind="change", seq__isnull=False)
        events = list(stored.order_by("seq").values())
        new, seen = events[seen:], len(events)
        return [{**event, "data": event["data"] or {}} for event in new]

    return read


@pytest.fixture
def tags(db):
    return [Tag.objects.create(name=name) for name in ("a", "b", "c")]
