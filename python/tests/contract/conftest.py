"""Django as it is without capture: what these tests hold is Django's, not ours."""

from collections.abc import Iterator

import pytest

from trailkeeper import capture


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Takes capture away for the test."""
    capture.uninstall()
    yield
    # First: capture must not wrap what the test has put there.
    monkeypatch.undo()
    capture.install()
