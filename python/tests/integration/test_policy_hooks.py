"""Callables that veto or enrich, saves that change nothing, and the tenant of a row."""

import logging

import pytest
from django.db import connection, transaction
from tests.ledger.models import Asked, Organisation, Tenanted
from tests.shop.models import Customer, Note

import trailkeeper
from trailkeeper.capture import registry
from trailkeeper.reconcile import Reconciliation

pytestmark = pytest.mark.django_db


@pytest.fixture
def setting(settings):
    def given(**more):
        settings.TRAILKEEPER = {**settings.TRAILKEEPER, **more}

    return given


def vetoes_all(draft):
    return False


def raises(draft):
    raise RuntimeError("no")


def gives_a_list(draft):
    return ["x"]


def gives_too_much(draft):
    return {"text": "x" * 2000}


def gives_the_unsaid(draft):
    return {"text": "\ud800"}


DRAFTS = []


def notes(draft):
    DRAFTS.append(draft)


def writes(draft):
    if draft.model == "shop.note":
        Customer.objects.create(name="by a hook")


HERE = f"{__name__}."


# Vetoes.


@pytest.mark.drift("what is vetoed is not recorded")
def test_a_veto_leaves_that_there_was_one(recorded):
    person = Asked.objects.create(author="ada", text="one")
    robot = Asked.objects.create(author="robot", text="beep")
    created, vetoed = recorded()
    assert created["object_id"] == str(person.pk)
    assert (vetoed["kind"], vetoed["action"]) == ("system", "change.vetoed")
    assert vetoed["model"] == "ledger.asked"
    assert vetoed["data"] == {"action": "create"}
    assert not {"object_id", "object_label", "after", "before"} & vetoed.keys()
    assert "beep" not in str(vetoed)
    robot.text = "beep beep"
    robot.save()
    assert [e["action"] for e in recorded()] == ["change.vetoed"]


@pytest.mark.drift("what is vetoed is not recorded")
def test_vetoes_are_counted_by_the_trail():
    with trailkeeper.context(actor="job"):
        Asked.objects.bulk_create([Asked(author="robot") for _ in range(3)])
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        Asked.objects.create(author="robot")
        raise ZeroDivisionError
    vetoed = trailkeeper.events().filter(kind="system", action="change.vetoed")
    assert vetoed.filter(model="ledger.asked", actor_label="job").count() == 3
    assert vetoed.count() == 3


@pytest.mark.drift("what is vetoed is not recorded")
@pytest.mark.django_db(transaction=True)
def test_a_veto_in_autocommit():
    robot = Asked.objects.create(author="robot")
    robot.text = "x"
    robot.save()
    Asked.objects.filter(pk=robot.pk).update(text="y")
    vetoed = trailkeeper.events().filter(action="change.vetoed")
    assert [e.data["action"] for e in vetoed] == ["update", "update", "create"]
    assert not trailkeeper.events().filter(kind="change").exists()


@pytest.mark.drift("what is vetoed is not recorded")
def test_the_version_after_a_veto_starts_where_the_row_was(recorded):
    row = Asked.objects.create(author="ada", text="one")
    row.author, row.text = "robot", "two"
    row.save()
    recorded()
    row.author, row.text = "ada", "three"
    row.save()
    (event,) = recorded()
    assert event["before"] == {"author": "robot", "text": "two"}
    (gap,) = trailkeeper.history(row).gaps()
    assert gap.fields == ("author", "text")


@pytest.mark.drift("what is vetoed is not recorded")
def test_links_can_be_vetoed(recorded, setting):
    one, two = Asked.objects.create(author="a"), Asked.objects.create(author="b")
    recorded()
    setting(VETO={"ledger.asked": HERE + "vetoes_all"})
    one.friends.add(two)
    (event,) = recorded()
    assert (event["action"], event["data"]) == ("change.vetoed", {"action": "link"})
    assert "related" not in event


def test_what_raises_costs_neither_the_write_nor_the_event(recorded, setting, caplog):
    setting(VETO={"*": HERE + "raises"}, ENRICH={"*": HERE + "raises"})
    with caplog.at_level(logging.WARNING, "trailkeeper"):
        note = Note.objects.create(slug="a", body="x")
        note.body = "y"
        note.save()
    events = recorded()
    assert [e["action"] for e in events] == ["create", "update"]
    assert not any("data" in e for e in events)
    assert "could not veto a change of a shop.note" in caplog.text
    assert "could not enrich a change of a shop.note" in caplog.text


@pytest.mark.parametrize("path", ["tests.nowhere.at_all", HERE + "nothing", HERE + "gives_a_list"])
def test_what_gives_nothing_useful_costs_the_data_only(recorded, setting, path, caplog):
    setting(ENRICH={"shop.note": path})
    Note.objects.create(slug="a", body="x")
    (event,) = recorded()
    assert event["action"] == "create"
    assert "data" not in event
    assert "could not enrich" in caplog.text


@pytest.mark.parametrize("name", ["gives_the_unsaid", "gives_too_much"])
def test_data_that_cannot_be_held_is_left_out(recorded, setting, caplog, name):
    setting(ENRICH={"shop.note": HERE + name}, MAX_VALUE_BYTES=1000)
    Note.objects.create(slug="a", body="x")
    assert "data" not in recorded()[0]
    assert "could not enrich" in caplog.text


