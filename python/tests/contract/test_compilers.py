"""What `capture.compilers` relies on: every ORM write ends in one of three compilers."""

import django
import pytest
from django.db import connections, models
from django.db.models import F, sql
from django.db.models.deletion import Collector
from django.db.models.lookups import In
from django.db.models.sql.compiler import SQLDeleteCompiler, SQLInsertCompiler, SQLUpdateCompiler
from django.db.models.sql.constants import NO_RESULTS, ROW_COUNT
from tests.contract.spying import parameters, spy
from tests.shop.models import Customer, Line, Membership, Note, Order, Tag

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("bare")]

HAS_RETURNING = django.VERSION >= (6, 0)


class Calls(dict):
    """The calls of each compiler, by what it writes."""

    def models(self):
        return {verb: [call.owner.query.model for call in calls] for verb, calls in self.items()}

    def forget(self):
        for calls in self.values():
            calls.clear()


@pytest.fixture
def calls(monkeypatch):
    noted = Calls(
        insert=spy(monkeypatch, SQLInsertCompiler, "execute_sql"),
        update=spy(monkeypatch, SQLUpdateCompiler, "execute_sql"),
        delete=spy(monkeypatch, SQLDeleteCompiler, "execute_sql"),
        returning=[],
    )
    if HAS_RETURNING:
        noted["returning"] = spy(monkeypatch, SQLUpdateCompiler, "execute_returning_sql")
    return noted


@pytest.fixture
def order():
    return Order.objects.create(number="1", customer=Customer.objects.create(name="Ada"))


def written(**models_by_verb):
    return {"insert": [], "update": [], "delete": [], "returning": [], **models_by_verb}


def test_the_compilers_have_these_methods():
    assert parameters(SQLInsertCompiler, "execute_sql") == ["returning_fields"]
    assert parameters(SQLUpdateCompiler, "execute_sql") == ["result_type"]
    assert hasattr(SQLUpdateCompiler, "execute_returning_sql") is HAS_RETURNING
    assert hasattr(SQLInsertCompiler, "execute_returning_sql") is False
    assert hasattr(SQLDeleteCompiler, "execute_returning_sql") is False


def test_deletes_inherit_theirs_from_the_compiler_of_selects():
    # Wrapping it on the class of deletes leaves selects alone, and `uninstall` removes it.
    assert "execute_sql" not in SQLDeleteCompiler.__dict__
    assert SQLDeleteCompiler.execute_sql is sql.compiler.SQLCompiler.execute_sql


@pytest.mark.parametrize(
    ("query", "compiler"),
    [
        (sql.InsertQuery, SQLInsertCompiler),
        (sql.UpdateQuery, SQLUpdateCompiler),
        (sql.DeleteQuery, SQLDeleteCompiler),
    ],
)
def test_a_query_is_compiled_by_a_class_that_has_the_wrapped_method(query, compiler):
    found = query(Tag).get_compiler("default")
    assert isinstance(found, compiler)
    assert type(found).execute_sql is compiler.execute_sql
    assert (found.using, found.connection) == ("default", connections["default"])
    assert found.query.model is Tag


def test_save_of_a_new_instance_is_one_insert(calls):
    tag = Tag(name="a")
    tag.save()
    assert calls.models() == written(insert=[Tag])
    (call,) = calls["insert"]
    assert call.owner.query.objs == [tag]
    assert call.owner.query.on_conflict is None


def test_an_insert_returns_rows_of_the_returning_fields(calls):
    tag = Tag.objects.create(name="a")
    (call,) = calls["insert"]
    assert [field.attname for field in call.owner.returning_fields] == ["id"]
    assert [tuple(row) for row in call.result] == [(tag.pk,)]


def test_an_insert_that_returns_nothing_gives_no_rows(calls):
    Note.objects.create(slug="a", body="b")
    (call,) = calls["insert"]
    assert not call.owner.returning_fields
    assert not call.result


