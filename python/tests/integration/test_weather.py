"""Stores that cannot be used: the application goes on, the events wait, and the log says why."""

import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from tests.shop.models import Customer

import trailkeeper
from trailkeeper import drainer, engine
from trailkeeper.conf import settings as trail_settings
from trailkeeper.exceptions import TrailkeeperError

pytestmark = pytest.mark.django_db(transaction=True)

#: More than enough for what takes milliseconds; a wait that ends here has failed.
PATIENCE = 20.0


def wait_until(is_done, what):
    """Looks until `is_done()` holds."""
    deadline = time.monotonic() + PATIENCE
    while not is_done():
        if time.monotonic() > deadline:
            pytest.fail(f"in vain: {what}")
        time.sleep(0.01)


def command_line(*arguments):
    """Runs the command `trailkeeper` on the test's store."""
    program = Path(sys.executable).with_name("trailkeeper")
    return subprocess.run(
        [program, *arguments, "--store", trail_settings.store_url],
        capture_output=True,
        text=True,
        check=False,
    )


def assert_verified():
    run = command_line("verify")
    assert (run.returncode, "VERIFIED" in run.stdout) == (0, True), run.stdout + run.stderr


def in_spool():
    """How many events wait."""
    return json.loads(engine.trail().stats())["spool"]["events"]


def names():
    """The names of the customers whose creation is in the trail, in order."""
    found = trailkeeper.events().filter(model="shop.customer", action="create")
    return [event.after["name"] for event in found.order_by("occurred_at", "position")]


@contextmanager
def mounted(folder, size):
    """A file system of its own at `folder`, in memory: one that can be full or read-only."""
    if os.geteuid() != 0:
        pytest.skip("NOT TESTED: only root may mount a file system")
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder]
    made = subprocess.run(mount, capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"NOT TESTED: no file system can be mounted here: {made.stderr.strip()}")
    try:
        yield folder
    finally:
        # Open segments stay usable for those who hold them.
        subprocess.run(["umount", "--lazy", folder], check=True)


def remount(folder, options):
    subprocess.run(["mount", "-o", f"remount,{options}", folder], check=True)


@pytest.fixture
def rounds(monkeypatch, settings):
    """Has the thread drain all the time, and counts what it tries."""
    settings.TRAILKEEPER = {**settings.TRAILKEEPER, "DRAIN": "thread", "DRAIN_INTERVAL": 0.005}
    tried = []
    run_once = drainer.run_once

    def counted(elected):
        tried.append(None)
        return run_once(elected)

    monkeypatch.setattr(drainer, "run_once", counted)
    yield tried
    drainer.stop()


def complaints(caplog):
    return [r.getMessage() for r in caplog.records if "cannot drain" in r.getMessage()]


def fails_a_few_times(rounds):
    start = len(rounds)
    wait_until(lambda: len(rounds) >= start + 5, "five rounds of the thread")


def test_a_store_that_cannot_be_made_is_told_once_and_costs_nothing(tmp_path, rounds, caplog):
    blocked = tmp_path / "trail"
    blocked.write_text("a file where the folder should be")
    Customer.objects.create(name="Ada")
    fails_a_few_times(rounds)
    Customer.objects.create(name="Eve")
    (complaint,) = complaints(caplog)
    assert f"{blocked} exists and is not a folder" in complaint
    assert f"wait in {tmp_path / 'spool'}" in complaint
    # The thread may be the drainer at this moment.
    drainer.stop()
    with pytest.raises(CommandError, match="not a folder"):
        call_command("trailkeeper", "drain")
    drainer.start()

    blocked.unlink()
    trailkeeper.flush()
    assert names() == ["Ada", "Eve"]
    assert in_spool() == 0
    assert_verified()


@pytest.mark.drift("its store is unmounted")
def test_a_read_only_store_is_read_and_the_events_wait(tmp_path, rounds, caplog):
    with mounted(tmp_path / "trail", "8m") as store:
        Customer.objects.create(name="Ada")
        trailkeeper.flush()
        remount(store, "ro")
        Customer.objects.create(name="Eve")
        fails_a_few_times(rounds)
        Customer.objects.create(name="Bob")
        assert names() == ["Ada", "Eve", "Bob"]
        assert in_spool() == 2
        (complaint,) = complaints(caplog)
        assert f"no permission to write to the store at {store}" in complaint

        remount(store, "rw")
        wait_until(lambda: in_spool() == 0, "the thread drains again by itself")
        assert names() == ["Ada", "Eve", "Bob"]
        assert_verified()


def test_a_store_that_went_away_is_not_begun_anew(tmp_path, rounds, caplog):
    Customer.objects.create(name="Ada")
    trailkeeper.flush()
    drainer.stop()
    store, elsewhere = tmp_path / "trail", tmp_path / "elsewhere"
    store.rename(elsewhere)
    Customer.objects.create(name="Eve")
    for _ in range(3):
        with pytest.raises(TrailkeeperError):
            trailkeeper.flush(timeout=1)
    with pytest.raises(CommandError):
        call_command("trailkeeper", "drain")
    assert not list(store.rglob("*.parquet"))

    shutil.rmtree(store)
    elsewhere.rename(store)
    trailkeeper.flush()
    assert names() == ["Ada", "Eve"]
    assert_verified()


@pytest.mark.drift("its store is unmounted")
def test_a_full_store_loses_nothing_and_drains_when_it_has_grown(tmp_path, rounds, caplog):
    noise = [os.urandom(50_000).hex() for _ in range(20)]
    with mounted(tmp_path / "trail", "1m") as store:
        Customer.objects.create(name="Ada")
        trailkeeper.flush()
        for text in noise:
            trailkeeper.record("report.filed", data={"text": text})
        fails_a_few_times(rounds)
        (complaint,) = complaints(caplog)
        assert f"no space left for the store at {store}" in complaint
        Customer.objects.create(name="Eve")
        assert names() == ["Ada", "Eve"]
        assert_verified()

        remount(store, "size=16m")
        wait_until(lambda: in_spool() == 0, "the thread drains again by itself")
        filed = trailkeeper.events().filter(action="report.filed").order_by("seq")
        assert [event.data["text"] for event in filed] == noise
        assert names() == ["Ada", "Eve"]
        assert_verified()
