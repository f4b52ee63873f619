"""A trail with rows that the test gives, for the tests that read; the tables beside the trail after
each test that writes.
"""

import sys
from collections.abc import Iterator
from typing import Any

import pytest
from tests.integration import fake_trail
from tests.shop.models import Tag

import trailkeeper
from trailkeeper import engine
from trailkeeper.backend import alias
from trailkeeper.testing import assert_no_drift


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


@pytest.fixture(autouse=True)
def no_drift(request: pytest.FixtureRequest, trail: Any, _django_db_marker: None) -> Iterator[None]:
    """After each test that uses the database: the trail says what the tables say.

    `@pytest.mark.drift("reason")` is for a test that writes past the trail, or leaves it unusable,
    on purpose.
    """
    names = {"db", "transactional_db"}.intersection(request.fixturenames)
    for name in names:
        # So that the rows are still there when this one is torn down.
        request.getfixturevalue(name)
    uses_database = bool(names) or request.node.get_closest_marker("django_db") is not None
    yield
    is_exempt = request.node.get_closest_marker("drift") or "fake" in request.fixturenames
    if uses_database and not is_exempt:
        assert_no_drift()
