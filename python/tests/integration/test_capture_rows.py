"""What each way of writing leaves, read from the transaction it belongs to."""

import datetime
import json
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction
from django.db.models import F
from django.db.models.sql import UpdateQuery
from tests.shapes.models import Restaurant
from tests.shop.models import Customer, Ignored, Line, Note, Order, Tag

from trailkeeper import capture
from trailkeeper.capture import instances, registry

pytestmark = pytest.mark.django_db


def make_order(**values):
    customer = Customer.objects.create(name="Ada")
    return Order.objects.create(number="1", customer=customer, **values)


def brief(events):
    return [(e["action"], e["model"], e.get("object_id"), e.get("changed")) for e in events]


def test_create_has_the_state_as_stored(recorded):
    order = make_order(total="10.5", options={"b": 1, "a": [True, None]}, blob=b"\x00\xff")
    event = recorded()[-1]
    assert (event["kind"], event["action"], event["outcome"]) == ("change", "create", "success")
    assert (event["model"], event["object_id"]) == ("shop.order", str(order.pk))
    assert event["object_label"] == "order 1"
    assert event["database"] == "default"
    assert event["after"]["total"] == "10.50"
    assert event["after"]["options"] == {"a": [True, None], "b": 1}
    assert event["after"]["blob"] == "AP8="
    assert event["after"]["customer"] == order.customer_id
    assert event["after"]["public_id"] == str(order.public_id)
    assert "before" not in event
    assert "unavailable" not in event


def test_the_state_equals_the_row_that_the_database_gives_back(recorded):
    order = make_order(
        total=Decimal("0.1"),
        weight=0.1,
        placed_at=datetime.datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=datetime.UTC),
        due_on=datetime.date(2026, 2, 3),
    )
    written = recorded()[-1]["after"]
    loaded = Order.objects.get(pk=order.pk)
    loaded.delete()
    before = recorded()[-1]["before"]
    assert before == written


def test_update_names_what_changed_and_nothing_else(recorded):
    order = Order.objects.get(pk=make_order(total=1).pk)
    recorded()
    order.total = Decimal("2")
    order.save()
    (event,) = recorded()
    assert event["action"] == "update"
    assert event["changed"] == ["total", "updated_at"]
    assert event["before"]["total"] == "1.00"
    assert event["after"]["total"] == "2.00"
    assert event["after"]["number"] == "1"


def test_update_without_a_change_leaves_nothing(recorded):
    customer = Customer.objects.create(name="Ada")
    recorded()
    Customer.objects.get(pk=customer.pk).save()
    customer.save()
    assert recorded() == []


def test_json_changed_in_place_is_seen(recorded):
    order = Order.objects.get(pk=make_order(options={"colour": "red"}).pk)
    recorded()
    order.options["colour"] = "blue"
    order.save()
    (event,) = recorded()
    assert event["before"]["options"] == {"colour": "red"}
    assert event["after"]["options"] == {"colour": "blue"}


@pytest.mark.parametrize("kind", [list, tuple])
def test_what_an_instance_is_loaded_with_stays_the_callers(recorded, kind):
    order = make_order(options={"colours": ["red"]})
    names = [field.attname for field in Order._meta.concrete_fields]
    options = {"colours": ["red"]}
    values = kind(options if name == "options" else getattr(order, name) for name in names)
    loaded = Order.from_db("default", names, values)
    assert type(values) is kind
    assert values[names.index("options")] is options
    assert loaded.options is options
    options["colours"].append("blue")
    recorded()
    loaded.save()
    (event,) = recorded()
    assert event["before"]["options"] == {"colours": ["red"]}
    assert event["after"]["options"] == {"colours": ["red", "blue"]}


def test_update_fields_leaves_out_what_was_not_saved(recorded):
    order = Order.objects.get(pk=make_order(count=1).pk)
    recorded()
    order.count = 2
    order.notes = "never saved"
    order.save(update_fields=["count"])
    (event,) = recorded()
    assert event["changed"] == ["count"]
    # What the other fields are now, this save does not know.
    assert event["after"] == {"id": order.pk, "count": 2}
    assert "unavailable" not in event


