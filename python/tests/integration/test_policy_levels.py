"""What each level leaves of a change, and what is known of it when it is read."""

import datetime

import pytest
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.db import connection
from django.db.models import F
from django.utils import timezone
from tests.ledger.models import Entry, Organisation, Scratch, Visit
from tests.shop.models import Customer, Note, Order, Tag

import trailkeeper
from trailkeeper import capture
from trailkeeper.capture import compilers, deletes, instances
from trailkeeper.history import UNKNOWN, UnknownValueError, diff
from trailkeeper.policy.level import Level
from trailkeeper.policy.rules import field_rule, model_rule
from trailkeeper.reconcile import Reconciliation
from trailkeeper.resolution import Trace, _examine

pytestmark = pytest.mark.django_db


@pytest.fixture
def policy(settings):
    def given(*entries, **more):
        settings.TRAILKEEPER = {**settings.TRAILKEEPER, "POLICY": list(entries), **more}

    return given


def make_entry(**values):
    return Entry.objects.create(title="a", text="b", diagnosis="flu", search=["x"], **values)


# A model that is not tracked.


def test_none_has_the_same_sql_as_without(recorded, statements, policy):
    def write():
        statements.clear()
        note = Note.objects.create(slug="a", body="x")
        note.body = "y"
        note.save()
        Note.objects.update(body=F("slug"))
        Note.objects.all().delete()
        return list(statements)

    tracked = write()
    recorded()
    policy(("shop.note", "none"))
    sent = write()
    assert recorded() == []
    for module in (compilers, deletes, instances):
        module.uninstall()
    try:
        assert sent == write()
    finally:
        capture.install()
    assert sent != tracked


def test_a_model_can_say_that_it_is_not_tracked(recorded):
    Scratch.objects.create(text="a").delete()
    assert recorded() == []


# A model of which only metadata is recorded.


def test_metadata_names_fields_and_holds_no_value(recorded):
    visit = Visit.objects.create(who="Ada", what="secret illness")
    visit.what = "another secret"
    visit.save()
    key = str(visit.pk)
    visit.delete()
    created, updated, deleted = recorded()
    assert [e["action"] for e in (created, updated, deleted)] == ["create", "update", "delete"]
    assert {e["object_id"] for e in (created, updated, deleted)} == {key}
    assert updated["changed"] == ["what"]
    assert created["unavailable"] == ["id", "what", "who"]
    assert updated["unavailable"] == ["what"]
    for event in (created, updated, deleted):
        assert "object_label" not in event
        assert not event.get("before")
        assert not event.get("after")
        assert "secret" not in str(event)


def test_a_bulk_update_of_metadata_names_fields(recorded):
    Visit.objects.bulk_create([Visit(who="a", what="x"), Visit(who="b", what="y")])
    recorded()
    Visit.objects.update(what="y")
    (event,) = recorded()
    assert event["changed"] == ["what"]
    assert not event.get("after")


def test_metadata_of_an_instance_that_was_never_loaded_is_unknown(recorded):
    visit = Visit.objects.create(who="Ada")
    recorded()
    Visit(pk=visit.pk, who="Eve").save()
    (event,) = recorded()
    assert "changed" not in event
    assert event["unavailable"] == ["id", "what", "who"]


def test_a_save_of_metadata_that_changes_nothing_leaves_nothing(recorded):
    visit = Visit.objects.create(who="Ada")
    recorded()
    visit.save()
    assert recorded() == []


# A model of which what changed is recorded.


def test_changed_holds_only_what_changed(recorded):
    entry = make_entry()
    (created,) = recorded()
    assert created["after"] == {"author": "", "id": entry.pk, "text": "b", "title": "a"}
    entry.text = "c"
    entry.save()
    (updated,) = recorded()
    assert updated["changed"] == ["text"]
    assert (updated["before"], updated["after"]) == ({"text": "b"}, {"text": "c"})
    assert updated["unavailable"] == ["search"]
    entry.delete()
    (deleted,) = recorded()
    assert deleted["before"]["text"] == "c"
    assert deleted["before"]["title"] == "a"


