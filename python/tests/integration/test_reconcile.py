"""Reconciliation: the tables beside the trail."""

import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.models import F
from tests.shop.models import ApiKey, Customer, Ignored, Line, Note, Order, Tag

import trailkeeper
from trailkeeper import capture
from trailkeeper.conf import settings as trail_settings
from trailkeeper.exceptions import InvalidRequestError
from trailkeeper.reconcile import Kind, Reconciliation, drift

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.drift("these tests write past the trail"),
]


def execute(sql: str, *params: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)


def found(**options: Any) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(d.kind.value, f"{d.model}/{d.object_id}", d.fields) for d in drift(**options)]


@pytest.fixture
def shop(db):
    """Rows of every kind, written through the ORM."""
    ada = Customer.objects.create(name="Ada")
    Customer.objects.bulk_create([Customer(name="Eve"), Customer(name="Bob", vip=True)])
    order = Order.objects.create(
        number="1",
        customer=ada,
        total="10.5",
        weight=0.1,
        options={"a": [1, 1.5, None]},
        blob=b"\x00\xff",
        api_token="secret",
        due_on="2026-03-01",
    )
    order.count = F("count") + 1
    order.save()
    tags = [Tag.objects.create(name=name) for name in ("x", "y", "z")]
    order.tags.set(tags)
    order.tags.remove(tags[0])
    Line.objects.create(order=order, text="one")
    Note.objects.create(slug="b", body="1")
    Note.objects.create(slug="a", body="2")
    ApiKey.objects.create(key="sk-1", owner="Ada")
    ApiKey.objects.create(key="sk-2", owner="Eve")
    Customer.objects.filter(name="Eve").delete()
    Ignored.objects.create(value=1)
    return order


@pytest.mark.parametrize("is_drained", [False, True])
def test_what_the_orm_has_written_has_no_drift(shop, is_drained):
    if is_drained:
        trailkeeper.flush()
    assert found() == []


def test_the_open_transaction_counts():
    with transaction.atomic():
        Customer.objects.create(name="Ada")
        assert found() == []


def test_a_row_that_was_changed_past_the_trail_differs(shop):
    execute("UPDATE shop_customer SET name = 'Mallory' WHERE name = 'Ada'")
    (drifted,) = drift()
    assert drifted.kind is Kind.DIFFERS
    assert drifted.changes == (("name", "Ada", "Mallory"),)
    assert drifted.event_id == trailkeeper.history(shop.customer).first().event_id
    assert str(drifted) == f"differs shop.customer/{shop.customer_id}: name"


def test_a_row_that_came_past_the_trail_is_missing(shop):
    execute("INSERT INTO shop_note (slug, body) VALUES ('psql', 'hello')")
    (drifted,) = drift()
    assert (drifted.kind, drifted.object_id, drifted.event_id) == (Kind.MISSING, "psql", None)
    assert drifted.stored == {"slug": "psql", "body": "hello"}


def test_a_row_that_went_past_the_trail_is_left_over(shop):
    execute("DELETE FROM shop_note WHERE slug = 'a'")
    (drifted,) = drift()
    assert (drifted.kind, drifted.object_id) == (Kind.LEFT_OVER, "a")
    assert drifted.recorded == {"slug": "a", "body": "2"}


def test_a_row_that_came_back_past_the_trail_is_missing(shop):
    Note.objects.get(slug="a").delete()
    execute("INSERT INTO shop_note (slug, body) VALUES ('a', 'again')")
    (drifted,) = drift()
    assert (drifted.kind, drifted.object_id) == (Kind.MISSING, "a")
    assert drifted.event_id is not None


def test_links_that_came_or_went_past_the_trail(shop):
    removed, kept, _ = Tag.objects.order_by("name")
    execute("DELETE FROM shop_order_tags WHERE tag_id = %s", kept.pk)
    execute("INSERT INTO shop_order_tags (order_id, tag_id) VALUES (%s, %s)", shop.pk, removed.pk)
    missing, left_over = drift()
    assert (missing.kind, missing.model, missing.fields) == (Kind.MISSING, "shop.order", ("tags",))
    assert missing.changes[0].new == [{"model": "shop.tag", "object_id": str(removed.pk)}]
    assert (left_over.kind, left_over.is_link) == (Kind.LEFT_OVER, True)
    assert str(left_over) == f"left_over shop.order/{shop.pk}: tags shop.tag/{kept.pk}"


