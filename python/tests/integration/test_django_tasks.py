"""A task of Django 6 acts for whoever queued it, wherever its backend runs it."""

import asyncio
import json
import threading

import pytest
from django.contrib.auth import get_user_model

import trailkeeper

tasks = pytest.importorskip("django.tasks", reason="Django has tasks since 6.0")

from django.tasks.backends.base import BaseTaskBackend  # noqa: E402
from django.tasks.base import TaskContext, TaskResult, TaskResultStatus  # noqa: E402

from trailkeeper.contrib import django_tasks as integration  # noqa: E402

pytestmark = pytest.mark.django_db(transaction=True)

HERE = __name__


class Queue(BaseTaskBackend):
    """Keeps tasks as text, as a queue in a database does, and runs them on another thread."""

    supports_async_task = True
    messages: list = []  # noqa: RUF012

    def enqueue(self, task, args, kwargs):
        self.validate_task(task)
        result = TaskResult(
            task=task,
            id=str(len(self.messages)),
            status=TaskResultStatus.READY,
            enqueued_at=None,
            started_at=None,
            finished_at=None,
            last_attempted_at=None,
            args=args,
            kwargs=kwargs,
            backend=self.alias,
            errors=[],
            worker_ids=[],
        )
        self.messages.append((json.dumps([result.args, result.kwargs]), result))
        return result

    @classmethod
    def work(cls):
        while cls.messages:
            thread = threading.Thread(target=cls._run, args=cls.messages.pop(0))
            thread.start()
            thread.join()

    @staticmethod
    def _run(message, result):
        args, kwargs = json.loads(message)
        if result.task.takes_context:
            args = [TaskContext(task_result=result), *args]
        if asyncio.iscoroutinefunction(result.task.func):
            asyncio.run(result.task.acall(*args, **kwargs))
        else:
            result.task.call(*args, **kwargs)


@pytest.fixture(autouse=True)
def _backends(settings):
    settings.TASKS = {
        "default": {"BACKEND": f"{HERE}.Queue"},
        "immediate": {"BACKEND": "django.tasks.backends.immediate.ImmediateBackend"},
        "dummy": {"BACKEND": "django.tasks.backends.dummy.DummyBackend"},
    }
    Queue.messages.clear()


@tasks.task
def note(name, suffix=""):
    trailkeeper.record("noted", data={"name": name + suffix})


@tasks.task
async def note_async(name):
    trailkeeper.record("noted", data={"name": name})


@tasks.task(takes_context=True)
def outer(context, name):
    trailkeeper.record("noted", data={"name": f"{name} {context.attempt}"})
    note.enqueue("inner")


@pytest.fixture
def ada():
    return get_user_model().objects.create_user("ada", password="engine")


def noted():
    return {e.data["name"]: e for e in trailkeeper.events().filter(action="noted")}


def is_adas(event, ada):
    assert (event.actor_type, event.actor_id, event.actor_label) == ("user", str(ada.pk), "ada")
    assert (event.tenant, event.request_id) == ("acme", "r-1")
    return True


def test_a_task_acts_for_whoever_queued_it(ada):
    with trailkeeper.context(actor=ada, tenant="acme", request_id="r-1"):
        note.enqueue("a", suffix="!")
        asyncio.run(note.aenqueue("b"))
        note_async.enqueue("c")
        outer.enqueue("d")
    ada_key = ada.pk
    ada.delete()
    ada.pk = ada_key
    Queue.work()
    found = noted()
    for name in ("a!", "b", "c", "d 0", "inner"):
        assert is_adas(found[name], ada)
    assert found["a!"].service == f"{HERE}.note"
    assert found["c"].service == f"{HERE}.note_async"
    assert found["inner"].service == f"{HERE}.note"


def test_a_task_that_runs_where_it_is_queued_has_no_argument_more(ada):
    with trailkeeper.context(actor=ada, tenant="acme", request_id="r-1"):
        result = note.using(backend="immediate").enqueue("now")
        trailkeeper.record("noted", data={"name": "after"})
    assert result.kwargs == {}
    assert result.status == TaskResultStatus.SUCCESSFUL
    found = noted()
    assert is_adas(found["now"], ada)
    assert found["now"].service == f"{HERE}.note"
    assert found["after"].service != f"{HERE}.note"
    assert note.using(backend="dummy").enqueue("never").kwargs == {}


def test_a_task_of_a_process_without_the_trail(ada):
    integration.uninstall()
    try:
        note.enqueue("a")
    finally:
        integration.install()
    Queue.work()
    event = noted()["a"]
    assert event.actor_type == "system"
    assert event.service == f"{HERE}.note"


def test_an_argument_that_was_tampered_with_costs_the_context_only():
    note.enqueue("a")
    message, result = Queue.messages.pop()
    args, kwargs = json.loads(message)
    kwargs[integration.ARGUMENT] = [1, 2]
    Queue.messages.append((json.dumps([args, kwargs]), result))
    Queue.work()
    assert noted()["a"].actor_type == "unknown"