def test_changed_keeps_a_value_of_which_nobody_knows_whether_it_changed(recorded):
    entry = make_entry()
    recorded()
    Entry(pk=entry.pk, title="z").save()
    (event,) = recorded()
    assert event["after"]["title"] == "z"
    assert "title" in event["unavailable"]


@pytest.mark.parametrize("value", [F("author"), "c"])
def test_changed_of_a_bulk_update(recorded, value):
    entry = make_entry(author="c")
    recorded()
    Entry.objects.filter(pk=entry.pk).update(text=value)
    (event,) = recorded()
    assert (event["before"], event["after"]) == ({"text": "b"}, {"text": "c"})


# Fields.


def test_metadata_of_a_field_says_that_it_changed(recorded):
    entry = make_entry()
    recorded()
    entry.diagnosis = "measles"
    entry.save()
    (event,) = recorded()
    assert event["changed"] == ["diagnosis"]
    assert "diagnosis" in event["unavailable"]
    assert not event.get("after")
    assert "measles" not in str(event)


def test_metadata_of_json_that_changed_in_place_is_seen(recorded):
    entry = make_entry(payload={"a": 1})
    recorded()
    loaded = Entry.objects.get(pk=entry.pk)
    loaded.payload["a"] = 2
    loaded.save()
    (event,) = recorded()
    assert event["changed"] == ["payload"]


def test_none_of_a_field_is_never_looked_at(recorded):
    entry = Entry.objects.get(pk=make_entry().pk)
    recorded()
    entry.search = ["y"]
    entry.save()
    Entry.objects.update(search=["z"])
    entry.save(update_fields=["search"])
    assert recorded() == []
    entry.title = "other"
    entry.save()
    (event,) = recorded()
    assert event["changed"] == ["title"]
    assert event["unavailable"] == ["search"]


def test_none_of_a_field_is_not_encoded(recorded):
    class Odd:
        def __str__(self):
            raise AssertionError("it was looked at")

    entry = make_entry()
    recorded()
    entry.search = Odd()
    entry.title = "other"
    entry.save(update_fields=["title"])
    assert recorded()[0]["changed"] == ["title"]


def test_levels_of_links(recorded):
    one, other = make_entry(), make_entry()
    recorded()
    one.related.add(other)
    one.labels.add(Organisation.objects.create(name="t"))
    events = [e for e in recorded() if e["model"] == "ledger.entry"]
    (event,) = events
    assert (event["action"], event["changed"]) == ("link", ["related"])
    assert event["unavailable"] == ["related"]
    assert "related" not in event


def test_a_secret_stays_masked_at_every_level_that_has_values(recorded, policy):
    policy(("shop.order", "changed"))
    customer = Customer.objects.create(name="Ada")
    order = Order.objects.create(number="1", customer=customer, api_token="sesame")
    order.api_token = "other"
    order.save()
    update = recorded()[-1]
    assert update["after"]["api_token"].startswith("masked:")
    policy(("shop.order.api_token", "metadata"))
    order.api_token = "third"
    order.save()
    update = recorded()[-1]
    assert "api_token" in update["changed"]
    assert "api_token" not in update["after"]


# Which rule decides.


@pytest.mark.drift("what was not recorded before is then")
def test_the_first_entry_that_matches_decides(policy):
    policy(
        ("shop.note.body", "metadata"),
        ("shop.note", "changed"),
        ("shop.*", "full"),
        ("shop.note.slug", "none"),
    )
    body, slug = Note._meta.get_field("body"), Note._meta.get_field("slug")
    assert model_rule(Note).level is Level.CHANGED
    assert field_rule(body).level is Level.METADATA
    # Named too late: the model's entry has decided about all of its fields.
    assert field_rule(slug).level is Level.CHANGED
    assert model_rule(Customer).level is Level.FULL


def test_the_settings_win_over_the_model(policy):
    policy(("ledger.visit", "full"), ("ledger.entry.diagnosis", "full"))
    assert model_rule(Visit).level is Level.FULL
    assert field_rule(Entry._meta.get_field("diagnosis")).level is Level.FULL
    assert field_rule(Entry._meta.get_field("search")).level is Level.NONE
    assert model_rule(Entry).level is Level.CHANGED
    policy(("ledger.*", "full"))
    assert field_rule(Entry._meta.get_field("search")).level is Level.FULL