def test_deferred_fields_are_left_out(recorded):
    order = Order.objects.only("number").get(pk=make_order().pk)
    recorded()
    order.number = "2"
    order.save()
    (event,) = recorded()
    assert event["changed"] == ["number"]
    assert event["after"] == {"id": order.pk, "number": "2"}
    assert "unavailable" not in event


def test_an_instance_that_was_never_loaded_has_no_before(recorded):
    order = make_order()
    recorded()
    Order(pk=order.pk, number="9", customer=order.customer).save()
    (event,) = recorded()
    assert event["action"] == "update"
    assert event["before"] == {}
    assert "number" in event["unavailable"]
    assert event["after"]["number"] == "9"


def test_expressions_are_recorded_as_stored(recorded):
    order = make_order(count=1)
    recorded()
    order.count = F("count") + 1
    order.save()
    (event,) = recorded()
    assert event["changed"] == ["count", "updated_at"]
    assert event["after"]["count"] == 2


def test_queryset_update_is_expanded_into_rows(recorded):
    first, second = make_order(count=1), make_order(count=5)
    recorded()
    Order.objects.filter(count__gte=1).update(count=F("count") * 2, notes="doubled")
    events = recorded()
    assert {(e["object_id"], e["before"]["count"], e["after"]["count"]) for e in events} == {
        (str(first.pk), 1, 2),
        (str(second.pk), 5, 10),
    }


def test_bulk_create_and_bulk_update(recorded):
    order = make_order()
    recorded()
    lines = Line.objects.bulk_create([Line(order=order, text=text) for text in "ab"])
    events = recorded()
    assert [event["after"]["text"] for event in events] == ["a", "b"]
    assert [event["object_id"] for event in events] == [str(line.pk) for line in lines]
    for line in lines:
        line.text += "!"
    Line.objects.bulk_update(lines, ["text"])
    assert [event["after"]["text"] for event in recorded()] == ["a!", "b!"]


def test_delete_cascades_and_sets_null(recorded):
    order = make_order()
    reviewer = Customer.objects.create(name="Rev")
    order.reviewer = reviewer
    order.save()
    Line.objects.create(order=order, text="a")
    recorded()
    reviewer.delete()
    events = recorded()
    assert ("update", "shop.order", str(order.pk), ["reviewer"]) in brief(events)
    order.customer.delete()
    actions = {(e["action"], e["model"]) for e in recorded()}
    assert actions == {
        ("delete", "shop.customer"),
        ("delete", "shop.order"),
        ("delete", "shop.line"),
    }


def test_links_name_the_field_and_the_other_side(recorded):
    order = make_order()
    red, blue = (Tag.objects.create(name=name) for name in ("red", "blue"))
    recorded()
    order.tags.add(red, blue)
    order.tags.add(red)
    order.tags.set([blue])
    blue.order_set.clear()
    events = recorded()
    told = [(e["action"], e["related"][0]["object_id"]) for e in events]
    # Django takes the keys of one `add()` from a set.
    assert sorted(told[:2]) + told[2:] == [
        ("link", str(red.pk)),
        ("link", str(blue.pk)),
        ("unlink", str(red.pk)),
        ("unlink", str(blue.pk)),
    ]
    for event in events:
        assert (event["model"], event["object_id"]) == ("shop.order", str(order.pk))
        assert event["changed"] == ["tags"]
        assert event["related"][0]["model"] == "shop.tag"


def test_secrets_are_masked(recorded):
    order = make_order(api_token="s3cret")
    assert "s3cret" not in str(recorded())
    order.api_token = "other"
    order.save()
    (event,) = recorded()
    assert "api_token" in event["changed"]
    assert event["before"]["api_token"].startswith("masked:")
    assert event["before"]["api_token"] != event["after"]["api_token"]


def test_a_label_never_costs_a_query(recorded, django_assert_num_queries):
    order = make_order()
    line = Line.objects.create(order=order, text="a")
    loaded = Line.objects.get(pk=line.pk)
    recorded()
    with django_assert_num_queries(1):
        loaded.text = "b"
        loaded.save()
    (event,) = recorded()
    assert "object_label" not in event