def test_a_hook_that_writes_is_none_of_ours_to_break(recorded, setting):
    setting(ENRICH={"shop.note": HERE + "writes"})
    Note.objects.create(slug="a", body="x")
    assert Customer.objects.filter(name="by a hook").exists()
    assert "shop.note" in {e.get("model") for e in recorded()}


test_a_hook_that_writes_is_none_of_ours_to_break = pytest.mark.drift(
    "an event that is written while another is made is counted as lost"
)(test_a_hook_that_writes_is_none_of_ours_to_break)


# Data.


def test_a_dict_goes_into_the_event(recorded):
    row = Asked.objects.create(author="ada", text="one\ntwo")
    row.text = "one"
    row.save()
    row.delete()
    assert [e.get("data") for e in recorded()] == [{"lines": 2}, {"lines": 1}, {"lines": 0}]


def test_a_draft_is_what_the_event_would_have(recorded, setting):
    DRAFTS.clear()
    setting(VETO={"shop.customer": HERE + "notes"})
    customer = Customer.objects.create(name="Ada")
    customer.name = "Eve"
    customer.save()
    create, update = DRAFTS
    assert (create.action, create.before, create.after["name"]) == ("create", None, "Ada")
    assert (update.action, update.object_id) == ("update", str(customer.pk))
    assert (update.object_label, update.database) == ("Eve", "default")
    assert (update.changed, update.before) == (["name"], {"name": "Ada"})
    assert len(recorded()) == 2


def test_a_model_without_a_callable_has_no_hook():
    from trailkeeper.policy.hooks import hook_of

    assert hook_of(Note) is None
    assert hook_of(Asked) is not None


# Saves that change nothing.


def test_a_save_that_changes_nothing_is_recorded_where_the_policy_says_so(recorded, setting):
    setting(UNCHANGED={"shop.note": "record"})
    note = Note.objects.create(slug="a", body="x")
    recorded()
    note.save()
    Note.objects.update(body="x")
    events = recorded()
    assert [e["action"] for e in events] == ["update", "update"]
    for event in events:
        assert "changed" not in event
        assert "unavailable" not in event
        assert event["after"] == {"body": "x", "slug": "a"}
    customer = Customer.objects.create(name="Ada")
    recorded()
    customer.save()
    assert recorded() == []


def test_the_settings_say_more_than_the_model_about_saves(recorded, setting):
    row = Tenanted.objects.create(text="a")
    row.save()
    assert len(recorded()) == 2
    setting(UNCHANGED={"ledger.*": "skip"})
    row.save()
    assert recorded() == []


def test_an_unchanged_save_reads_as_an_update_without_changes(setting):
    row = Tenanted.objects.create(text="a")
    row.save()
    event = trailkeeper.history(row)[0]
    assert (event.action, event.changed, event.unavailable) == ("update", [], [])


# The tenant of a row.


def test_a_row_names_its_tenant(recorded):
    one = Organisation.objects.create(name="one")
    two = Organisation.objects.create(name="two")
    recorded()
    with trailkeeper.context(tenant="outer", reason="why"):
        row = Tenanted.objects.create(organisation=one, text="a")
        row.organisation = two
        row.save()
        row.text = "b"
        row.save(update_fields=["text"])
        Tenanted.objects.update(text="c")
        row.delete()
        Tenanted.objects.create(text="of nobody")
    events = recorded()
    tenants = [str(one.pk), *[str(two.pk)] * 4, "outer"]
    assert [e["tenant"] for e in events] == tenants
    assert {e["reason"] for e in events} == {"why"}


def test_the_setting_names_the_field(recorded, setting):
    setting(TENANT_FIELD={"*": "slug"}, TENANT=lambda: "callable")
    Note.objects.create(slug="acme", body="x")
    Customer.objects.create(name="no such field")
    assert [e["tenant"] for e in recorded()] == ["acme", "callable"]


def test_baseline_names_the_tenant_of_the_row(setting):
    from django.core.management import call_command

    setting(TENANT_FIELD={"shop.note": "slug"})
    with connection.cursor() as cursor:
        cursor.cursor.execute("INSERT INTO shop_note (slug, body) VALUES ('acme', 'x')")
    with trailkeeper.context(tenant="outer"):
        call_command("trailkeeper", "baseline", "shop.note")
    (event,) = trailkeeper.history(Note)
    assert (event.action, event.tenant) == ("baseline", "acme")


@pytest.mark.drift("a write past the trail is what is tested")
def test_reconciliation_names_the_tenant_of_the_row(setting):
    setting(TENANT_FIELD={"shop.note": "slug"})
    Note.objects.create(slug="acme", body="x")
    Note.objects.create(slug="gone", body="x")
    with connection.cursor() as cursor:
        cursor.cursor.execute("UPDATE shop_note SET body = 'y' WHERE slug = 'acme'")
        cursor.cursor.execute("DELETE FROM shop_note WHERE slug = 'gone'")
    list(Reconciliation(models=["shop.note"], records=True))
    found = trailkeeper.events().filter(actor_label="trailkeeper reconcile")
    assert sorted((e.action, e.tenant) for e in found) == [("delete", "gone"), ("update", "acme")]


def test_a_model_without_a_tenant_pays_nothing():
    assert registry.tracker_of(Customer, connection.vendor).tenant is None


def test_what_an_event_says_itself_wins_over_its_context(recorded):
    with trailkeeper.context(reason="outer"):
        trailkeeper.record("a.b", reason="inner")
    (event,) = recorded()
    assert event["reason"] == "inner"