def test_save_of_a_stored_instance_is_one_update_with_the_models_values(order, calls):
    order.notes = "changed"
    order.save()
    verb = "returning" if HAS_RETURNING else "update"
    assert calls[verb][0].owner.query.model is Order
    attnames = [field.attname for field in Order._meta.concrete_fields][1:]
    assert [field.attname for field, _, _ in calls[verb][0].owner.query.values] == attnames
    assert calls[verb][0].result in (1, [()])
    assert [verb for verb, noted in calls.items() if noted] == (
        # Where the fields to return are none it goes on to the other one.
        ["update", "returning"] if HAS_RETURNING else ["update"]
    )


@pytest.mark.skipif(not HAS_RETURNING, reason="Django has it from 6.0 on")
def test_execute_returning_sql_gives_a_row_for_each_row_updated(order, calls):
    assert parameters(SQLUpdateCompiler, "execute_returning_sql") == ["returning_fields"]
    if not connections["default"].features.can_return_rows_from_update:
        pytest.skip("this database does not return rows of updates")
    order.count = F("count") + 5
    order.save()
    (call,) = calls["returning"]
    assert [field.attname for field in call.given["returning_fields"]] == ["count"]
    assert [tuple(row) for row in call.result] == [(5,)]
    assert calls["update"] == []


@pytest.mark.skipif(not HAS_RETURNING, reason="Django has it from 6.0 on")
def test_execute_returning_sql_calls_execute_sql_of_the_same_compiler_for_no_fields(order, calls):
    order.save()
    assert calls["update"][0].owner is calls["returning"][0].owner


def test_save_of_an_instance_that_is_not_there_is_an_update_without_rows_and_an_insert(calls):
    Tag(pk=999_999, name="a").save()
    verb = "returning" if HAS_RETURNING else "update"
    assert calls[verb][0].result in (0, [])
    assert calls["insert"][0].owner.query.model is Tag


def test_update_of_a_queryset_is_one_update_with_field_model_value(order, calls):
    assert Order.objects.filter(number="1").update(notes="x", customer=order.customer) == 1
    assert calls.models() == written(update=[Order])
    (call,) = calls["update"]
    assert call.result == 1
    assert call.given["result_type"] == ROW_COUNT
    values = [(field.attname, model, value) for field, model, value in call.owner.query.values]
    assert values == [("notes", Order, "x"), ("customer_id", Order, order.customer)]
    assert order.customer.prepare_database_save(Order._meta.get_field("customer")) == (
        order.customer_id
    )


def test_an_expression_in_an_update_is_told_by_resolve_expression(order, calls):
    Order.objects.update(count=F("count") + 1)
    ((_, _, value),) = calls["update"][0].owner.query.values
    assert hasattr(value, "resolve_expression")


def test_update_batch_says_zero_whatever_it_changed(calls):
    # Deletes use it for a `SET_DEFAULT`: that result is no count of rows.
    tag = Tag.objects.create(name="a")
    sql.UpdateQuery(Tag).update_batch([tag.pk], {"name": "b"}, "default")
    (call,) = calls["update"]
    assert Tag.objects.get().name == "b"
    assert (call.given["result_type"], call.result) == (NO_RESULTS, 0)


def test_bulk_create_is_one_insert_for_each_batch(calls):
    tags = [Tag(name=str(number)) for number in range(5)]
    Tag.objects.bulk_create(tags, batch_size=3)
    assert calls.models() == written(insert=[Tag, Tag])
    assert [call.owner.query.objs for call in calls["insert"]] == [tags[:3], tags[3:]]
    if connections["default"].features.can_return_rows_from_bulk_insert:
        keys = [row[0] for call in calls["insert"] for row in call.result]
        assert keys == [tag.pk for tag in tags]


def test_bulk_create_that_may_conflict_says_so(calls):
    Tag.objects.bulk_create([Tag(name="a")], ignore_conflicts=True)
    has_target = connections["default"].features.supports_update_conflicts_with_target
    Note.objects.bulk_create(
        [Note(slug="a")],
        update_conflicts=True,
        unique_fields=["slug"] if has_target else None,
        update_fields=["body"],
    )
    conflicts = [call.owner.query.on_conflict.name for call in calls["insert"]]
    assert conflicts == ["IGNORE", "UPDATE"]