def test_policy_comes_before_exclude_and_exclude_before_the_model(policy):
    policy(EXCLUDE=["ledger.*", "shop.*"])
    assert model_rule(Visit).level is Level.NONE
    policy(("shop.note", "full"), EXCLUDE=["ledger.*", "shop.*"])
    assert model_rule(Note).level is Level.FULL
    assert model_rule(Customer).level is Level.NONE


def test_a_field_of_a_model_that_is_not_tracked_is_not_either(policy):
    policy(("shop.note.body", "full"), ("shop.*", "none"))
    assert field_rule(Note._meta.get_field("body")).level is Level.NONE


def test_everything_leaves_out_the_bookkeeping_of_django(policy):
    from django.contrib.sessions.models import Session

    policy(("*", "changed"))
    assert model_rule(Session).level is Level.NONE
    assert model_rule(Note).level is Level.CHANGED
    policy(("sessions.session", "full"))
    assert model_rule(Session).level is Level.FULL


# Reading.


def test_as_of_takes_from_older_versions_what_did_not_change():
    entry = make_entry(author="ada")
    entry.text = "c"
    entry.save()
    entry.title = "d"
    entry.save()
    then = trailkeeper.as_of(entry, timezone.now() + datetime.timedelta(seconds=1))
    assert (then.title, then.text, then.author) == ("d", "c", "ada")
    for name in ("diagnosis", "search"):
        with pytest.raises(UnknownValueError):
            getattr(then, name)


def test_as_of_does_not_give_an_old_value_of_what_has_changed_unseen(policy):
    policy(("ledger.entry", "full"))
    entry = make_entry()
    policy()
    entry.diagnosis = "measles"
    entry.save()
    then = trailkeeper.as_of(entry, timezone.now() + datetime.timedelta(seconds=1))
    assert then.title == "a"
    for name in ("diagnosis", "search"):
        with pytest.raises(UnknownValueError):
            getattr(then, name)


def test_as_of_does_not_give_what_is_not_looked_at_any_more(policy):
    policy(("ledger.entry", "full"))
    entry = make_entry()
    policy()
    entry.search = ["changed, and nobody was told"]
    entry.save()
    assert trailkeeper.history(entry).count() == 1
    then = trailkeeper.as_of(entry, timezone.now() + datetime.timedelta(seconds=1))
    with pytest.raises(UnknownValueError):
        assert then.search


def test_what_the_policy_leaves_out_is_no_gap_and_no_drift(policy):
    policy(("ledger.entry", "full"))
    entry = make_entry()
    policy()
    visit = Visit.objects.create(who="Ada")
    for text in ("c", "d"):
        entry.text = text
        entry.diagnosis = text
        entry.search = [text]
        entry.save()
        visit.what = text
        visit.save()
    entry.related.add(make_entry())
    Visit.objects.create(who="Eve").delete()
    assert list(trailkeeper.events().gaps()) == []
    found = Reconciliation(models=["ledger"])
    assert list(found) == []
    assert found.not_comparable["ledger.visit.who"] == 1
    assert found.not_comparable["ledger.entry.related"] == 1
    assert "ledger.entry.text" not in found.not_comparable


@pytest.mark.drift("a write past the trail is what is tested")
def test_what_the_policy_keeps_is_compared():
    entry = make_entry()
    Visit.objects.create(who="Ada")
    entry.title = "c"
    entry.save()
    past_the_trail("UPDATE ledger_entry SET text = 'x', diagnosis = 'y'")
    past_the_trail("DELETE FROM ledger_visit")
    found = list(Reconciliation(models=["ledger"]))
    assert [(d.kind, d.model, d.fields) for d in found] == [
        ("differs", "ledger.entry", ("text",)),
        ("left_over", "ledger.visit", ()),
    ]


def past_the_trail(sql):
    with connection.cursor() as cursor:
        cursor.cursor.execute(sql)


