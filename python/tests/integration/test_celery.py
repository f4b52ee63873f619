"""A task of Celery acts for whoever queued it: with a real worker and Celery's broker in memory."""

import threading

import pytest
from django.contrib.auth import get_user_model

import trailkeeper
from trailkeeper import layers

celery = pytest.importorskip("celery", reason="Celery is not installed")

from celery.contrib.testing.worker import start_worker  # noqa: E402
from celery.signals import setup_logging  # noqa: E402

from trailkeeper import contrib  # noqa: E402
from trailkeeper.contrib import celery as integration  # noqa: E402

pytestmark = [
    pytest.mark.django_db(transaction=True),
    # Of Celery's own.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

app = celery.Celery(
    "trailkeeper-tests",
    broker="memory://",
    backend="cache+memory://",
    set_as_current=False,
)
gate = threading.Event()
app.conf.update(task_always_eager=False, worker_redirect_stdouts=False)


@app.task(name="shop.note")
def note(name):
    trailkeeper.record("noted", data={"name": name})
    return name


@app.task(name="shop.waiting")
def waiting(name):
    gate.wait(20)
    note(name)


@app.task(name="shop.outer")
def outer(name):
    note.delay(f"{name}, inner")
    trailkeeper.record("noted", data={"name": name})


@app.task(bind=True, name="shop.retried", max_retries=2, default_retry_delay=0)
def retried(self, name):
    trailkeeper.record("noted", data={"name": f"{name} {self.request.retries}"})
    if self.request.retries < 2:
        raise self.retry(countdown=0)


@app.task(name="shop.failing")
def failing():
    trailkeeper.record("noted", data={"name": "before the failure"})
    raise ValueError("no")


@pytest.fixture(autouse=True)
def connected():
    integration.connect()
    yield
    integration.disconnect()


def leave_logging_alone(**_):
    pass


@pytest.fixture(scope="module")
def worker(django_db_setup, django_db_blocker):
    # Celery would set up the logging of the whole process; it checks the models when it starts.
    setup_logging.connect(leave_logging_alone)
    with (
        django_db_blocker.unblock(),
        start_worker(app, perform_ping_check=False, pool="solo", loglevel="ERROR"),
    ):
        yield
    setup_logging.disconnect(leave_logging_alone)


@pytest.fixture
def ada():
    return get_user_model().objects.create_user("ada", password="engine")


def queue(ada, task, *arguments):
    """Queues a task as a request of ada's does, and waits for its end."""
    given = {"tenant": "acme", "reason": "month end", "request_id": "r-1", "trace_id": "a" * 32}
    with trailkeeper.context(actor=ada, impersonator="grace", **given):
        result = task.delay(*arguments)
    return result.get(timeout=20, propagate=False)


def noted():
    return {e.data["name"]: e for e in trailkeeper.events().filter(action="noted")}


def is_adas(event, ada):
    assert (event.actor_type, event.actor_id, event.actor_label) == ("user", str(ada.pk), "ada")
    assert event.impersonator_label == "grace"
    assert (event.tenant, event.reason) == ("acme", "month end")
    assert (event.request_id, event.trace_id) == ("r-1", "a" * 32)
    assert event.ip is None
    return True


def test_a_task_acts_for_whoever_queued_it(worker, ada):
    assert queue(ada, note, "a") == "a"
    event = noted()["a"]
    assert is_adas(event, ada)
    assert event.service == "shop.note"


def test_the_user_may_be_gone_when_the_task_runs(worker, ada):
    key = str(ada.pk)
    with trailkeeper.context(actor=ada):
        result = waiting.delay("a")
    ada.delete()
    gate.set()
    result.get(timeout=20)
    event = noted()["a"]
    assert (event.actor_id, event.actor_label) == (key, "ada")


def test_retries_and_inner_tasks_keep_the_context(worker, ada):
    queue(ada, outer, "outer")
    queue(ada, retried, "try")
    names = {"outer", "outer, inner", "try 0", "try 1", "try 2"}
    for _ in range(200):
        if names <= set(noted()):
            break
        note.delay("another round of the worker").get(timeout=20)
    found = noted()
    for name in names:
        assert is_adas(found[name], ada)
    assert noted()["outer, inner"].service == "shop.note"


def test_a_task_leaves_nothing_behind(worker, ada):
    queue(ada, failing)
    result = note.apply_async(["nobody's"])
    result.get(timeout=20)
    assert is_adas(noted()["before the failure"], ada)
    event = noted()["nobody's"]
    assert event.actor_type == "system"
    assert event.tenant is None
    assert event.request_id == result.id


def test_a_chain_without_a_request_is_joined_by_its_first_task(worker):
    result = (note.si("first") | note.si("second")).apply_async()
    result.get(timeout=20)
    found = noted()
    assert found["first"].request_id == found["second"].request_id == result.parent.id


def test_a_message_from_a_process_without_the_trail(worker, ada):
    integration.disconnect()
    with trailkeeper.context(actor=ada):
        message = note.apply_async(["bare"], headers={"trailkeeper": "nonsense"})
        integration.connect()
    message.get(timeout=20)
    event = noted()["bare"]
    assert (event.actor_type, event.service) == ("unknown", "shop.note")


def test_an_eager_task_has_its_callers_context(ada):
    with trailkeeper.context(actor=ada, request_id="r-1", ip="10.1.2.3"):
        note.apply(["eager"]).get()
        trailkeeper.record("noted", data={"name": "after"})
        retried.apply(["eager"])
    found = noted()
    assert (found["eager"].actor_label, found["eager"].ip) == ("ada", "10.1.2.3")
    assert found["eager"].service == "shop.note"
    assert found["after"].service != "shop.note"
    assert [found[f"eager {n}"].service for n in range(3)] == ["shop.retried"] * 3
    assert layers.layer() is layers._process_layer


@pytest.mark.parametrize(
    ("setting", "is_imported", "expected"),
    [
        ("auto", True, True),
        ("auto", False, False),
        ("on", False, True),
        ("off", True, False),
    ],
)
def test_celery_is_only_touched_where_it_is_used(
    settings, monkeypatch, setting, is_imported, expected
):
    settings.TRAILKEEPER = {**settings.TRAILKEEPER, "CELERY": setting}
    if not is_imported:
        monkeypatch.delitem(contrib.sys.modules, "celery")
    assert contrib.uses_celery() is expected
