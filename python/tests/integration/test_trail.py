"""From a write to a proven event: the real spool, the real store, the real proof."""

import json
import threading

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from tests.shop.models import ApiKey, Customer, Order

import trailkeeper
from trailkeeper import drainer, engine, spool
from trailkeeper.conf import settings as trail_settings
from trailkeeper.exceptions import RecordingError, TrailkeeperError
from trailkeeper.failure import losses

pytestmark = pytest.mark.django_db(transaction=True)


def actions(**filters):
    events = (
        trailkeeper.events().filter(kind="change", **filters).order_by("occurred_at", "position")
    )
    return [(event.action, event.after.get("name")) for event in events]


def verify():
    return engine.native().Trail(trail_settings.store_url).verify()


def test_a_committed_write_is_in_the_trail_before_and_after_the_drain():
    customer = Customer.objects.create(name="Ada")
    (event,) = trailkeeper.history(customer)
    assert event.seq is None
    assert event.committed_at is not None
    trailkeeper.flush()
    (drained,) = trailkeeper.history(customer)
    assert drained.seq == 0
    assert drained.event_id == event.event_id
    assert drained.after == {"id": customer.pk, "name": "Ada", "vip": False}
    assert verify() == {"verified": True, "events": 1, "root": verify()["root"], "findings": []}


def test_a_rollback_leaves_nothing():
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        Customer.objects.create(name="Ada")
        assert actions() == [("create", "Ada")]
        raise ZeroDivisionError
    assert actions() == []
    trailkeeper.flush()
    assert actions() == []


def test_a_savepoint_takes_its_events_with_it():
    with transaction.atomic():
        Customer.objects.create(name="kept")
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            Customer.objects.create(name="lost")
            raise ZeroDivisionError
        Customer.objects.create(name="kept too")
    trailkeeper.flush()
    assert actions() == [("create", "kept"), ("create", "kept too")]
    ids = {event.transaction_id for event in trailkeeper.events()}
    assert len(ids) == 1


def test_a_connection_that_is_closed_in_a_transaction_takes_its_events_with_it():
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        Customer.objects.create(name="lost")
        connection.close()
        raise ZeroDivisionError
    with transaction.atomic():
        Customer.objects.create(name="kept")
    assert actions() == [("create", "kept")]


def test_manual_transactions_are_followed():
    transaction.set_autocommit(False)
    try:
        Customer.objects.create(name="lost")
        transaction.rollback()
        Customer.objects.create(name="kept")
        transaction.commit()
    finally:
        transaction.set_autocommit(True)
    assert actions() == [("create", "kept")]


def test_what_a_manual_transaction_commits_after_a_failed_statement():
    customer = Customer.objects.create(name="Ada")
    transaction.set_autocommit(False)
    try:
        Customer.objects.create(name="first")
        with pytest.raises(IntegrityError):
            Customer(pk=customer.pk, name="second").save(force_insert=True)
        transaction.commit()
    finally:
        transaction.set_autocommit(True)
    stored = {customer.name for customer in Customer.objects.all()}
    # PostgreSQL rolls back, others commit what came before.
    assert {name for _, name in actions()} == stored


def test_hooks_that_raise_change_nothing():
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        transaction.on_commit(lambda: 1 / 0)
        Customer.objects.create(name="Ada")
    assert actions() == [("create", "Ada")]


def test_an_open_transaction_is_seen_by_its_own_connection_only():
    seen = []

    def look():
        seen.append(trailkeeper.events().count())
        connection.close()

    with transaction.atomic():
        Customer.objects.create(name="Ada")
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
        assert trailkeeper.events().count() == 1
    assert seen == [0]


def test_a_large_transaction_spills_and_is_whole():
    with transaction.atomic():
        Customer.objects.bulk_create([Customer(name="x" * 90) for _ in range(20_000)])
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            Customer.objects.bulk_create([Customer(name="lost") for _ in range(20_000)])
            raise ZeroDivisionError
        Customer.objects.create(name="last")
    trailkeeper.flush()
    assert trailkeeper.events().count() == 20_001
    assert not trailkeeper.events().filter(after__contains={"name": "lost"}).exists()
    assert verify()["verified"]


def test_an_object_with_a_secret_key_has_a_history():
    token = ApiKey.objects.create(key="sk-4711", owner="Ada")
    token.owner = "Grace"
    token.save()
    events = trailkeeper.history(token).order_by("occurred_at")
    assert [event.action for event in events] == ["create", "update"]
    assert events[0].object_id.startswith("masked:")
    assert "sk-4711" not in str(events.values())
    assert trailkeeper.history(("shop.apikey", "sk-4711")).count() == 2
    assert trailkeeper.history((ApiKey, events[0].object_id)).count() == 2


def test_as_of_gives_the_object_as_it_was():
    customer = Customer.objects.create(name="Ada")
    order = Order.objects.create(number="1", customer=customer, total="10.50", options={"a": [1]})
    then = timezone.now()
    order.total, order.options = "99", {}
    order.save()
    trailkeeper.flush()
    before = trailkeeper.as_of(order, then)
    assert (str(before.total), before.options, before.public_id) == (
        "10.50",
        {"a": [1]},
        order.public_id,
    )


def test_status_says_what_is_captured_and_where_it_goes(capsys):
    Customer.objects.create(name="Ada")
    call_command("trailkeeper", "status")
    out = capsys.readouterr().out
    assert trail_settings.store_url in out
    assert "shop.customer" in out
    assert "EXCLUDE has 'shop.ignored'" in out
    assert "1 events" in out


