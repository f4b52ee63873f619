"""Objects with rows in several tables, where each statement is its own transaction, or none is."""

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import F
from django.db.models.deletion import Collector
from django.db.models.functions import Upper
from tests.shapes.models import Depot, Place, Restaurant

pytestmark = pytest.mark.django_db(transaction=True)


def whole(diner, name="diner", stars=1):
    return {"id": diner.pk, "name": name, "place_ptr": diner.pk, "stars": stars}


class TestAutocommit:
    """Each statement of an update commits by itself, unless all are made one."""

    @pytest.fixture(autouse=True)
    def diner(self, trail, transactional_db, committed):
        self.diner = Restaurant.objects.create(name="diner", stars=1)
        committed()

    def test_each_write_is_one_event(self, committed):
        self.diner.name = "a"
        self.diner.save()
        self.diner.stars = 2
        self.diner.save(update_fields=["stars"])
        Restaurant.objects.update(name="b")
        Restaurant.objects.update(stars=3)
        Restaurant.objects.update(name="c", stars=4)
        Restaurant.objects.update(name=Upper("name"), stars=F("stars") + 1)
        Restaurant.objects.get().delete()
        events = committed()
        assert {event["model"] for event in events} == {"shapes.restaurant"}
        assert [(event["action"], event["changed"]) for event in events] == [
            ("update", ["name"]),
            ("update", ["stars"]),
            ("update", ["name"]),
            ("update", ["stars"]),
            ("update", ["name", "stars"]),
            ("update", ["name", "stars"]),
            ("delete", []),
        ]
        assert events[-1]["before"]["name"] == "C"

    def test_an_update_that_fails_in_between_changes_nothing(self, committed):
        Depot.objects.create(name="a", code="A", size=1)
        Depot.objects.create(name="b", code="B", size=2)
        committed()
        with pytest.raises(DatabaseError):
            # The depots' statement comes first, and succeeds.
            Depot.objects.filter(code="A").update(size=9, name=None)
        assert committed() == []
        assert Depot.objects.get(code="A").size == 1

    def test_a_save_that_fails_in_between_changes_nothing(self, committed):
        Depot.objects.create(name="a", code="A", size=1)
        other = Depot.objects.create(name="b", code="B", size=2)
        committed()
        other.name, other.size = "c", 1
        with pytest.raises(IntegrityError):
            other.save()
        assert committed() == []
        other.size = 3
        other.save()
        (event,) = committed()
        assert event["before"] == {"name": "b", "size": 2}

    @pytest.mark.drift("rows are removed past the trail")
    @pytest.mark.parametrize("takes", ["one", "all"])
    def test_what_somebody_else_has_removed_is_not_claimed(self, committed, takes):
        diner, other = self.diner, Restaurant.objects.create(name="other", stars=2)
        committed()
        taken = [diner.pk] if takes == "one" else [diner.pk, other.pk]

        def be_quicker(execute, sql, *args):
            if sql.startswith("DELETE") and "shapes_place" in sql:
                # By a cursor of its own: this one may give rows as they come.
                while taken:
                    with connection.cursor() as cursor:
                        cursor.execute("DELETE FROM shapes_place WHERE id = %s", (taken.pop(),))
            return execute(sql, *args)

        with connection.execute_wrapper(be_quicker):
            Restaurant.objects.all().delete()
        told = {e["object_id"]: e["before"] for e in committed() if e["action"] == "delete"}
        assert told == {
            str(diner.pk): {"place_ptr": diner.pk, "stars": 1},
            str(other.pk): whole(other, "other", 2)
            if takes == "one"
            else {"place_ptr": other.pk, "stars": 2},
        }

    @pytest.mark.skipif(connection.vendor == "mysql", reason="its references hold at once")
    def test_a_parent_that_goes_first_is_told_by_itself(self, committed, monkeypatch):
        def sort(self):
            self.data = dict(reversed(self.data.items()))

        # Django leaves the models of a cycle in the order in which it met them.
        monkeypatch.setattr(Collector, "sort", sort)
        key = self.diner.pk
        self.diner.delete()
        assert [(event["model"], event["before"]) for event in committed()] == [
            ("shapes.place", {"id": key, "name": "diner"}),
            ("shapes.restaurant", {"place_ptr": key, "stars": 1}),
        ]

    def test_what_stays_of_a_failed_save_in_a_manual_transaction_is_told(self, committed):
        if connection.vendor == "postgresql":
            pytest.skip("a failed statement fails the whole transaction")
        Depot.objects.create(name="a", code="A", size=1)
        other = Depot.objects.create(name="b", code="B", size=2)
        committed()
        other.name, other.size = "c", 1
        transaction.set_autocommit(False)
        try:
            with pytest.raises(IntegrityError):
                other.save()
            transaction.commit()
        finally:
            connection.needs_rollback = False
            transaction.set_autocommit(True)
        assert Depot.objects.get(code="B").name == "c"
        (event,) = committed()
        assert (event["model"], event["changed"]) == ("shapes.depot", ["name"])
        other.name, other.size = "d", 3
        other.save()
        (event,) = committed()
        assert event["before"] == {"name": "c", "size": 2}

    def test_what_is_gone_of_a_failed_delete_in_a_manual_transaction_is_told(
        self, committed, monkeypatch
    ):
        from django.db.models.sql import DeleteQuery

        delete_batch = DeleteQuery.delete_batch

        def fail(self, keys, using):
            if self.model is Place:
                raise ZeroDivisionError
            return delete_batch(self, keys, using)

        monkeypatch.setattr(DeleteQuery, "delete_batch", fail)
        transaction.set_autocommit(False)
        try:
            with pytest.raises(ZeroDivisionError):
                Restaurant.objects.get().delete()
            transaction.commit()
        finally:
            connection.needs_rollback = False
            transaction.set_autocommit(True)
        assert Place.objects.exists()
        (event,) = committed()
        assert (event["action"], event["before"]) == (
            "delete",
            {"place_ptr": self.diner.pk, "stars": 1},
        )
