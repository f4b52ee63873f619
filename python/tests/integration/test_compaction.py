"""The drainer merges the files that it makes; the command line merges what is there."""

import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import call_command
from tests.shop.models import Tag

import trailkeeper
from trailkeeper import drainer, engine
from trailkeeper.conf import settings as trail_settings

pytestmark = pytest.mark.django_db(transaction=True)


def write(count):
    for number in range(count):
        Tag.objects.create(name=str(number))
        trailkeeper.flush()


def files():
    return json.loads(engine.trail().stats())["files"]


def verify():
    return engine.native().Trail(trail_settings.store_url).verify()


def test_draining_by_hand_keeps_the_files_few(trail):
    write(20)
    assert files() >= 20
    call_command("trailkeeper", "drain")
    assert files() < 10
    assert trailkeeper.events().filter(kind="change", model="shop.tag").count() == 20
    assert verify()["verified"]


def test_a_merge_that_fails_is_told_once_and_costs_no_event(trail, caplog):
    write(20)
    kept = trail / "kept.parquet"
    lost = min((trail / "trail").glob("month=*/*.parquet"))
    lost.rename(kept)
    elected = engine.trail().elect_drainer()
    try:
        with caplog.at_level(logging.WARNING, "trailkeeper"):
            assert drainer.tidy(elected) is False
            Tag.objects.create(name="last")
            assert drainer.run_once(elected)["events"] == 1
            assert drainer.tidy(elected) is False
    finally:
        elected.close()
    (message,) = [record.getMessage() for record in caplog.records]
    assert "cannot merge files of the store" in message
    assert "is missing" in message
    kept.rename(lost)
    call_command("trailkeeper", "drain")
    assert files() < 10
    assert verify()["verified"]


def test_the_command_line_merges_and_proves(trail):
    write(5)
    program = Path(sys.executable).with_name("trailkeeper")

    def run(*arguments):
        command = [program, *arguments, "--store", trail_settings.store_url]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    done = run("compact")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("merged ")
    assert "nothing to merge" in run("compact").stdout
    assert run("vacuum").stdout == "deleted 0 files that were replaced\n"
    assert "deleted 0" not in run("vacuum", "--keep", "0").stdout
    done = run("verify")
    assert done.returncode == 0, done.stdout
    assert trailkeeper.events().filter(kind="change", model="shop.tag").count() == 5
