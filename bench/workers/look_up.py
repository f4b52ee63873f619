"""Drains a spool into the project's trail, and asks it what people ask."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Any

import django

django.setup()

from django.conf import settings  # noqa: E402
from harness.answers import answer  # noqa: E402

import trailkeeper_engine  # noqa: E402
from trailkeeper.history import history  # noqa: E402

#: What an invoice of this many events or fewer is, is asked for.
FEWEST, MOST = 3, 60


def drain(*, source: str) -> dict[str, Any]:
    """Brings all that the spool holds into the store, and merges files until there are few."""
    places = settings.TRAILKEEPER
    trail = trailkeeper_engine.Trail(places["STORE"], places["SPOOL"], source=source)
    drainer = trail.elect_drainer()
    if drainer is None:
        raise SystemExit("another process drains this spool")
    drainer.drain()
    while drainer.tidy():
        pass
    drainer.close()
    stats: dict[str, Any] = json.loads(trail.stats())
    return stats


def ask(*, rounds: int) -> dict[str, list[float]]:
    """Milliseconds of each call, by question; and how many versions the objects have."""
    trail = trailkeeper_engine.Trail(settings.TRAILKEEPER["STORE"])

    def rows(sql: str) -> Sequence[tuple[Any, ...]]:
        found: Sequence[tuple[Any, ...]] = trail.query(sql)[1]
        return found

    objects = rows(
        "SELECT object_key, count(*) FROM events WHERE model = 'billing.invoice' "
        f"GROUP BY object_key HAVING count(*) BETWEEN {FEWEST} AND {MOST} "
        "ORDER BY reverse(object_key) LIMIT 200"
    )
    tenants = rows("SELECT DISTINCT tenant FROM events WHERE tenant IS NOT NULL ORDER BY tenant")
    days = rows("SELECT DISTINCT date_trunc('day', occurred_at)::text FROM events ORDER BY 1")
    keys = [key for key, _ in objects]
    in_day = (
        "occurred_at >= '{day}'::timestamp AND occurred_at < '{day}'::timestamp + interval '1 day'"
    )
    newest = "ORDER BY occurred_at DESC, position DESC, seq DESC"
    questions: dict[str, Callable[[int], object]] = {
        "history of one object": lambda turn: rows(
            f"SELECT * FROM events WHERE object_key = '{_of(keys, turn)}' {newest}"
        ),
        "the same, by Django": lambda turn: list(
            history(("billing.invoice", _of(keys, turn).split("/")[1]))
        ),
        "how many events it has": lambda turn: rows(
            f"SELECT count(*) FROM events WHERE object_key = '{_of(keys, turn)}'"
        ),
    }
    slow: dict[str, Callable[[int], object]] = {
        "last 50 events of a tenant": lambda turn: rows(
            f"SELECT * FROM events WHERE tenant = '{_of(tenants, turn)[0]}' {newest} LIMIT 50"
        ),
        "last 50 events of all": lambda _: rows(f"SELECT * FROM events {newest} LIMIT 50"),
        "events of a day by actor": lambda turn: rows(
            "SELECT actor_label, count(*) FROM events WHERE "
            + in_day.format(day=_of(days, turn)[0])
            + " GROUP BY actor_label"
        ),
        "a text in the changes of a tenant": lambda turn: rows(
            f"SELECT seq FROM events WHERE tenant = '{_of(tenants, turn)[0]}' "
            "AND after LIKE '%Keller%' LIMIT 50"
        ),
    }
    taken = {name: _taken(question, rounds) for name, question in questions.items()}
    taken |= {name: _taken(question, max(rounds // 20, 3)) for name, question in slow.items()}
    return taken | {"versions": [float(count) for _, count in objects]}


def _of(values: Sequence[Any], turn: int) -> Any:
    return values[turn % len(values)]


def _taken(question: Callable[[int], object], rounds: int) -> list[float]:
    """Milliseconds of each call, after some that fill caches."""
    for turn in range(min(rounds, 200)):
        question(turn)
    taken = []
    for turn in range(rounds):
        start = time.perf_counter_ns()
        question(turn)
        taken.append((time.perf_counter_ns() - start) / 1e6)
    return taken


answer(drain, ask)
