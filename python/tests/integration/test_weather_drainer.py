"""A drainer that is killed at any moment: what it began is finished by the next, once."""

import os
import random
import select
import sys
import time

import pytest
from django.core.management import call_command
from django.db import connections
from tests.integration.test_kill import compare, drain_until_settled, fork, kill, write
from tests.integration.test_weather import PATIENCE, assert_verified

import trailkeeper
from trailkeeper import drainer
from trailkeeper.conf import settings as trail_settings

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]

ROUNDS = 20


def drain_forever(told, *, first):
    """Runs `manage.py trailkeeper drain --forever` in a child.

    Args:
        told: where the child writes a byte, before each round.
        first: the number of the round from which on it does.
    """
    connections.close_all()
    child = os.fork()
    if child:
        return child
    try:
        run_once = drainer.run_once
        rounds = iter(range(sys.maxsize))

        def telling(elected):
            if next(rounds) >= first:
                os.write(told, b".")
            return run_once(elected)

        drainer.run_once = telling
        call_command("trailkeeper", "drain", "--forever")
    except BaseException as error:
        sys.stderr.write(f"child: {error!r}\n")
    finally:
        os._exit(1)


def test_kill_9_of_the_drainer_brings_each_event_once(settings, capfd):
    settings.TRAILKEEPER = {**settings.TRAILKEEPER, "DRAIN_INTERVAL": 0.001}
    chance = random.Random(11)
    writer = fork(lambda number: (write("writer", number), time.sleep(0.001)))
    commits = set()
    try:
        for turn in range(ROUNDS):
            read, told = os.pipe()
            child = drain_forever(told, first=turn % 3)
            try:
                ready, _, _ = select.select([read], [], [], PATIENCE)
                assert ready, "the drainer does not start"
                time.sleep(chance.uniform(0, 0.05))
            finally:
                kill(child)
                os.close(read)
                os.close(told)
            log = os.path.join(trail_settings.store_url, "_delta_log")
            commits.add(len(os.listdir(log)) if os.path.isdir(log) else 0)
    finally:
        kill(writer)
    # The victims have drained: some were killed in between their commits.
    assert len(commits) > ROUNDS // 4, commits
    drain_until_settled()
    compare()
    ids = list(trailkeeper.events().values_list("event_id", flat=True))
    assert len(set(ids)) == len(ids)
    assert_verified()
    assert "child:" not in capfd.readouterr().err
