"""Processes killed at any moment: each committed row has its event once, and each event its row."""

import os
import random
import signal
import sys
import time

import pytest
from django.db import connections, transaction
from tests.shop.models import Customer, Note

import trailkeeper
from trailkeeper import engine
from trailkeeper.capture import transactions
from trailkeeper.conf import settings as trail_settings

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]

ROUNDS = int(os.environ.get("TRAILKEEPER_KILL_ROUNDS", "200"))


def fork(work):
    """Runs `work(number)` for 0, 1, 2... in a child until it is killed."""
    connections.close_all()
    child = os.fork()
    if child:
        return child
    try:
        number = 0
        while True:
            work(number)
            number += 1
    except BaseException as error:
        sys.stderr.write(f"child: {error!r}\n")
    finally:
        os._exit(1)


def kill(child):
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), "the child must die by the signal, not by itself"


def die_between_prepare_and_commit():
    """The database is never told to commit."""
    original = transactions._originals["_commit"]

    def commit(connection):
        if transactions.capture_of(connection).in_commit:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(connection)

    transactions._originals["_commit"] = commit


def die_between_commit_and_mark():
    """The database has committed, and nobody wrote it down."""
    original = transactions._originals["_commit"]

    def commit(connection):
        result = original(connection)
        if transactions.capture_of(connection).in_commit:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    transactions._originals["_commit"] = commit


def write(name, number):
    """Autocommit, a transaction with two rows, an update: in turn."""
    if number % 3 == 0:
        Customer.objects.create(name=f"{name}/{number}")
        return
    with transaction.atomic():
        note = Note.objects.create(slug=f"{name}/{number}", body="first")
        Customer.objects.create(name=f"{name}/{number}")
        if number % 3 == 2:
            note.body = "second"
            note.save()


def compare():
    """The rows of the database against the events of the trail."""
    rows = {f"shop.customer/{c.pk}": {"name": c.name} for c in Customer.objects.all()}
    rows |= {f"shop.note/{n.pk}": {"body": n.body} for n in Note.objects.all()}
    created, states = [], {}
    for event in trailkeeper.events().filter(kind="change").order_by("occurred_at", "position"):
        if event.action == "create":
            created.append(event.object_key)
        states[event.object_key] = event.after
    assert sorted(created) == sorted(rows), "each row has one create event, and each event a row"
    for key, row in rows.items():
        assert row.items() <= states[key].items(), key
    return rows


def drain_until_settled():
    for _ in range(20):
        trailkeeper.flush()
        view = engine.trail()
        import json

        backlog = json.loads(view.stats())["spool"]
        if not backlog["events"] and not backlog["in_doubt"]:
            return
        time.sleep(0.05)
    pytest.fail(f"the spool is not settled: {backlog}")


def test_kill_9_loses_and_invents_nothing(capfd):
    survivor = fork(lambda number: (write("survivor", number), time.sleep(0.002)))
    chance = random.Random(7)
    caught = {"prepare": 0, "mark": 0}
    try:
        for turn in range(ROUNDS):
            trap = turn % 10

            def work(number, turn=turn, trap=trap):
                if number == 2 and trap == 0:
                    die_between_prepare_and_commit()
                if number == 2 and trap == 1:
                    die_between_commit_and_mark()
                write(f"victim-{turn}", number)

            child = fork(work)
            if trap in (0, 1):
                _, status = os.waitpid(child, 0)
                assert os.WTERMSIG(status) == signal.SIGKILL
                caught["prepare" if trap == 0 else "mark"] += 1
            else:
                time.sleep(chance.uniform(0.005, 0.05))
                kill(child)
            if turn % 50 == 49:
                trailkeeper.flush()
    finally:
        kill(survivor)
    drain_until_settled()
    rows = compare()
    assert len(rows) > ROUNDS
    assert caught["prepare"] >= 1
    assert caught["mark"] >= 1
    report = engine.native().Trail(trail_settings.store_url).verify()
    assert report["verified"], report
    assert "child:" not in capfd.readouterr().err


@pytest.mark.parametrize("action", ["create", "update", "delete"])
@pytest.mark.parametrize("is_committed", [True, False])
def test_a_transaction_in_doubt_is_resolved_by_the_rows(action, is_committed):
    note = Note.objects.create(slug="n", body="old")

    def work(_):
        loaded = Note.objects.get(pk="n")
        if is_committed:
            die_between_commit_and_mark()
        else:
            die_between_prepare_and_commit()
        with transaction.atomic():
            if action == "create":
                Note.objects.create(slug="m", body="new")
            elif action == "update":
                loaded.body = "new"
                loaded.save()
            else:
                loaded.delete()

    child = fork(work)
    os.waitpid(child, 0)
    drain_until_settled()
    found = trailkeeper.events().filter(action=action).exclude(object_id="n", action="create")
    assert found.count() == int(is_committed)
    compare_notes = set(Note.objects.values_list("slug", "body"))
    expected = {
        ("create", True): {("n", "old"), ("m", "new")},
        ("update", True): {("n", "new")},
        ("delete", True): set(),
    }.get((action, is_committed), {("n", "old")})
    assert compare_notes == expected
    assert note.pk == "n"


def test_an_insert_without_a_known_key_is_adopted():
    """Autocommit: the intent has no key yet, the row has."""

    def work(_):
        from trailkeeper.capture import inserts

        def die(*args, **kwargs):
            os.kill(os.getpid(), signal.SIGKILL)

        # Asked for once the row is there.
        inserts._stored = die
        Customer.objects.create(name="orphan")

    _, status = os.waitpid(fork(work), 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    customer = Customer.objects.get(name="orphan")
    drain_until_settled()
    (event,) = trailkeeper.history(customer)
    assert (event.action, event.after["name"]) == ("create", "orphan")
    assert event.actor_type == "system"