def test_bulk_update_is_an_update(calls):
    tag = Tag.objects.create(name="a")
    calls.forget()
    tag.name = "b"
    Tag.objects.bulk_update([tag], ["name"])
    assert calls.models() == written(update=[Tag])


def test_delete_cascades_in_deletes_and_updates_of_each_model(order, calls):
    Line.objects.create(order=order, text="a")
    other = Customer.objects.create(name="Bea")
    Order.objects.create(number="2", customer=other, reviewer=order.customer)
    calls.forget()
    order.customer.delete()
    noted = calls.models()
    assert noted["update"] == [Order]
    assert set(noted["delete"]) == {Line, Order, Order.tags.through, Customer, Membership}
    assert noted["delete"][-1] is Customer


def test_the_query_of_a_delete_can_be_run_as_a_select_of_its_rows(calls):
    Note.objects.create(slug="a", body="first")
    Note.objects.create(slug="b")
    Note.objects.filter(slug="a").delete()
    (call,) = calls["delete"]
    assert call.owner.query.model is Note
    select = call.owner.query.chain(klass=sql.Query)
    select.clear_ordering(force=True)
    rows = models.QuerySet(model=Note, query=select, using="default").values_list("slug", "body")
    assert list(rows) == []
    Note.objects.create(slug="a", body="again")
    assert list(rows.all()) == [("a", "again")]


def test_the_query_of_an_update_can_be_run_as_a_select_of_its_rows(calls):
    Note.objects.create(slug="a", body="first")
    Note.objects.create(slug="b")
    Note.objects.filter(slug="a").order_by("body").update(body="changed")
    select = calls["update"][0].owner.query.chain(klass=sql.Query)
    select.clear_ordering(force=True)
    rows = models.QuerySet(model=Note, query=select, using="default").values_list("slug", "body")
    assert list(rows) == [("a", "changed")]


def test_raw_delete_is_a_delete(calls):
    Tag.objects.create(name="a")
    Tag.objects.all()._raw_delete("default")
    assert calls.models()["delete"] == [Tag]


@pytest.mark.parametrize("using_set", [False, True], ids=["add", "set"])
def test_links_are_inserts_and_deletes_of_the_through_model(order, calls, using_set):
    tags = [Tag.objects.create(name=name) for name in "ab"]
    through = Order.tags.through
    calls.forget()
    if using_set:
        order.tags.set(tags)
    else:
        order.tags.add(*tags)
    assert calls.models() == written(insert=[through])
    objects = calls["insert"][0].owner.query.objs
    # Django takes the keys from a set.
    assert {(o.order_id, o.tag_id) for o in objects} == {(order.pk, tag.pk) for tag in tags}
    calls.forget()
    order.tags.remove(tags[0])
    order.tags.clear()
    assert calls.models() == written(delete=[through, through])


def test_a_select_is_none_of_them(order, calls):
    list(Order.objects.all())
    Order.objects.count()
    Order.objects.filter(pk=order.pk).exists()
    assert calls.models() == written()


def test_a_collector_deletes_what_its_data_holds_by_one_condition_on_the_keys(order, monkeypatch):
    seen = []
    delete = Collector.delete

    def watched(self):
        seen.append(self)
        return delete(self)

    conditions = []
    execute = SQLDeleteCompiler.execute_sql

    def noted(self, *args, **kwargs):
        conditions.append((self.query.model, self.query.where.children))
        return execute(self, *args, **kwargs)

    monkeypatch.setattr(Collector, "delete", watched)
    monkeypatch.setattr(SQLDeleteCompiler, "execute_sql", noted)
    line = Line.objects.create(order=order, text="a")
    key = line.pk
    line.delete()
    assert [each.using for each in seen] == ["default"]
    ((model, (condition,)),) = conditions
    assert (model, type(condition), list(condition.rhs)) == (Line, In, [key])
    assert list(seen[0].data) == [Line]
    conditions.clear()
    tags = [Tag.objects.create(name=name) for name in "ab"]
    keys = {tag.pk for tag in tags}
    found = Tag.objects.all()
    assert len(found) == 2
    found.delete()
    batches = [children for model, children in conditions if model is Tag]
    assert [set(condition.rhs) for (condition,) in batches] == [keys]
