"""What `capture.transactions` relies on: when a connection calls its own private methods."""

import pytest
from django.db import DatabaseError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.postgresql.base import DatabaseWrapper as PostgreSQL
from django.db.backends.sqlite3.base import DatabaseWrapper as SQLite
from tests.contract.spying import parameters, spy
from tests.shop.models import Tag

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("bare")]

#: Each wrapped method, with the parameters that are passed on.
WRAPPED = {
    "_commit": [],
    "_rollback": [],
    "close": [],
    "_savepoint": ["sid"],
    "_savepoint_rollback": ["sid"],
    "_savepoint_commit": ["sid"],
}


class Refused(Exception):
    pass


@pytest.fixture
def calls(monkeypatch):
    """The calls of each wrapped method, by its name, and the order of all."""
    connections["default"].ensure_connection()
    order = []
    seen = {}
    for name in WRAPPED:
        seen[name] = spy(monkeypatch, BaseDatabaseWrapper, name)
        watched = BaseDatabaseWrapper.__dict__[name]

        def note(self, *args, name=name, watched=watched):
            order.append((name, *args))
            return watched(self, *args)

        monkeypatch.setattr(BaseDatabaseWrapper, name, note)
    seen["order"] = order
    return seen


@pytest.mark.parametrize("name", WRAPPED)
def test_the_base_class_defines_it_with_these_parameters(name):
    assert parameters(BaseDatabaseWrapper, name) == WRAPPED[name]


@pytest.mark.parametrize("backend", [SQLite, PostgreSQL], ids=["sqlite", "postgresql"])
@pytest.mark.parametrize("name", WRAPPED)
def test_no_supported_backend_hides_it(backend, name):
    hiding = [cls for cls in backend.__mro__ if name in cls.__dict__]
    if (backend, name) == (SQLite, "close"):
        # It calls the base class for a file, and keeps a database in memory open.
        hiding.remove(SQLite)
    assert hiding == [BaseDatabaseWrapper]


def test_the_end_of_atomic_commits_once(calls):
    with transaction.atomic():
        Tag.objects.create(name="a")
        assert calls["order"] == []
    assert calls["order"] == [("_commit",)]
    assert calls["_commit"][0].owner is connections["default"]


def test_an_exception_in_atomic_rolls_back_once(calls):
    with pytest.raises(Refused), transaction.atomic():
        raise Refused
    assert calls["order"] == [("_rollback",)]


def test_a_failed_commit_is_followed_by_a_rollback(calls, monkeypatch):
    def fail(self):
        calls["order"].append(("_commit",))
        raise DatabaseError("no")

    with monkeypatch.context() as patch:
        patch.setattr(BaseDatabaseWrapper, "_commit", fail)
        with pytest.raises(DatabaseError), transaction.atomic():
            Tag.objects.create(name="a")
    assert calls["order"] == [("_commit",), ("_rollback",)]
    assert not Tag.objects.exists()


def test_an_inner_atomic_is_a_savepoint_and_its_end_releases_it(calls):
    with transaction.atomic():
        with transaction.atomic():
            pass
        assert calls["_commit"] == []
    (_, sid), *_ = calls["order"]
    assert isinstance(sid, str)
    assert calls["order"] == [("_savepoint", sid), ("_savepoint_commit", sid), ("_commit",)]


def test_an_exception_in_an_inner_atomic_rolls_back_to_it_and_releases_it(calls):
    with transaction.atomic(), pytest.raises(Refused), transaction.atomic():
        raise Refused
    (_, sid), *_ = calls["order"]
    assert calls["order"] == [
        ("_savepoint", sid),
        ("_savepoint_rollback", sid),
        ("_savepoint_commit", sid),
        ("_commit",),
    ]


def test_open_savepoints_have_names_of_their_own(calls):
    with transaction.atomic(), transaction.atomic(), transaction.atomic():
        pass
    opened = [call.given["sid"] for call in calls["_savepoint"]]
    closed = [call.given["sid"] for call in calls["_savepoint_commit"]]
    assert len(set(opened)) == 2
    assert closed == opened[::-1]


def test_a_savepoint_by_hand_can_be_rolled_back_to_and_stays_open(calls):
    with transaction.atomic():
        sid = connections["default"].savepoint()
        transaction.savepoint_rollback(sid)
        transaction.savepoint_rollback(sid)
        transaction.savepoint_commit(sid)
    assert [name for name, *_ in calls["order"]] == [
        "_savepoint",
        "_savepoint_rollback",
        "_savepoint_rollback",
        "_savepoint_commit",
        "_commit",
    ]
    assert {call.given["sid"] for call in calls["_savepoint_rollback"]} == {sid}


def test_an_inner_atomic_without_savepoint_calls_nothing(calls):
    with pytest.raises(Refused), transaction.atomic():
        with transaction.atomic(savepoint=False):
            pass
        assert calls["order"] == []
        with transaction.atomic(savepoint=False):
            raise Refused
    assert calls["order"] == [("_rollback",)]


def test_commit_and_rollback_by_hand_go_the_same_way(calls):
    transaction.set_autocommit(False)
    try:
        Tag.objects.create(name="kept")
        transaction.commit()
        Tag.objects.create(name="dropped")
        transaction.rollback()
    finally:
        transaction.set_autocommit(True)
    assert [name for name, *_ in calls["order"]][:2] == ["_commit", "_rollback"]
    assert [tag.name for tag in Tag.objects.all()] == ["kept"]


def test_commit_hooks_run_after_the_commit(calls):
    with transaction.atomic():
        transaction.on_commit(lambda: calls["order"].append(("hook",)))
    assert calls["order"] == [("_commit",), ("hook",)]


def test_a_connection_that_is_closed_in_atomic_is_neither_committed_nor_rolled_back(calls):
    with pytest.raises(Refused), transaction.atomic():
        Tag.objects.create(name="a")
        connections["default"].close()
        raise Refused
    assert calls["_commit"] == calls["_rollback"] == []
    assert not Tag.objects.exists()


def test_close_goes_through_the_base_class(monkeypatch):
    closed = spy(monkeypatch, BaseDatabaseWrapper, "close")
    connections["default"].ensure_connection()
    connections["default"].close()
    assert len(closed) == 1


def test_after_a_lost_connection_the_wrapper_holds_none():
    connection = connections["default"]
    connection.ensure_connection()
    assert connection.connection is not None
    connection.close()
    assert connection.connection is None


def test_autocommit_is_told_by_these_two():
    connection = connections["default"]
    assert connection.get_autocommit()
    assert not connection.in_atomic_block
    with transaction.atomic():
        assert connection.in_atomic_block
    transaction.set_autocommit(False)
    try:
        assert not connection.get_autocommit()
        assert not connection.in_atomic_block
    finally:
        transaction.set_autocommit(True)


def test_attributes_of_a_connection_are_in_its_dict():
    connection = connections["default"]
    connection.__dict__["_held_by_a_test"] = 1
    try:
        assert connection._held_by_a_test == 1
        assert connections["default"].__dict__["_held_by_a_test"] == 1
        assert connection in connections.all(initialized_only=True)
    finally:
        del connection.__dict__["_held_by_a_test"]