def test_a_secret_is_compared_by_its_mask(shop):
    execute("UPDATE shop_order SET api_token = 'other'")
    (drifted,) = drift()
    assert drifted.fields == ("api_token",)
    assert all(value.startswith("masked:") for value in drifted.changes[0][1:])
    assert "other" not in json.dumps(drifted.as_dict())


def test_an_object_whose_key_is_a_secret(shop):
    key = connection.ops.quote_name("key")
    execute(f"DELETE FROM shop_apikey WHERE {key} = 'sk-1'")
    execute("UPDATE shop_apikey SET owner = 'Mallory'")
    execute(f"INSERT INTO shop_apikey ({key}, owner) VALUES ('sk-3', 'Mallory')")
    drifts = list(drift(models=[ApiKey]))
    assert sorted(d.kind.value for d in drifts) == ["differs", "left_over", "missing"]
    assert all(d.object_id.startswith("masked:") for d in drifts)
    reconciliation = Reconciliation(records=True)
    assert len(list(reconciliation)) == reconciliation.recorded == 3
    assert found() == []


def test_one_page_at_a_time(shop, monkeypatch):
    from trailkeeper.tables import known, stored

    Customer.objects.bulk_create([Customer(name=f"c{n}") for n in range(50)])
    shop.tags.add(*[Tag.objects.create(name=str(n)) for n in range(7)])
    for order in [Order.objects.create(number="n", customer_id=shop.customer_id) for _ in "abcde"]:
        order.tags.set(Tag.objects.all())
    Customer.objects.filter(name__in=["c7", "c8"]).delete()
    monkeypatch.setattr(stored, "PAGE", 7)
    monkeypatch.setattr(known, "PAGE", 5)
    assert found() == []
    execute("UPDATE shop_customer SET vip = %s WHERE name IN ('c3', 'c30')", True)
    execute("DELETE FROM shop_customer WHERE name IN ('c0', 'c6', 'c13', 'c49')")
    execute("DELETE FROM shop_order_tags WHERE tag_id = (SELECT max(id) FROM shop_tag)")
    kinds = [kind for kind, _, _ in found()]
    assert sorted(kinds) == ["differs"] * 2 + ["left_over"] * 10


def test_what_the_trail_does_not_know_is_not_comparable(shop):
    capture.uninstall()
    try:
        untold = Order.objects.create(number="1", customer=Customer.objects.first())
    finally:
        capture.install()
    partly = Order.objects.only("number").get(pk=untold.pk)
    partly.number = "2"
    partly.save()
    execute("UPDATE shop_order SET notes = 'past the trail' WHERE id = %s", untold.pk)
    reconciliation = Reconciliation()
    assert list(reconciliation) == []
    assert reconciliation.not_comparable["shop.order.notes"] == 1
    assert "shop.order.number" not in reconciliation.not_comparable


def test_the_models_that_are_named(shop):
    execute("UPDATE shop_customer SET name = 'Mallory'")
    execute("UPDATE shop_note SET body = 'Mallory'")
    assert {model for _, key, _ in found(models=[Note]) for model in [key.split("/")[0]]} == {
        "shop.note"
    }
    assert len(found(models=["shop"])) == len(found(models=["shop.customer", "shop.note"])) == 4
    for wrong in ("shop.nothing", "nothing", "shop.ignored"):
        with pytest.raises(InvalidRequestError):
            found(models=[wrong])
    with pytest.raises(InvalidRequestError):
        found(using="nowhere")


