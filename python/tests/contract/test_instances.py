"""What `capture.instances` relies on: how Django loads, reloads and updates an instance."""

import copy
import pickle

import django
import pytest
from django.db import models
from django.db.models.sql.compiler import SQLUpdateCompiler
from tests.contract.spying import parameters, spy
from tests.shop.models import Customer, Order, Tag

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("bare")]

IS_DJANGO_6 = django.VERSION >= (6, 0)
IS_DJANGO_6_1 = django.VERSION >= (6, 1)


@pytest.fixture
def order():
    return Order.objects.create(number="1", customer=Customer.objects.create(name="Ada"))


def attnames(model):
    return [field.attname for field in model._meta.concrete_fields]


def test_from_db_has_these_parameters():
    expected = ["db", "field_names", "values"]
    assert isinstance(models.Model.__dict__["from_db"], classmethod)
    assert parameters(models.Model, "from_db") == expected + ["fetch_mode"] * IS_DJANGO_6_1


def test_refresh_from_db_has_these_parameters():
    assert parameters(models.Model, "refresh_from_db") == ["using", "fields", "from_queryset"]


def test_do_update_has_these_parameters():
    expected = ["base_qs", "using", "pk_val", "values", "update_fields", "forced_update"]
    assert parameters(models.Model, "_do_update") == expected + ["returning_fields"] * IS_DJANGO_6


def test_from_db_gets_all_fields_in_the_order_of_the_model(order, monkeypatch):
    calls = spy(monkeypatch, models.Model, "from_db")
    Order.objects.get(pk=order.pk)
    (call,) = calls
    assert call.owner is Order
    assert call.given["db"] == "default"
    assert list(call.given["field_names"]) == attnames(Order)
    assert len(call.given["values"]) == len(attnames(Order))
    assert call.given["values"][0] == order.pk
    assert call.positional == 3
    assert isinstance(call.result, Order)


@pytest.mark.parametrize("chosen", [{"only": "notes"}, {"defer": "customer"}])
def test_from_db_gets_loaded_fields_with_the_names_of_their_attributes(order, monkeypatch, chosen):
    calls = spy(monkeypatch, models.Model, "from_db")
    ((method, name),) = chosen.items()
    getattr(Order.objects, method)(name).get(pk=order.pk)
    names, values = calls[0].given["field_names"], calls[0].given["values"]
    expected = ["id", "notes"] if method == "only" else attnames(Order)
    assert list(names) == [attname for attname in expected if attname != "customer_id"]
    assert len(values) == len(names)
    assert dict(zip(names, values, strict=True))["id"] == order.pk


def test_from_db_gets_a_raw_query_in_the_order_of_the_model(monkeypatch):
    tag = Tag.objects.create(name="a")
    calls = spy(monkeypatch, models.Model, "from_db")
    list(Tag.objects.raw("SELECT name, 1 AS extra, id FROM shop_tag"))
    assert list(calls[0].given["field_names"]) == ["id", "name"]
    assert list(calls[0].given["values"]) == [tag.pk, "a"]


def test_from_db_makes_the_instances_of_related_models_too(order, monkeypatch):
    calls = spy(monkeypatch, models.Model, "from_db")
    Order.objects.select_related("customer").get(pk=order.pk)
    assert [call.owner for call in calls] == [Order, Customer]
    assert list(calls[1].given["field_names"]) == attnames(Customer)
    assert list(calls[1].given["values"]) == [order.customer_id, "Ada", False]


def test_annotations_are_not_among_the_values_of_from_db(monkeypatch):
    Tag.objects.create(name="a")
    calls = spy(monkeypatch, models.Model, "from_db")
    Tag.objects.annotate(extra=models.Value(1)).get()
    assert len(calls[0].given["values"]) == 2


def test_a_deferred_field_is_loaded_by_refresh_from_db_with_its_attribute(order, monkeypatch):
    instance = Order.objects.only("notes").get(pk=order.pk)
    calls = spy(monkeypatch, models.Model, "refresh_from_db")
    assert instance.number == "1"
    assert instance.customer_id == order.customer_id
    assert [call.given["fields"] for call in calls] == [["number"], ["customer_id"]]
    assert [call.owner for call in calls] == [instance] * 2


def test_after_refresh_from_db_the_values_are_in_the_dict_of_the_instance(order):
    Order.objects.update(notes="changed")
    order.refresh_from_db()
    assert order.__dict__["notes"] == "changed"
    assert set(attnames(Order)) <= set(order.__dict__)


