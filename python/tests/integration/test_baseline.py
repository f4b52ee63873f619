"""The baseline: rows that were there before Trailkeeper."""

import os
import signal
import time
from collections import Counter
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, transaction
from django.utils import timezone
from tests.integration.processes import fork
from tests.shop.models import ApiKey, Customer, Line, Note, Order, Tag

import trailkeeper
from trailkeeper import baseline as module
from trailkeeper import capture, spool
from trailkeeper.baseline import Step, baseline
from trailkeeper.conf import settings as trail_settings
from trailkeeper.exceptions import UnavailableError
from trailkeeper.reconcile import drift
from trailkeeper.tables import stored

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]


@pytest.fixture
def shop(db):
    """Rows that were there before the trail."""
    capture.uninstall()
    try:
        ada = Customer.objects.create(name="Ada")
        order = Order.objects.create(
            number="1", customer=ada, total="10.50", options={"a": [1, 1.5]}, api_token="secret"
        )
        order.tags.set([Tag.objects.create(name=name) for name in "xyz"])
        Line.objects.create(order=order, text="one")
        Note.objects.create(slug="a", body="1")
        ApiKey.objects.create(key="sk-1", owner="Ada")
        return order
    finally:
        capture.install()


def notes(count: int, body: str = "0") -> None:
    """Notes that were there before the trail."""
    capture.uninstall()
    try:
        Note.objects.bulk_create([Note(slug=f"{n:05}", body=body) for n in range(count)])
    finally:
        capture.install()


def run(**options: Any) -> Counter[str]:
    """What was recorded, by table."""
    steps = {step.model: step.recorded for step in baseline(**options)}
    return Counter({model: recorded for model, recorded in steps.items() if recorded})


def test_rows_and_links_are_recorded_as_they_stand(shop):
    assert run() == {
        "shop.customer": 1,
        "shop.order": 1,
        "shop.order_tags": 3,
        "shop.tag": 3,
        "shop.line": 1,
        "shop.note": 1,
        "shop.apikey": 1,
    }
    event = trailkeeper.history(shop).get(action="baseline")
    assert event.after == {
        "id": shop.pk,
        "number": "1",
        "customer": shop.customer_id,
        "reviewer": None,
        "total": "10.50",
        "count": 0,
        "weight": None,
        "placed_at": None,
        "due_on": None,
        "public_id": str(shop.public_id),
        "options": {"a": [1, 1.5]},
        "blob": "",
        "api_token": event.after["api_token"],
        "notes": "",
        "updated_at": event.after["updated_at"],
    }
    assert event.after["api_token"].startswith("masked:")
    assert (event.kind, event.before, event.changed, event.unavailable) == ("change", {}, [], [])
    assert (event.actor_type, event.actor_label) == ("service", "trailkeeper baseline")
    assert (event.object_label, event.database) == ("order 1", "default")
    links = trailkeeper.history(shop).filter(action="link")
    assert {link.related[0]["object_id"] for link in links} == {
        str(tag.pk) for tag in shop.tags.all()
    }
    assert all(link.data == {"baseline": True} for link in links)
    assert trailkeeper.history(shop.tags.all()[0]).count() == 2
    assert trailkeeper.history(ApiKey(key="sk-1")).get().after["owner"] == "Ada"
    assert list(drift()) == []


def test_history_starts_with_it(shop):
    then = timezone.now()
    run()
    order = Order.objects.get()
    order.total = 99
    order.save()
    with pytest.raises(Order.DoesNotExist, match="its trail begins"):
        trailkeeper.as_of(shop, then)
    assert [e.action for e in trailkeeper.history(shop).exclude(action="link")] == [
        "update",
        "baseline",
    ]
    assert list(trailkeeper.history(shop).gaps()) == []


def test_no_row_is_recorded_twice(shop):
    assert run().total() == 11
    assert run().total() == 0
    trailkeeper.flush()
    assert run().total() == 0


