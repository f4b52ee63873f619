"""Unit tests do not depend on what others have imported."""

import sys

import pytest


@pytest.fixture(autouse=True)
def no_celery(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that does not use Celery: that it came too late is what W006 says."""
    monkeypatch.delitem(sys.modules, "celery.app", raising=False)
