"""Stores of somebody else: another key, another project, a newer release."""

import pytest
from django.core.management import CommandError, call_command
from django.db import Error as DatabaseError
from tests.integration.test_weather import (
    assert_verified,
    command_line,
    complaints,
    fails_a_few_times,
    in_spool,
    names,
    rounds,
)
from tests.shop.models import Customer

import trailkeeper
from trailkeeper import drainer, engine, spool
from trailkeeper.exceptions import ConflictError, CorruptDataError, InvalidRequestError

__all__ = ["rounds"]

pytestmark = pytest.mark.django_db(transaction=True)


def status(capsys):
    capsys.readouterr()
    call_command("trailkeeper", "status")
    return capsys.readouterr().out


def files(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_lost_key_stops_draining_until_it_is_restored(tmp_path, rounds, caplog, capsys):
    Customer.objects.create(name="Ada")
    trailkeeper.flush()
    path = tmp_path / "spool" / "checkpoint.key"
    key = path.read_bytes()
    # A drainer that runs has read the key: it is missed by the next one.
    drainer.stop()
    path.unlink()
    drainer.start()
    Customer.objects.create(name="Eve")
    fails_a_few_times(rounds)
    (complaint,) = complaints(caplog)
    assert f"restore that key as {path}" in complaint
    drainer.stop()
    assert names() == ["Ada", "Eve"]
    assert "waiting in the spool  1 events" in status(capsys)
    with pytest.raises(CommandError, match="restore that key"):
        call_command("trailkeeper", "drain")
    assert not path.exists()

    path.write_text("PRIVATE+KEY+nonsense")
    with pytest.raises(CorruptDataError, match="does not read"):
        trailkeeper.flush()

    path.write_bytes(key)
    call_command("trailkeeper", "drain")
    assert in_spool() == 0
    assert names() == ["Ada", "Eve"]
    assert_verified()


@pytest.mark.drift("two projects write to one database")
def test_a_second_project_is_refused_and_keeps_its_events(tmp_path, settings, capsys):
    Customer.objects.create(name="Ada")
    trailkeeper.flush()
    first = settings.TRAILKEEPER
    settings.TRAILKEEPER = {
        **first,
        "SPOOL": str(tmp_path / "other"),
        "SOURCE": "django:blog",
    }
    spool.reset()
    before = files(tmp_path / "trail")
    Customer.objects.create(name="Eve")
    with pytest.raises(ConflictError, match="belongs to django:tests"):
        trailkeeper.flush()
    with pytest.raises(CommandError, match="or use another store"):
        call_command("trailkeeper", "drain")
    assert "waiting in the spool  1 events" in status(capsys)
    assert files(tmp_path / "trail") == before

    settings.TRAILKEEPER = {**settings.TRAILKEEPER, "STORE": str(tmp_path / "own")}
    trailkeeper.flush()
    event = trailkeeper.events().get()
    assert (event.after["name"], event.source) == ("Eve", "django:blog")
    assert_verified()

    settings.TRAILKEEPER = first
    assert names() == ["Ada"]
    assert_verified()


def test_two_hosts_of_one_project_share_a_store_and_a_key(tmp_path, settings):
    Customer.objects.create(name="Ada")
    trailkeeper.flush()
    first = settings.TRAILKEEPER
    second = {**first, "SPOOL": str(tmp_path / "second")}
    (tmp_path / "second").mkdir()
    key = (tmp_path / "spool" / "checkpoint.key").read_bytes()
    (tmp_path / "second" / "checkpoint.key").write_bytes(key)
    for number in range(6):
        settings.TRAILKEEPER = first if number % 2 else second
        spool.reset()
        Customer.objects.create(name=str(number))
        trailkeeper.flush()
    assert names() == ["Ada", *"012345"]
    assert_verified()


def test_a_store_of_a_newer_format_is_left_alone(tmp_path):
    Customer.objects.create(name="Ada")
    trailkeeper.flush()
    log = tmp_path / "trail" / "_delta_log" / "00000000000000000000.json"
    text = log.read_text()
    newer = text.replace('"trailkeeper.format":"1"', '"trailkeeper.format":"7"')
    assert newer != text
    log.write_text(newer)
    before = files(tmp_path / "trail")
    engine._trails.clear()
    Customer.objects.create(name="Eve")
    with pytest.raises(DatabaseError, match="format 7"):
        list(trailkeeper.events())
    with pytest.raises(InvalidRequestError, match="format 7"):
        trailkeeper.flush()
    for subcommand in ("drain", "status"):
        with pytest.raises(CommandError, match="format 7"):
            call_command("trailkeeper", subcommand)
    for arguments in (["verify"], ["events"], ["stats"], ["history", "shop.customer", "1"]):
        run = command_line(*arguments)
        assert run.returncode == 2, arguments
        assert "format 7" in run.stderr
    assert files(tmp_path / "trail") == before

    log.write_text(text)
    engine._trails.clear()
    trailkeeper.flush()
    assert names() == ["Ada", "Eve"]
    assert_verified()