def test_drain_by_hand(capsys):
    Customer.objects.create(name="Ada")
    call_command("trailkeeper", "drain")
    assert "1 events brought into the store" in capsys.readouterr().out


def test_the_thread_drains_by_itself(settings):
    settings.TRAILKEEPER = {**settings.TRAILKEEPER, "DRAIN": "thread", "DRAIN_INTERVAL": 0.05}
    Customer.objects.create(name="Ada")
    trailkeeper.flush(timeout=30)
    assert trailkeeper.events().get(action="create").seq == 0
    drainer.stop()


def test_the_open_formats_are_open():
    deltalake = pytest.importorskip("deltalake")
    polars = pytest.importorskip("polars")
    customer = Customer.objects.create(name="Ada")
    customer.name = "Eve"
    customer.save()
    trailkeeper.flush()
    table = deltalake.DeltaTable(trail_settings.store_url)
    rows = table.to_pyarrow_table().sort_by("seq").to_pylist()
    assert [row["action"] for row in rows] == ["create", "update"]
    assert json.loads(rows[1]["before"]) == {"name": "Ada"}
    frame = polars.read_delta(trail_settings.store_url)
    assert frame.filter(polars.col("object_id") == str(customer.pk)).height == 2


@pytest.mark.drift("events are lost on purpose")
def test_an_unwritable_spool_does_not_stop_the_application(settings, tmp_path, caplog):
    blocked = tmp_path / "a file"
    blocked.write_text("not a folder")
    settings.TRAILKEEPER = {**settings.TRAILKEEPER, "SPOOL": str(blocked / "spool")}
    spool.reset()
    Customer.objects.create(name="Ada")
    with transaction.atomic():
        Customer.objects.create(name="Eve")
    assert Customer.objects.count() == 2
    assert losses.count == 2
    assert "could not record" in caplog.text

    settings.TRAILKEEPER = {**settings.TRAILKEEPER, "SPOOL": str(tmp_path / "spool")}
    spool.reset()
    Customer.objects.create(name="Bob")
    dropped = trailkeeper.events().get(action="events.dropped")
    assert dropped.data["count"] == 2
    assert actions() == [("create", "Bob")]


@pytest.mark.drift("its spool cannot be read")
def test_raise_fails_the_write_with_its_event(settings, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    settings.TRAILKEEPER = {
        **settings.TRAILKEEPER,
        "SPOOL": str(tmp_path / "file" / "spool"),
        "ON_FAILURE": "raise",
    }
    spool.reset()
    with pytest.raises(RecordingError), transaction.atomic():
        Customer.objects.create(name="Ada")
    with pytest.raises(RecordingError):
        Customer.objects.create(name="Eve")
    assert Customer.objects.count() == 0


@pytest.mark.drift("events are lost on purpose")
def test_a_full_spool_follows_the_policy(settings):
    settings.TRAILKEEPER = {**settings.TRAILKEEPER, "SPOOL_LIMIT": 200_000}
    spool.reset()
    for _ in range(40):
        Customer.objects.create(name="x" * 100)
        Order.objects.create(number="1", customer=Customer.objects.first(), notes="n" * 10_000)
    assert Order.objects.count() == 40
    assert losses.count > 0
    # The writer has left its segment, so that the drain makes room.
    trailkeeper.flush()
    Customer.objects.create(name="after")
    told = sum(e.data["count"] for e in trailkeeper.events().filter(action="events.dropped"))
    assert told + trailkeeper.events().filter(kind="change").count() == 81
    assert losses.count == 0


def test_a_value_that_is_too_large_is_named_and_not_kept(settings):
    settings.TRAILKEEPER = {**settings.TRAILKEEPER, "MAX_VALUE_BYTES": 1000}
    customer = Customer.objects.create(name="Ada")
    order = Order.objects.create(number="1", customer=customer, options={"x": "y" * 20_000_000})
    (event,) = trailkeeper.history(order)
    assert event.unavailable == ["options"]
    assert "options" not in event.after
    assert event.after["number"] == "1"


def test_nul_and_odd_text_come_back():
    if connection.vendor == "postgresql":
        pytest.skip("PostgreSQL itself refuses NUL in text")
    customer = Customer.objects.create(name="a\x00b\u2028\U0001f600")
    trailkeeper.flush()
    (event,) = trailkeeper.history(customer)
    assert event.after["name"] == "a\x00b\u2028\U0001f600"
    assert verify()["verified"]


def test_a_store_that_is_down_delays_and_loses_nothing(settings, tmp_path):
    store = tmp_path / "trail"
    store.write_text("a file where the folder should be")
    customer = Customer.objects.create(name="Ada")
    with pytest.raises(TrailkeeperError):
        trailkeeper.flush(timeout=1)
    store.unlink()
    trailkeeper.flush()
    assert trailkeeper.history(customer).get().seq == 0


@pytest.mark.django_db(transaction=True)
def test_an_event_that_is_too_large_to_be_held_is_written_all_the_same():
    trailkeeper.record("report.made", data={"text": "x" * 6_000_000})
    (event,) = trailkeeper.events().filter(action="report.made")
    assert len(event.data["text"]) == 6_000_000
    trailkeeper.flush()
    assert trailkeeper.events().filter(action="report.made", seq__isnull=False).count() == 1