@pytest.mark.parametrize("write", ["create", "update", "delete"])
def test_capture_asks_the_database_nothing_more(write, recorded, statements):
    customer = Customer.objects.create(name="Ada")
    note = Note.objects.create(slug="x", body="")
    recorded()
    statements.clear()
    if write == "create":
        Customer.objects.create(name="Bob")
    elif write == "update":
        customer.name = "Eve"
        customer.save(force_update=True)
    else:
        note.delete()
    assert len(statements) == 1
    assert len(recorded()) == 1


def test_a_failed_statement_leaves_nothing(recorded):
    Note.objects.create(slug="a", body="1")
    recorded()
    with pytest.raises(IntegrityError), transaction.atomic():
        Note.objects.create(slug="a", body="2")
    assert recorded() == []


def test_a_rolled_back_savepoint_leaves_nothing(recorded):
    customer = Customer.objects.create(name="Ada")
    recorded()
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        customer.name = "Bob"
        customer.save()
        with transaction.atomic():
            Customer.objects.create(name="Inner")
        raise ZeroDivisionError
    assert recorded() == []
    # What the instance was saved as is not what the database has.
    customer.name = "Cid"
    customer.save()
    (event,) = recorded()
    assert event["before"] == {"name": "Ada"}
    assert event["after"]["name"] == "Cid"


def test_a_released_savepoint_keeps_its_events(recorded):
    with transaction.atomic():
        Customer.objects.create(name="Ada")
    assert [event["after"]["name"] for event in recorded()] == ["Ada"]


def test_refresh_renews_what_is_known(recorded):
    customer = Customer.objects.create(name="Ada")
    Customer.objects.filter(pk=customer.pk).update(name="Bob")
    customer.refresh_from_db()
    recorded()
    customer.name = "Cid"
    customer.save()
    (event,) = recorded()
    assert event["before"] == {"name": "Bob"}


def test_text_keys(recorded):
    note = Note.objects.create(slug="caf\u00e9/1", body="x\x01")
    assert recorded()[-1]["object_id"] == "caf\u00e9/1"
    note.body = "lone \ud800 surrogate"
    with pytest.raises(UnicodeEncodeError), transaction.atomic():
        note.save()
    assert recorded() == []


def test_models_left_out_keep_their_statements(recorded, django_assert_num_queries):
    row = Ignored.objects.create()
    with django_assert_num_queries(1):
        Ignored.objects.filter(pk=row.pk).update(value=F("value") + 1)
    with django_assert_num_queries(1):
        Ignored.objects.all().delete()
    assert recorded() == []


def test_an_update_that_does_not_count_its_rows_is_recorded(recorded):
    # What a deletion with SET_DEFAULT does to the rows that referred to the object.
    order = make_order(count=1)
    recorded()
    UpdateQuery(Order).update_batch([order.pk], {"count": 0}, "default")
    assert brief(recorded()) == [("update", "shop.order", str(order.pk), ["count"])]


class Unwritable:
    def __str__(self) -> str:
        raise ValueError


class Tolerant(json.JSONEncoder):
    def default(self, o):
        return "something"


def test_a_value_that_cannot_be_encoded_costs_itself_and_no_write(recorded, monkeypatch):
    order = make_order()
    recorded()
    monkeypatch.setattr(Order._meta.get_field("options"), "encoder", Tolerant)
    order.options = {"x": Unwritable()}
    order.notes = "n"
    order.save()
    (event,) = recorded()
    assert event["after"]["notes"] == "n"
    assert event["unavailable"] == ["options"]
    order.refresh_from_db()
    assert order.options == {"x": "something"}


def test_the_label_of_a_new_object_has_its_key(recorded, monkeypatch):
    monkeypatch.setattr(Customer, "__str__", lambda self: f"customer {self.pk}")
    customer = Customer.objects.create(name="Ada")
    assert recorded()[-1]["object_label"] == f"customer {customer.pk}"


def test_a_label_that_fails_is_logged_once_a_minute(recorded, monkeypatch, caplog):
    monkeypatch.setattr(Customer, "__str__", lambda self: 1 / 0)
    for name in ("Ada", "Bob"):
        Customer.objects.create(name=name)
    assert len(recorded()) == 2
    assert len([r for r in caplog.records if "could not label" in r.message]) == 1


