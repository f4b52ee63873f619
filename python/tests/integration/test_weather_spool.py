"""Spools on a full disk, or with bytes that were torn or changed."""

import os

import pytest
from django.db import transaction
from tests.integration.test_kill import drain_until_settled, fork, kill
from tests.integration.test_weather import assert_verified, mounted, names
from tests.shop.models import Customer, Order

import trailkeeper
from trailkeeper import spool
from trailkeeper.exceptions import RecordingError
from trailkeeper.failure import losses

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]


def fill(folder):
    """Takes all the room that is left, and gives the file that holds it."""
    path = folder / "filler"
    with path.open("wb", buffering=0) as file:
        for size in (65_536, 4096, 512, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue
    return path


def told():
    dropped = trailkeeper.events().filter(action="events.dropped")
    return sum(event.data["count"] for event in dropped)


@pytest.mark.parametrize("is_atomic", [False, True])
@pytest.mark.drift("events are lost on purpose")
def test_on_a_full_disk_every_write_succeeds_and_every_loss_is_counted(tmp_path, caplog, is_atomic):
    with mounted(tmp_path / "spool", "1m") as folder:
        customer = Customer.objects.create(name="Ada")
        trailkeeper.flush()
        filler = fill(folder)
        for number in range(40):
            if is_atomic:
                with transaction.atomic():
                    Order.objects.create(number=str(number), customer=customer, notes="n" * 5000)
                    Customer.objects.create(name=f"with {number}")
            else:
                Order.objects.create(number=str(number), customer=customer, notes="n" * 5000)
        written = 1 + Order.objects.count() * (2 if is_atomic else 1)
        assert Order.objects.count() == 40
        assert losses.count > 0
        assert caplog.text.count("could not") == 1
        assert "no space left" in caplog.text

        filler.unlink()
        Customer.objects.create(name="after")
        drain_until_settled()
        present = trailkeeper.events().filter(kind="change").count()
        assert present + told() == written + 1
        assert present < written
        assert losses.count == 0
        assert names()[-1] == "after"
        assert_verified()
        spool.reset()


@pytest.mark.parametrize("is_atomic", [False, True])
@pytest.mark.drift("its spool is unmounted")
def test_on_a_full_disk_raise_fails_the_write_with_its_event(tmp_path, settings, is_atomic):
    settings.TRAILKEEPER = {**settings.TRAILKEEPER, "ON_FAILURE": "raise"}
    with mounted(tmp_path / "spool", "1m") as folder:
        Customer.objects.create(name="Ada")
        trailkeeper.flush()
        filler = fill(folder)
        kept = failed = 0
        for number in range(40):
            try:
                if is_atomic:
                    with transaction.atomic():
                        Customer.objects.create(name=f"{number}" + "x" * 90)
                else:
                    Customer.objects.create(name=f"{number}" + "x" * 90)
                kept += 1
            except RecordingError:
                failed += 1
        assert failed > 0
        assert Customer.objects.count() == 1 + kept

        filler.unlink()
        Customer.objects.create(name="after")
        drain_until_settled()
        stored = Customer.objects.order_by("pk").values_list("name", flat=True)
        assert names() == list(stored)
        assert told() == 0
        assert_verified()
        spool.reset()


@pytest.mark.drift("its spool is unmounted")
def test_what_finds_no_room_leaves_nothing_behind(tmp_path, settings):
    settings.TRAILKEEPER = {**settings.TRAILKEEPER, "ON_FAILURE": "raise"}
    with mounted(tmp_path / "spool", "1m") as folder:
        customer = Customer.objects.create(name="Ada")
        trailkeeper.flush()
        filler = fill(folder)
        used = spool.recorder().usage()
        for number in range(500):
            with pytest.raises(RecordingError):
                Order.objects.create(number=str(number), customer=customer, notes="n" * 5000)
        filler.unlink()
        Customer.objects.create(name="after")
        # A mark for each that was refused would be 10,000 bytes.
        assert spool.recorder().usage() - used < 5000
        drain_until_settled()
        spool.reset()


def segments(folder):
    return set((folder / "spool" / "writers").glob("*.seg"))


def dead_writer(tmp_path, prefix):
    """Lets a process write ten customers and die; gives its segment."""
    known = segments(tmp_path) if (tmp_path / "spool").exists() else set()
    read, write = os.pipe()

    def work(number):
        if number < 10:
            Customer.objects.create(name=f"{prefix}-{number}")
        elif number == 10:
            os.write(write, b".")

    child = fork(work)
    assert os.read(read, 1) == b"."
    kill(child)
    os.close(read)
    os.close(write)
    (segment,) = segments(tmp_path) - known
    return segment


def test_a_segment_torn_at_its_end_loses_only_what_was_torn(tmp_path, caplog):
    torn = dead_writer(tmp_path, "torn")
    Customer.objects.create(name="alive")
    os.truncate(torn, torn.stat().st_size - 3)
    drain_until_settled()
    # The end is the mark of the last one, which the database then answers for.
    assert names() == [*(f"torn-{n}" for n in range(10)), "alive"]
    assert caplog.text.count("was in doubt") == 1
    assert_verified()


@pytest.mark.drift("a segment is damaged on purpose")
def test_a_flipped_byte_is_told_in_the_trail_and_in_the_log(tmp_path, caplog):
    flipped = dead_writer(tmp_path, "flipped")
    Customer.objects.create(name="alive")
    data = bytearray(flipped.read_bytes())
    at = data.index(b"flipped-5")
    data[at] ^= 1
    flipped.write_bytes(data)
    drain_until_settled()
    found = names()
    assert [f"flipped-{n}" for n in range(5)] == found[:5]
    assert found[-1] == "alive"
    assert "flipped-5" not in found
    event = trailkeeper.events().get(action="spool.corrupt")
    assert event.kind == "system"
    assert event.object_id in flipped.name
    assert event.data["offset"] < at
    assert (tmp_path / "spool" / "kept" / event.data["kept"]).read_bytes() in bytes(data)
    assert caplog.text.count(event.data["fault"]) == 1
    assert_verified()