def test_what_the_trail_has_already_is_left_alone(shop):
    Note.objects.create(slug="new", body="1")
    Note.objects.filter(slug="a").update(body="2")
    shop.tags.add(Tag.objects.create(name="new"))
    assert run(models=["shop.note"]) == {}
    assert run(models=[Order]) == {"shop.order": 1, "shop.order_tags": 3}
    assert run().keys() == {"shop.customer", "shop.tag", "shop.line", "shop.apikey"}


def test_a_row_that_is_known_in_part_is_recorded(shop):
    partly = Order.objects.only("number").get()
    partly.number = "2"
    partly.save()
    assert run(models=[Order])["shop.order"] == 1
    assert run(models=[Order]) == {}
    assert trailkeeper.as_of(shop, timezone.now()).options == {"a": [1, 1.5]}
    run()


def test_a_dry_run_counts(shop):
    assert run(is_dry_run=True).total() == 11
    assert trailkeeper.events().count() == 0
    run()


def test_pages_and_chunks(shop, monkeypatch):
    notes(40)
    monkeypatch.setattr(stored, "PAGE", 7)
    monkeypatch.setattr(module, "CHUNK", 3)
    steps = [step for step in baseline(models=[Note]) if step.rows]
    assert steps[-1] == Step(model="shop.note", rows=41, recorded=41)
    assert [step.rows for step in steps] == [7, 14, 21, 28, 35, 41]
    assert run() == {
        "shop.customer": 1,
        "shop.order": 1,
        "shop.order_tags": 3,
        "shop.tag": 3,
        "shop.line": 1,
        "shop.apikey": 1,
    }


def test_inside_a_transaction_it_is_rolled_back_with_it():
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        notes(3)
        assert run().total() == 3
        assert run().total() == 0
        raise ZeroDivisionError
    assert trailkeeper.events().count() == 0


def test_the_application_keeps_half_of_the_spool(settings, monkeypatch):
    settings.TRAILKEEPER = {**settings.TRAILKEEPER, "SPOOL_LIMIT": 48 << 20}
    trail_settings.reset()
    notes(2000, body="x" * 30_000)
    monkeypatch.setattr(stored, "PAGE", 300)
    most = 0
    for _ in baseline():
        most = max(most, spool.recorder().usage())
    assert trailkeeper.events().filter(action="baseline").count() == 2000
    # Half of it, a page, and the segment that is being written.
    assert most < (24 + 9 + 16) << 20


def test_a_spool_that_takes_nothing_is_an_error(settings, tmp_path):
    notes(3)
    blocked = tmp_path / "a file"
    blocked.write_text("not a folder")
    settings.TRAILKEEPER = {**settings.TRAILKEEPER, "SPOOL": str(blocked / "spool")}
    trail_settings.reset()
    with pytest.raises(UnavailableError):
        run()
    settings.TRAILKEEPER = {**settings.TRAILKEEPER, "SPOOL": str(tmp_path / "spool")}
    trail_settings.reset()
    assert run().total() == 3


# While others write, and when it is killed.