class Odd(dict):
    pass


@pytest.mark.parametrize(
    "options",
    [
        {"a": {"b": [1, {"c": None}]}},
        [[1.5, True], "x"],
        "text",
        {},
        pytest.param(Odd(a=[1]), marks=pytest.mark.drift("loaded as something else")),
    ],
    ids=str,
)
def test_json_that_was_loaded_is_kept_as_it_was(recorded, monkeypatch, options):
    order = make_order(options=options)
    field = Order._meta.get_field("options")
    if isinstance(options, Odd):
        monkeypatch.setattr(field, "from_db_value", lambda *_: Odd(a=[1]))
    loaded = Order.objects.get(pk=order.pk)
    recorded()
    if isinstance(loaded.options, dict):
        inner = loaded.options.setdefault("a", {})
        inner.append(2) if isinstance(inner, list) else inner.update(b="changed")
    elif isinstance(loaded.options, list):
        loaded.options[0].append("more")
    else:
        loaded.options = "other"
    loaded.save()
    (event,) = recorded()
    assert event["before"]["options"] == options
    assert event["after"]["options"] == loaded.options


def test_what_cannot_be_noted_of_a_loaded_instance_costs_nothing_else(recorded, monkeypatch):
    order = make_order()
    monkeypatch.setattr(
        Order._meta.get_field("options"), "from_db_value", lambda *_: {"x": Unwritable()}
    )
    loaded = Order.objects.get(pk=order.pk)
    recorded()
    loaded.number = "2"
    loaded.save(update_fields=["number"])
    (event,) = recorded()
    assert event["before"] == {"number": "1"}
    assert event["after"] == {"id": order.pk, "number": "2"}


def test_a_field_that_fails_costs_its_value_and_not_the_event(recorded, monkeypatch):
    def refuse(value):
        raise ValueError(value)

    order = make_order()
    recorded()
    # What brings a value of another type into the form that the database gives back.
    monkeypatch.setattr("trailkeeper.capture.fields._normaliser", lambda *_: refuse)
    registry.reset()
    order.number = 2
    order.save()
    monkeypatch.undo()
    registry.reset()
    (event,) = recorded()
    assert "number" in event["unavailable"]
    assert "number" not in event["after"]
    # So that table and trail agree again.
    Order.objects.update(number="3")


class Wordless(str):
    def __str__(self) -> str:
        return 1  # type: ignore[return-value]


def test_a_key_that_has_no_text_is_named_as_the_database_has_it(recorded, monkeypatch):
    monkeypatch.setattr(Note._meta.pk, "get_prep_value", "".join)
    Note(slug=Wordless("a"), body="x").save(force_insert=True)
    assert [event["object_id"] for event in recorded()] == ["a"]


def test_what_cannot_be_noted_of_a_loaded_instance_is_logged(recorded, monkeypatch, caplog):
    order = make_order()
    recorded()

    def refuse(model):
        raise LookupError(model)

    registry.reset()
    uninstalled = instances._plan
    capture.uninstall()
    monkeypatch.setattr(instances, "_plan", refuse)
    capture.install()
    try:
        loaded = [Order.objects.get(pk=order.pk) for _ in range(2)]
    finally:
        capture.uninstall()
        monkeypatch.setattr(instances, "_plan", uninstalled)
        capture.install()
    assert [each.number for each in loaded] == ["1", "1"]
    assert len([r for r in caplog.records if "was loaded with" in r.message]) == 1


@pytest.mark.parametrize("chosen", [["name"], ["stars"], ["id", "name"], ["name", "stars"]])
def test_an_object_of_two_tables_that_was_loaded_in_part(recorded, chosen):
    place = Restaurant.objects.create(name="Chez Ada", stars=2)
    recorded()
    loaded = Restaurant.objects.only(*chosen).get(pk=place.pk)
    loaded.stars = 3
    loaded.save(update_fields=["stars"])
    (event,) = [event for event in recorded() if event["model"] == "shapes.restaurant"]
    assert event["before"] == ({"stars": 2} if "stars" in chosen else {})
