"""What the trackers of other audit packages complain of, each as a test.

Those of these complaints that are tested where the thing itself is:

- `update_fields` with a dirty attribute, which is logged though it was not saved:
  `test_capture_rows.py::test_update_fields_leaves_out_what_was_not_saved`;
- `F()`, logged as `F(count) + Value(1)`:
  `test_capture_rows.py::test_expressions_are_recorded_as_stored`;
- an earlier `on_commit` hook that raises, after which nothing is logged:
  `test_trail.py::test_hooks_that_raise_change_nothing`;
- `SET_NULL`, of which nothing is seen:
  `test_capture_rows.py::test_delete_cascades_and_sets_null`;
- the user of a token of Django REST framework, logged as nobody:
  `test_actor_apis.py::test_rest_framework_with_a_token`;
- `__str__` that raises, which costs the event or the save:
  `test_capture_requests.py::test_a_label_that_raises_costs_the_label_only`.
"""

import pytest
from django.db import IntegrityError, connections, transaction
from django.db.backends.sqlite3 import base as sqlite3
from django.http import HttpResponse
from django.test import Client
from django.urls import path
from tests.shop.models import Customer, Note, Order, Tag

import trailkeeper
from trailkeeper import drainer
from trailkeeper.history import UnknownValueError

pytestmark = pytest.mark.django_db(transaction=True)


def create(request):
    Customer.objects.create(name="Ada")
    return HttpResponse("done")


urlpatterns = [path("create/", create)]


@pytest.fixture
def order():
    return Order.objects.create(number="1", customer=Customer.objects.create(name="Ada"))


@pytest.fixture
def other(tmp_path):
    """The alias of a second database, which has customers."""
    # Made by hand, and not listed: Django's tests may connect to those only that they know.
    settings = {**connections["default"].settings_dict, "NAME": tmp_path / "other", "OPTIONS": {}}
    connections["other"] = sqlite3.DatabaseWrapper(settings, alias="other")
    try:
        with connections["other"].schema_editor() as editor:
            editor.create_model(Customer)
        yield "other"
    finally:
        connections["other"].close()
        del connections["other"]


def told(events):
    return [(event["action"], event["database"], event["after"].get("name")) for event in events]


def test_a_save_that_the_database_refuses_is_not_told(committed):
    Note.objects.create(slug="a", body="1")
    note = Note.objects.create(slug="b", body="1")
    committed()
    note.body = "2"
    with pytest.raises(IntegrityError):
        note.save(force_insert=True)
    with pytest.raises(IntegrityError):
        Note(slug="a", body="3").save(force_insert=True)
    assert committed() == []
    # What was refused is not taken for what was there.
    note.body = "4"
    note.save()
    (event,) = committed()
    assert (event["before"], event["after"]["body"]) == ({"body": "1"}, "4")


def test_created_changed_and_deleted_in_one_transaction(committed):
    with transaction.atomic():
        customer = Customer.objects.create(name="Ada")
        key = str(customer.pk)
        customer.name = "Bob"
        customer.save()
        customer.delete()
    events = committed()
    assert [(event["action"], event["object_id"]) for event in events] == [
        ("create", key),
        ("update", key),
        ("delete", key),
    ]
    assert [event["before"].get("name") for event in events] == [None, "Ada", "Bob"]
    assert [event["after"].get("name") for event in events] == ["Ada", "Bob", None]


def test_clearing_an_object_that_has_one_of_four_tags(committed, order):
    tags = [Tag.objects.create(name=name) for name in "abcd"]
    order.tags.add(tags[2])
    committed()
    order.tags.clear()
    (event,) = committed()
    assert (event["action"], event["object_id"]) == ("unlink", str(order.pk))
    assert [other["object_id"] for other in event["related"]] == [str(tags[2].pk)]


def test_a_link_that_is_added_from_the_other_side(committed, order):
    tag = Tag.objects.create(name="red")
    committed()
    tag.order_set.add(order)
    (event,) = committed()
    assert (event["action"], event["model"], event["object_id"]) == (
        "link",
        "shop.order",
        str(order.pk),
    )
    assert event["changed"] == ["tags"]
    for side in (order, tag):
        assert trailkeeper.history(side).filter(action="link").count() == 1


@pytest.mark.parametrize("kept", ["default", "other"])
def test_a_rollback_in_one_database_leaves_the_events_of_the_other(committed, other, kept):
    lost = "other" if kept == "default" else "default"
    with pytest.raises(ZeroDivisionError), transaction.atomic(using=lost):
        Customer.objects.using(lost).create(name="lost")
        with transaction.atomic(using=kept):
            Customer.objects.using(kept).create(name="kept")
        raise ZeroDivisionError
    assert told(committed()) == [("create", kept, "kept")]


def test_versions_of_one_time_have_their_order(order):
    with transaction.atomic():
        for count in range(1, 51):
            order.count = count
            order.save()
    trailkeeper.flush()
    versions = trailkeeper.history(order).filter(action="update")
    (moment,) = {version.committed_at for version in versions}
    assert [version.after["count"] for version in versions] == list(range(50, 0, -1))
    assert trailkeeper.as_of(order, moment).count == 50


@pytest.mark.parametrize(
    "kept",
    [
        {"MASK": ["shop.order.notes"]},
        {"POLICY": [("shop.order.notes", "metadata")]},
        {"POLICY": [("shop.order.notes", "none")]},
    ],
    ids=["masked", "metadata", "none"],
)
def test_a_field_that_is_not_kept_is_unknown_in_an_old_state(settings, kept):
    settings.TRAILKEEPER = {**settings.TRAILKEEPER, **kept}
    customer = Customer.objects.create(name="Ada")
    order = Order.objects.create(number="1", customer=customer, notes="at first")
    order.number = "2"
    order.notes = "not to be kept"
    order.save()
    moment = trailkeeper.history(order).filter(action="update").get().committed_at
    Order.objects.filter(pk=order.pk).update(notes="of today", number="3")
    state = trailkeeper.as_of(order, moment)
    assert state.number == "2"
    with pytest.raises(UnknownValueError):
        _ = state.notes


def test_a_store_that_is_down_costs_a_request_nothing(settings, tmp_path):
    settings.ROOT_URLCONF = __name__
    settings.TRAILKEEPER = {**settings.TRAILKEEPER, "DRAIN": "thread", "DRAIN_INTERVAL": 0.005}
    blocked = tmp_path / "trail"
    blocked.write_text("not a folder")
    response = Client().post("/create/")
    assert (response.status_code, response.content) == (200, b"done")
    drainer.stop()
    blocked.unlink()
    trailkeeper.flush()
    kinds = trailkeeper.events().filter(seq__isnull=False).order_by("occurred_at", "position")
    assert list(kinds.values_list("kind", "action")) == [
        ("change", "create"),
        ("request", "request"),
    ]