@pytest.mark.django_db(transaction=True)
def test_baseline_records_what_the_policy_keeps_once():
    capture.uninstall()
    try:
        entry = make_entry()
        entry.related.add(entry)
        Visit.objects.create(who="Ada")
    finally:
        capture.install()
    call_command("trailkeeper", "baseline", "ledger")
    call_command("trailkeeper", "baseline", "ledger")
    events = {e.model: e for e in trailkeeper.events().filter(action="baseline")}
    assert trailkeeper.events().filter(action="baseline").count() == 2
    # Of a link whose other side is not kept, nothing can be known before its end.
    assert not trailkeeper.events().filter(action="link").exists()
    assert events["ledger.visit"].after == {}
    assert events["ledger.visit"].unavailable == ["id", "what", "who"]
    assert "diagnosis" not in events["ledger.entry"].after
    assert events["ledger.entry"].after["title"] == "a"
    assert list(Reconciliation(models=["ledger"])) == []


def test_a_row_that_was_wholly_saved_needs_no_baseline(policy):
    policy(("shop.customer.vip", "metadata"))
    vip = "FALSE" if connection.vendor == "postgresql" else "0"
    past_the_trail(f"INSERT INTO shop_customer (name, vip) VALUES ('Ada', {vip})")
    customer = Customer.objects.get()
    customer.name = "Eve"
    customer.save()
    assert trailkeeper.history(customer)[0].after == {"id": customer.pk, "name": "Eve"}
    call_command("trailkeeper", "baseline", "shop.customer")
    assert trailkeeper.history(customer).count() == 1


def test_the_diff_of_a_hidden_value_is_unknown():
    visit = Visit.objects.create(who="Ada")
    visit.who = "Eve"
    visit.save()
    (change,) = diff(trailkeeper.history(visit)[0])
    assert change == ("who", UNKNOWN, UNKNOWN)


def test_tags_follow_their_model(recorded, policy):
    policy(("shop.order.tags", "none"))
    order = Order.objects.create(number="1", customer=Customer.objects.create(name="Ada"))
    recorded()
    order.tags.add(Tag.objects.create(name="t"))
    assert [e["model"] for e in recorded()] == ["shop.tag"]


# What is made of values elsewhere.


@pytest.mark.parametrize("pk", [None, "its own"])
def test_a_transaction_in_doubt_without_values_stays_in_doubt(pk):
    visit = Visit.objects.create(who="Ada")
    trace = Trace(
        model="ledger.visit",
        object_id=pk and str(visit.pk),
        before=None if pk is None else {},
        after={},
        occurred_at=2**52,
        record=b"",
    )
    assert _examine(trace, "default") == "unknown"


def test_a_transaction_in_doubt_is_told_by_what_changed():
    entry = make_entry()

    def verdict(before, after):
        trace = Trace(
            model="ledger.entry",
            object_id=str(entry.pk),
            before=before,
            after=after,
            occurred_at=2**52,
            record=b"",
        )
        return _examine(trace, "default")

    assert verdict({"text": "a"}, {"text": "b"}) == "committed"
    assert verdict({"text": "b"}, {"text": "c"}) == "aborted"
    assert verdict({"text": "x"}, {"text": "y"}) == "unknown"


def test_rights_are_told_as_far_as_the_policy_looks(recorded, policy, django_user_model):
    policy(("auth.user.is_staff", "none"), ("auth.user.groups", "metadata"))
    user = django_user_model.objects.create(username="ada")
    recorded()
    user.is_staff = True
    user.save()
    django_user_model.objects.update(is_staff=False)
    assert recorded() == []
    user.groups.add(Group.objects.create(name="secret society"))
    events = [e for e in recorded() if e.get("model") == "auth.user"]
    assert [e["action"] for e in events] == ["link", "permissions_changed"]
    assert not any("related" in e for e in events)


def test_the_label_of_a_target_is_left_out_too(recorded):
    visit = Visit.objects.create(who="Ada")
    recorded()
    trailkeeper.record("visit.ended", target=visit)
    (event,) = recorded()
    assert event["object_id"] == str(visit.pk)
    assert "object_label" not in event