def test_killed_half_way_it_goes_on(monkeypatch):
    notes(60)
    monkeypatch.setattr(module, "CHUNK", 10)

    def run_and_die():
        original = module._record
        left = iter(range(3))

        def record(*args):
            if next(left, None) is None:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*args)

        module._record = record
        run()

    _, status = os.waitpid(fork(run_and_die), 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert trailkeeper.events().filter(action="baseline").count() == 30
    assert run() == {"shop.note": 30}
    recorded = trailkeeper.events().filter(action="baseline")
    assert len(set(recorded.values_list("object_id", flat=True))) == recorded.count() == 60


class DyingBeforeTheMark:
    """A transaction whose process is killed once its events are written."""

    def __init__(self, transaction):
        self.transaction = transaction

    def __getattr__(self, name):
        return getattr(self.transaction, name)

    def __len__(self):
        return len(self.transaction)

    def commit(self):
        os.kill(os.getpid(), signal.SIGKILL)


def test_killed_before_the_mark_what_is_written_counts():
    notes(3)

    def run_and_die():
        begin = spool.begin
        spool.begin = lambda: DyingBeforeTheMark(begin())
        run()

    _, status = os.waitpid(fork(run_and_die), 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    trailkeeper.flush()
    assert trailkeeper.events().filter(action="baseline").count() == 3
    assert trailkeeper.events().count() == 3
    assert run().total() == 0


@pytest.mark.parametrize("times", range(3))
def test_killed_at_any_moment_it_records_each_row_once(times, monkeypatch):
    notes(300)
    monkeypatch.setattr(module, "CHUNK", 7)
    monkeypatch.setattr(stored, "PAGE", 50)
    killed = 0
    for number in range(1, 40):
        child = fork(run)
        time.sleep(0.04 * number + 0.01 * times)
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            break
        killed += 1
    assert killed
    run()
    recorded = trailkeeper.events().filter(action="baseline")
    assert len(set(recorded.values_list("object_id", flat=True))) == recorded.count() == 300


def test_rows_that_change_meanwhile_have_a_history_without_gaps(monkeypatch):
    notes(3000)
    monkeypatch.setattr(module, "CHUNK", 50)

    def write():
        number = 0
        until = time.monotonic() + 4
        while time.monotonic() < until:
            number += 1
            try:
                with transaction.atomic():
                    slug = f"{number * 7 % 3000:05}"
                    note = Note.objects.select_for_update().filter(slug=slug).first()
                    if note is None:
                        Note.objects.create(slug=slug, body="again")
                    elif number % 11 == 0:
                        note.delete()
                    else:
                        note.body = str(number)
                        note.save()
            except OperationalError:
                # SQLite: somebody else has written since this transaction read.
                continue

    children = [fork(write)]
    time.sleep(0.1)
    recorded = run().total()
    for child in children:
        _, status = os.waitpid(child, 0)
        assert status == 0
    trailkeeper.flush()
    assert recorded
    assert trailkeeper.events().filter(action="update").exists()
    assert list(trailkeeper.history(Note).gaps()) == []
    assert list(drift()) == []
    recorded = trailkeeper.events().filter(action="baseline")
    assert len(set(recorded.values_list("object_id", flat=True))) == recorded.count()


def test_a_row_stands_still_while_it_is_recorded(monkeypatch):
    """A writer waits: its event comes after the baseline, and starts from it."""
    notes(1)
    reached = os.pipe()
    original = module._add_rows

    def slowly(*args):
        os.write(reached[1], b"x")
        time.sleep(0.5)
        original(*args)

    monkeypatch.setattr(module, "_add_rows", slowly)

    def write():
        os.read(reached[0], 1)
        with transaction.atomic():
            # On SQLite, who reads first and then finds the database locked cannot wait.
            Note(slug="00000", body="2").save(force_update=True)

    child = fork(write)
    run()
    _, status = os.waitpid(child, 0)
    assert status == 0
    versions = trailkeeper.history((Note, "00000")).oldest_first()
    assert [(event.action, event.after["body"]) for event in versions] == [
        ("baseline", "0"),
        ("update", "2"),
    ]


# The command.


def test_the_command(shop, capsys):
    call_command("trailkeeper", "baseline", "--dry-run", "shop.note")
    assert capsys.readouterr().out.splitlines() == [
        "shop.note  1 rows, 1 to record",
        "1 rows to record",
    ]
    call_command("trailkeeper", "baseline", "--tenant", "acme", "shop.note")
    assert "1 rows recorded" in capsys.readouterr().out
    assert trailkeeper.history((Note, "a")).get().tenant == "acme"
    call_command("trailkeeper", "baseline")
    assert "10 rows recorded" in capsys.readouterr().out
    with pytest.raises(CommandError, match="no model") as error:
        call_command("trailkeeper", "baseline", "shop.nothing")
    assert error.value.returncode == 2
