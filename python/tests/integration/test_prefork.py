"""Servers that load the application and then fork: each process records and drains for itself."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request

import pytest
from django.db import connection
from tests.integration.processes import fork
from tests.integration.test_kill import drain_until_settled
from tests.integration.test_weather import PATIENCE, assert_verified, in_spool, names, wait_until
from tests.shop.models import Customer

import trailkeeper
from trailkeeper import drainer, spool
from trailkeeper.failure import losses

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]

WRITES = 20

#: A project of the test's own, as `wsgi.py`: it records when it is loaded, and with each request.
PROJECT = """
import json, os
from django.conf import settings
from tests import settings as base

given = json.loads(os.environ["TRAILKEEPER_TEST_PREFORK"])
names = [name for name in dir(base) if name.isupper()]
settings.configure(**{name: getattr(base, name) for name in names} | {
    "DATABASES": {"default": {**base.DATABASES["default"], "NAME": given["database"]}},
    "TRAILKEEPER": given["trailkeeper"],
    "DEBUG": False,
})
import django
django.setup()
from django.db import connections
from tests.shop.models import Customer

Customer.objects.create(name="parent")
connections.close_all()

def application(environ, start_response):
    name = environ["PATH_INFO"].strip("/")
    Customer.objects.create(name=f"{name} of {os.getpid()}")
    connections.close_all()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
"""


def succeeded(child):
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) == 0


def writers():
    """The writers of the customers' events, by who wrote them."""
    found = {}
    for event in trailkeeper.events().filter(model="shop.customer"):
        found.setdefault(event.after["name"].split("/")[0], set()).add(event.event_id[:16])
    return found


def write_all(name):
    for number in range(WRITES):
        Customer.objects.create(name=f"{name}/{number}")


def test_children_of_a_process_that_has_recorded_write_under_names_of_their_own(settings):
    settings.TRAILKEEPER = {**settings.TRAILKEEPER, "DRAIN": "thread", "DRAIN_INTERVAL": 0.01}
    Customer.objects.create(name="parent/first")
    wait_until(lambda: in_spool() == 0, "the parent's thread drains")
    children = [fork(lambda name=name: write_all(name)) for name in ("one", "two")]
    write_all("parent")
    ended = [succeeded(child) for child in children]
    assert all(ended)
    drainer.stop()
    drain_until_settled()
    expected = {f"{name}/{n}" for name in ("one", "two", "parent") for n in range(WRITES)}
    assert sorted(names()) == sorted({*expected, "parent/first"})
    found = writers()
    assert [len(ids) for ids in found.values()] == [1, 1, 1]
    assert len(set.union(*found.values())) == 3
    assert_verified()


def test_the_thread_is_started_again_in_a_child(settings):
    settings.TRAILKEEPER = {**settings.TRAILKEEPER, "DRAIN": "thread", "DRAIN_INTERVAL": 0.01}
    Customer.objects.create(name="parent")
    # Nobody is elected here, so that it is the child's to drain.
    drainer.stop()

    def work():
        assert drainer._current.thread is None
        Customer.objects.create(name="child")
        assert any(thread.name == "trailkeeper-drain" for thread in threading.enumerate())
        wait_until(lambda: in_spool() == 0, "the child's thread drains")

    assert succeeded(fork(work))
    assert [event.seq for event in trailkeeper.events().order_by("seq")] == [0, 1]
    assert names() == ["parent", "child"]


@pytest.mark.drift("events are lost on purpose")
def test_what_the_parent_lost_is_not_told_by_its_children_too(settings, tmp_path):
    good = settings.TRAILKEEPER
    (tmp_path / "file").write_text("not a folder")
    settings.TRAILKEEPER = {**good, "SPOOL": str(tmp_path / "file" / "spool")}
    spool.reset()
    Customer.objects.create(name="lost")
    assert losses.count == 1
    settings.TRAILKEEPER = good
    spool.reset()
    for name in ("one", "two"):
        assert succeeded(fork(lambda name=name: Customer.objects.create(name=name)))
    Customer.objects.create(name="parent")
    dropped = trailkeeper.events().filter(action="events.dropped")
    assert [event.data["count"] for event in dropped] == [1]
    assert names() == ["one", "two", "parent"]


def test_a_child_drains_after_its_parent_was_killed(settings):
    settings.TRAILKEEPER = {**settings.TRAILKEEPER, "DRAIN": "thread", "DRAIN_INTERVAL": 0.01}
    read, write = os.pipe()
    goes_on, go_on = os.pipe()

    def work():
        Customer.objects.create(name="parent")
        wait_until(lambda: in_spool() == 0, "the parent's thread is elected")
        child = fork(survive)
        os.write(write, child.to_bytes(4, "big"))
        signal.pause()

    def survive():
        os.read(goes_on, 1)
        Customer.objects.create(name="child")
        wait_until(lambda: in_spool() == 0, "the child's thread is elected")
        os.write(write, b"done")

    parent = fork(work)
    child = int.from_bytes(os.read(read, 4), "big")
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    os.write(go_on, b".")
    os.close(write)
    try:
        assert os.read(read, 4) == b"done"
    finally:
        for end in (read, goes_on, go_on):
            os.close(end)
        wait_until(lambda: not os.path.exists(f"/proc/{child}") or is_zombie(child), "it ends")
    assert names() == ["parent", "child"]


def is_zombie(process):
    with open(f"/proc/{process}/stat") as file:
        return file.read().rsplit(")", 1)[1].split()[0] == "Z"


def test_gunicorn_with_two_workers_and_preload(settings, tmp_path):
    pytest.importorskip("gunicorn")
    (tmp_path / "prefork_project.py").write_text(PROJECT)
    given = {
        "database": str(connection.settings_dict["NAME"]),
        "trailkeeper": {**settings.TRAILKEEPER, "DRAIN": "thread", "DRAIN_INTERVAL": 0.02},
    }
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        listener.set_inheritable(True)
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        log = (tmp_path / "gunicorn.log").open("w+")
        server = subprocess.Popen(
            [
                *[sys.executable, "-m", "gunicorn", "prefork_project:application"],
                *[
                    "--workers",
                    "2",
                    "--preload",
                    "--no-control-socket",
                    "--bind",
                    f"fd://{listener.fileno()}",
                ],
            ],
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join([str(tmp_path), os.getcwd()]),
                "TRAILKEEPER_TEST_PREFORK": json.dumps(given),
            },
            pass_fds=[listener.fileno()],
            stdout=log,
            stderr=log,
        )
        try:
            workers, asked = set(), 0
            deadline = time.monotonic() + PATIENCE
            while len(workers) < 2 or asked < WRITES:
                assert time.monotonic() < deadline, "both workers answer"
                with urllib.request.urlopen(f"{address}/{asked}", timeout=PATIENCE) as answer:
                    workers.add(int(answer.read()))
                asked += 1
            wait_until(lambda: in_spool() == 0, "what was written is drained by the server")
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(PATIENCE)
            log.seek(0)
            print(log.read())
            log.close()
    assert trailkeeper.events().filter(seq=None).count() == 0
    found = names()
    assert sorted(found) == sorted(Customer.objects.values_list("name", flat=True))
    assert len(found) == asked + 1
    by_process = {}
    for event in trailkeeper.events().filter(model="shop.customer"):
        process = event.after["name"].rpartition(" ")[2]
        by_process.setdefault(process, set()).add(event.event_id[:16])
    assert set(by_process) == {"parent", *map(str, workers)}
    assert [len(ids) for ids in by_process.values()] == [1, 1, 1]
    assert len(set.union(*by_process.values())) == 3
    assert_verified()
