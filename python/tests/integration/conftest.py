"""A trail with rows that the test gives, for the tests that read."""

import sys
from collections.abc import Iterator
from typing import Any

import pytest
from tests.integration import fake_trail

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