def test_an_update_by_save_calls_do_update_once(order, monkeypatch):
    calls = spy(monkeypatch, models.Model, "_do_update")
    order.notes = "changed"
    order.save()
    (call,) = calls
    assert call.owner is order
    assert call.given["base_qs"].model is Order
    assert call.given["using"] == "default"
    assert call.given["pk_val"] == order.pk
    # Taken by name or position alike; Django gives all by position.
    assert call.positional == len(call.given)


def test_its_values_are_field_none_value_for_all_but_the_key_in_the_order_of_the_model(
    order, monkeypatch
):
    calls = spy(monkeypatch, models.Model, "_do_update")
    order.save()
    values = calls[0].given["values"]
    assert [field.attname for field, _, _ in values] == attnames(Order)[1:]
    assert {model for _, model, _ in values} == {None}
    as_sent = {field.attname: value for field, _, value in values}
    assert as_sent["customer_id"] == order.customer_id
    # `pre_save` has been called.
    assert as_sent["updated_at"] == order.updated_at


def test_its_values_are_those_of_update_fields(order, monkeypatch):
    calls = spy(monkeypatch, models.Model, "_do_update")
    order.notes = "changed"
    order.save(update_fields=["notes"])
    ((field, _, value),) = calls[0].given["values"]
    assert (field.attname, value) == ("notes", "changed")


@pytest.mark.parametrize("select_on_save", [False, True])
@pytest.mark.parametrize("update_fields", [None, ["notes"]])
def test_what_its_query_carries_reaches_the_compiler_and_no_other(
    order, monkeypatch, select_on_save, update_fields
):
    do_update = models.Model._do_update

    def marked(self, base_qs, *args, **kwargs):
        base_qs.query.__dict__["_mark"] = self
        return do_update(self, base_qs, *args, **kwargs)

    seen = []
    for name in ("execute_sql", "execute_returning_sql"):
        if hasattr(SQLUpdateCompiler, name):
            original = getattr(SQLUpdateCompiler, name)

            def execute(self, *args, _original=original, **kwargs):
                seen.append(self.query.__dict__.get("_mark"))
                return _original(self, *args, **kwargs)

            monkeypatch.setattr(SQLUpdateCompiler, name, execute)
    monkeypatch.setattr(models.Model, "_do_update", marked)
    monkeypatch.setattr(Order._meta, "select_on_save", select_on_save)
    order.save(update_fields=update_fields)
    assert seen
    assert all(each is order for each in seen)
    seen.clear()
    Order.objects.update(notes="of all")
    assert set(seen) == {None}


def test_its_result_says_whether_there_was_a_row(order, monkeypatch):
    calls = spy(monkeypatch, models.Model, "_do_update")
    order.save()
    order.pk = 999_999
    order.save()
    assert [bool(call.result) for call in calls] == [True, False]


def test_it_runs_the_update_inside_the_call(order, monkeypatch, django_assert_num_queries):
    def skip(*args):
        return [()] if IS_DJANGO_6 else True

    with monkeypatch.context() as patch:
        patch.setattr(models.Model, "_do_update", skip)
        with django_assert_num_queries(0):
            order.save()
    with django_assert_num_queries(1):
        order.save()


def test_an_instance_without_key_is_inserted_without_do_update(monkeypatch):
    calls = spy(monkeypatch, models.Model, "_do_update")
    Tag.objects.create(name="a")
    Tag(name="b").save()
    assert calls == []


def test_the_state_of_an_instance_is_its_own_and_goes_with_copies_of_it(order):
    order._state.__dict__["_held_by_a_test"] = [1]
    assert "_held_by_a_test" not in Order.objects.get(pk=order.pk)._state.__dict__
    for duplicate in (copy.copy(order), copy.deepcopy(order), pickle.loads(pickle.dumps(order))):
        assert duplicate._state is not order._state
        assert duplicate._state.__dict__["_held_by_a_test"] == [1]


def test_the_state_names_the_database_of_the_instance(order):
    assert order._state.db == "default"
    assert Order.objects.get(pk=order.pk)._state.db == "default"
    assert Tag(name="new")._state.db is None


def test_bulk_update_has_these_parameters_and_leaves_the_instances_as_they_were_given(order):
    assert parameters(models.QuerySet, "bulk_update") == ["objs", "fields", "batch_size"]
    order.number = "2"
    assert Order.objects.bulk_update([order], ["number"]) == 1
    assert order.__dict__["number"] == Order.objects.get().number == "2"