def test_a_row_that_changes_meanwhile_is_looked_at_again(shop, monkeypatch):
    from trailkeeper.tables.known import KnownRows

    original = KnownRows.newest
    times = iter(range(3))

    def newest(self, object_ids):
        if "shop.note" in self.models and next(times, None) is not None:
            # Between the reading of the table and that of the trail.
            Note.objects.update(body=next(bodies))
        return original(self, object_ids)

    bodies = iter("345678")
    monkeypatch.setattr(KnownRows, "newest", newest)
    reconciliation = Reconciliation(models=[Note])
    assert list(reconciliation) == []
    assert next(times, None) is None
    assert reconciliation.unsettled == 0


def test_what_never_stands_still_is_told_apart(shop, monkeypatch):
    from trailkeeper.reconcile import reconciliation as module
    from trailkeeper.tables.known import KnownRows

    original = KnownRows.newest
    bodies = iter(range(100))

    def newest(self, object_ids):
        Note.objects.filter(slug="a").update(body=str(next(bodies)))
        return original(self, object_ids)

    monkeypatch.setattr(KnownRows, "newest", newest)
    monkeypatch.setattr(module, "PAUSES", (0, 0, 0))
    reconciliation = Reconciliation(models=[Note])
    assert list(reconciliation) == []
    assert reconciliation.unsettled == 1


def test_what_a_recorded_truncate_took_is_not_left_over(shop):
    from trailkeeper.capture.transactions import capture_of

    for label, table in (("shop.note", "shop_note"), ("shop.order_tags", "shop_order_tags")):
        execute(f"DELETE FROM {table}")
        items = {"kind": "change", "action": "truncate", "outcome": "success"}
        capture_of(connection).add_event({**items, "database": "default", "model": label}, None)
    assert found() == []
    Note.objects.create(slug="a", body="again")
    shop.tags.add(*Tag.objects.all())
    assert found() == []
    assert list(trailkeeper.history((Note, "a")).gaps()) == []
    execute("DELETE FROM shop_note")
    assert [kind for kind, *_ in found()] == ["left_over"]


# What is written down.


def test_what_is_recorded_is_not_found_again_and_stays_a_gap(shop):
    removed, kept, _ = Tag.objects.order_by("name")
    execute("UPDATE shop_customer SET name = 'Mallory' WHERE name = 'Ada'")
    execute("INSERT INTO shop_note (slug, body) VALUES ('psql', 'hello')")
    execute("DELETE FROM shop_note WHERE slug = 'a'")
    execute("DELETE FROM shop_order_tags WHERE tag_id = %s", kept.pk)
    execute("INSERT INTO shop_order_tags (order_id, tag_id) VALUES (%s, %s)", shop.pk, removed.pk)
    first = Reconciliation(records=True)
    assert len(list(first)) == first.recorded == 5
    assert found() == []
    events = trailkeeper.events().filter(actor_label="trailkeeper reconcile")
    assert sorted(event.action for event in events) == [
        "baseline",
        "delete",
        "link",
        "unlink",
        "update",
    ]
    for event in events:
        assert event.reason == "found by reconciliation: written past the trail"
        assert event.data == {"found_by": "reconcile"}
        assert (event.actor_type, event.database) == ("service", "default")
    update = events.get(action="update")
    assert (update.changed, update.before) == (["name"], {"name": "Ada"})
    assert update.after == {"id": shop.customer_id, "name": "Mallory", "vip": False}
    assert update.unavailable == []
    (gap,) = trailkeeper.history(shop.customer).gaps()
    assert (gap.is_reconciled, gap.changes) == (True, (("name", "Ada", "Mallory"),))
    (gap,) = trailkeeper.history((Note, "a")).gaps()
    assert (gap.is_reconciled, gap.fields) == (True, ("body", "slug"))
    assert list(trailkeeper.history((Note, "psql")).gaps()) == []


