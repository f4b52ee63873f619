"""Capture in place and away again: what was there comes back exactly, whoever else wraps it."""

import contextlib

import pytest
from django.db import models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from django.db.models.deletion import Collector
from django.db.models.sql.compiler import (
    SQLCompiler,
    SQLDeleteCompiler,
    SQLInsertCompiler,
    SQLUpdateCompiler,
)
from tests.shop.models import Tag

from trailkeeper import capture
from trailkeeper.capture import bulk, compilers, cursors, deletes, instances, transactions

PLACES = {
    transactions: {(BaseDatabaseWrapper, name) for name in transactions._WRAPPERS},
    instances: {(models.Model, name) for name in ("from_db", *instances._WRAPPERS)},
    bulk: {(models.QuerySet, "bulk_update")},
    deletes: {(Collector, "delete")},
    cursors: {(CursorWrapper, name) for name in cursors._WRAPPERS | cursors._ADDED},
    compilers: {
        (SQLInsertCompiler, "execute_sql"),
        (SQLUpdateCompiler, "execute_sql"),
        (SQLDeleteCompiler, "execute_sql"),
    }
    | (
        {(SQLUpdateCompiler, "execute_returning_sql")}
        if hasattr(SQLUpdateCompiler, "execute_returning_sql")
        else set()
    ),
}
CLASSES = [
    BaseDatabaseWrapper,
    Collector,
    CursorWrapper,
    models.Model,
    models.QuerySet,
    SQLCompiler,
    SQLInsertCompiler,
    SQLUpdateCompiler,
    SQLDeleteCompiler,
]
MODULES = pytest.mark.parametrize(
    "module", PLACES, ids=lambda module: module.__name__.rpartition(".")[2]
)


def snapshot():
    """All that the classes define themselves; what they inherit is not theirs."""
    return {cls: dict(vars(cls)) for cls in CLASSES}


def changed(before, after):
    return {
        (cls, name)
        for cls in CLASSES
        for name in {*before[cls], *after[cls]}
        if before[cls].get(name) is not after[cls].get(name)
    }


@MODULES
@pytest.mark.usefixtures("bare")
def test_install_changes_what_its_module_lists_and_nothing_else(module):
    before = snapshot()
    module.install()
    try:
        assert changed(before, snapshot()) == PLACES[module]
    finally:
        module.uninstall()
    for cls, name in PLACES[module]:
        assert f"{cls.__name__}.{name}" in module.__doc__ or f"`.{name}`" in module.__doc__


@MODULES
@pytest.mark.usefixtures("bare")
def test_uninstall_puts_back_exactly_what_was_there(module):
    before = snapshot()
    module.install()
    module.uninstall()
    assert changed(before, snapshot()) == set()


@MODULES
@pytest.mark.usefixtures("bare")
def test_install_and_uninstall_can_be_repeated(module):
    before = snapshot()
    module.install()
    installed = snapshot()
    module.install()
    assert changed(installed, snapshot()) == set()
    module.uninstall()
    module.uninstall()
    assert changed(before, snapshot()) == set()


@pytest.mark.usefixtures("bare")
def test_capture_as_a_whole_comes_and_goes():
    before = snapshot()
    capture.install()
    assert changed(before, snapshot()) == set.union(*PLACES.values())
    capture.uninstall()
    assert changed(before, snapshot()) == set()


@contextlib.contextmanager
def wrapped_by_somebody(calls):
    """Somebody else's wrappers around every place, each noting its calls, and gone at the end."""
    replaced = []
    # What capture adds is not Django's: there is nothing to wrap.
    added = {(CursorWrapper, name) for name in cursors._ADDED}
    for cls, name in set.union(*PLACES.values()) - added:
        own = cls.__dict__.get(name)
        inner = getattr(cls, name)
        if isinstance(own, classmethod):
            inner = own.__func__

        def around(this, *args, name=name, inner=inner, **kwargs):
            calls.append(name)
            return inner(this, *args, **kwargs)

        setattr(cls, name, classmethod(around) if isinstance(own, classmethod) else around)
        replaced.append((cls, name, own))
    try:
        yield
    finally:
        for cls, name, own in reversed(replaced):
            if own is None:
                delattr(cls, name)
            else:
                setattr(cls, name, own)


def write_everything():
    """A create, an update and a delete, and a savepoint that is rolled back."""
    tag = Tag.objects.create(name="a")
    tag = Tag.objects.get(pk=tag.pk)
    tag.name = "b"
    tag.save()
    with contextlib.suppress(ZeroDivisionError), transaction.atomic():
        Tag.objects.create(name="rolled back")
        1 / 0  # noqa: B018
    tag.delete()


CALLED = {
    "_execute",
    "execute_sql",
    "_do_update",
    "from_db",
    "_savepoint",
    "_savepoint_rollback",
    "_savepoint_commit",
}


@pytest.mark.django_db
def test_a_wrapper_around_ours_and_ours_both_work(recorded):
    installed = snapshot()
    calls = []
    with wrapped_by_somebody(calls):
        write_everything()
    assert set(calls) >= CALLED
    assert [event["action"] for event in recorded()] == ["create", "update", "delete"]
    assert changed(installed, snapshot()) == set()


@pytest.mark.django_db
def test_a_wrapper_inside_ours_and_ours_both_work(recorded):
    capture.uninstall()
    calls = []
    try:
        with wrapped_by_somebody(calls):
            theirs = snapshot()
            capture.install()
            write_everything()
            events = recorded()
            capture.uninstall()
            assert changed(theirs, snapshot()) == set()
    finally:
        capture.uninstall()
        capture.install()
    assert set(calls) >= CALLED
    assert [event["action"] for event in events] == ["create", "update", "delete"]


@pytest.mark.django_db
@pytest.mark.usefixtures("bare")
def test_without_capture_nothing_is_recorded(recorded):
    write_everything()
    assert recorded() == []
