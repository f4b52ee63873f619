"""Every test has a trail of its own; `recorded` reads what capture has encoded."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db.backends.utils import CursorWrapper

from trailkeeper import drainer, failure, spool
from trailkeeper._recorder import decode
from trailkeeper.capture import registry, transactions
from trailkeeper.conf import settings as trail_settings
from trailkeeper.failure import losses

JSON = ("before", "after", "data", "changed", "related", "unavailable")


@pytest.fixture(autouse=True)
def trail(settings: Any, tmp_path: Any) -> Iterator[Any]:
    """An empty store and an empty spool, in a folder of the test's own."""
    settings.TRAILKEEPER = {
        **settings.TRAILKEEPER,
        "STORE": str(tmp_path / "trail"),
        "SPOOL": str(tmp_path / "spool"),
    }
    _forget()
    yield tmp_path
    drainer.stop()
    _forget()


def _forget() -> None:
    trail_settings.reset()
    registry.reset()
    spool.reset()
    losses.take()
    failure._logged.clear()


def decode_event(record: bytes) -> dict[str, Any]:
    """A record as a dict, with its JSON columns read."""
    items: dict[str, Any] = decode(record)
    return {
        name: json.loads(value) if name in JSON and isinstance(value, str) else value
        for name, value in items.items()
    }


def split_records(data: bytes) -> Iterator[bytes]:
    """The records in a buffer of them."""
    while data:
        length = int.from_bytes(data[:4], "little")
        yield data[4 : 4 + length]
        data = data[4 + length :]


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """All statements sent from now on: those too that the log of queries does not list."""
    sent: list[str] = []

    def watch(name: str) -> None:
        original = getattr(CursorWrapper, name)

        def execute(self: Any, sql: str, *args: Any) -> Any:
            sent.append(sql)
            return original(self, sql, *args)

        monkeypatch.setattr(CursorWrapper, name, execute)

    watch("_execute")
    watch("_executemany")
    return sent


@pytest.fixture
def recorded(db: None) -> Callable[[], list[dict[str, Any]]]:
    """Gives the events of the test's open transaction since the last call."""
    seen = 0

    def read() -> list[dict[str, Any]]:
        nonlocal seen
        events = [
            decode_event(record)
            for _, _, data in transactions.open_transactions()
            for record in split_records(data)
        ]
        new, seen = events[seen:], len(events)
        return new

    return read