def test_as_of_tells_what_was_known_then(shop):
    from django.utils import timezone

    execute("UPDATE shop_customer SET name = 'Mallory' WHERE name = 'Ada'")
    execute("INSERT INTO shop_note (slug, body) VALUES ('psql', 'hello')")
    then = timezone.now()
    list(Reconciliation(records=True))
    assert trailkeeper.as_of((Customer, shop.customer_id), then).name == "Ada"
    assert trailkeeper.as_of((Customer, shop.customer_id), timezone.now()).name == "Mallory"
    with pytest.raises(Note.DoesNotExist, match="is not known: its trail begins"):
        trailkeeper.as_of((Note, "psql"), then)
    assert trailkeeper.as_of((Note, "psql"), timezone.now()).body == "hello"


def test_what_came_back_is_recorded_as_a_create(shop):
    Note.objects.get(slug="a").delete()
    execute("INSERT INTO shop_note (slug, body) VALUES ('a', 'again')")
    list(Reconciliation(records=True))
    assert found() == []
    event = trailkeeper.history((Note, "a")).first()
    assert (event.action, event.after["body"]) == ("create", "again")


def test_inside_a_transaction_the_events_belong_to_it(shop):
    execute("UPDATE shop_note SET body = 'x'")
    before = trailkeeper.events().count()
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        list(Reconciliation(records=True))
        assert found() == []
        raise ZeroDivisionError
    assert trailkeeper.events().count() == before
    list(Reconciliation(records=True))


# The command.


def reconcile(*args: str) -> int:
    try:
        call_command("trailkeeper", "reconcile", *args)
    except SystemExit as error:
        return int(error.code)
    return 0


def test_the_command_finds_nothing(shop, capsys):
    assert reconcile() == 0
    out = capsys.readouterr().out
    assert "rows compared: 0 differs, 0 missing, 0 left over" in out


def test_the_command_reports_and_records(shop, capsys):
    execute("UPDATE shop_note SET body = 'x' WHERE slug = 'a'")
    execute("INSERT INTO shop_note (slug, body) VALUES ('psql', 'hello')")
    assert reconcile("shop.note") == 1
    captured = capsys.readouterr()
    assert captured.out.splitlines() == [
        "differs shop.note/a: body",
        "missing shop.note/psql",
        "3 rows compared: 1 differs, 1 missing, 0 left over",
    ]
    assert "manage.py trailkeeper baseline" in captured.err
    assert reconcile("shop.note", "--json") == 1
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[0]["changes"] == {"body": {"recorded": "2", "stored": "x"}}
    assert [line["kind"] for line in lines] == ["differs", "missing"]
    assert reconcile("--record") == 1
    assert "2 events written" in capsys.readouterr().out
    assert reconcile() == 0


@pytest.mark.parametrize("args", [["shop.nothing"], ["--database", "nowhere"]])
def test_the_command_could_not_check(args):
    with pytest.raises(CommandError, match="could not check") as error:
        call_command("trailkeeper", "reconcile", *args)
    assert error.value.returncode == 2


def test_a_trail_that_cannot_be_read_could_not_be_checked(shop, settings, tmp_path):
    settings.TRAILKEEPER = {**settings.TRAILKEEPER, "STORE": "/dev/null/trail"}
    trail_settings.reset()
    with pytest.raises(CommandError, match="could not check") as error:
        call_command("trailkeeper", "reconcile")
    assert error.value.returncode == 2


# For other projects' tests.


def test_a_test_case_fails_where_the_trail_was_passed():
    import unittest

    from django.test import TestCase

    from trailkeeper.testing import NoDriftMixin

    class Cases(NoDriftMixin, TestCase):
        def test_good(self):
            Note.objects.create(slug="a", body="1")

        def test_bad(self):
            Note.objects.create(slug="a", body="1")
            execute("UPDATE shop_note SET body = 'x'")

    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(Cases).run(result)
    assert result.testsRun == 2
    ((case, message),) = result.failures
    assert case.id().endswith("test_bad")
    assert "default: differs shop.note/a: body" in message


@pytest.mark.django_db(transaction=True)
def test_an_app_that_is_not_migrated_has_nothing_to_compare():
    with connection.schema_editor() as editor:
        editor.delete_model(Note)
    try:
        assert list(drift()) == []
    finally:
        with connection.schema_editor() as editor:
            editor.create_model(Note)
