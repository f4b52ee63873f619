"""Context on other threads, in async code, and in messages."""

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.auth import alogin, get_user_model
from django.db import connections
from django.http import HttpResponse
from django.test import AsyncClient, Client
from django.urls import path
from tests.shop.models import Customer

import trailkeeper
from trailkeeper import layers, origin

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

pytestmark = pytest.mark.django_db(transaction=True)


def note(name):
    """Records without a row: a thread of its own would lock the test's database."""
    trailkeeper.record("noted", data={"name": name})


def in_thread(function):
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()


def start_threads(request):
    in_thread(lambda: note("plain"))
    in_thread(trailkeeper.carried(lambda: note("carried")))
    with ThreadPoolExecutor(1) as pool:
        pool.submit(trailkeeper.carried(note), "pooled").result()
        pool.submit(note, "pooled afterwards").result()
    return HttpResponse()


async def go_on(request):
    user = await request.auser()
    await asyncio.gather(
        asyncio.create_task(Customer.objects.acreate(name="task")),
        sync_to_async(Customer.objects.create)(name="sync"),
    )
    note(f"of {user}")
    return HttpResponse()


async def never_asks(request):
    return HttpResponse()


async def log_in(request):
    # Anonymous until now, and kept so by the request.
    await request.auser()
    await alogin(request, await get_user_model().objects.aget(username="ada"))
    await Customer.objects.acreate(name="after the login")
    return HttpResponse()


urlpatterns = [
    path("login/", log_in),
    path("threads/", start_threads),
    path("async/", go_on),
    path("unasked/", never_asks),
]


@pytest.fixture(autouse=True)
def _urls(settings):
    settings.ROOT_URLCONF = __name__


@pytest.fixture
def ada():
    return get_user_model().objects.create_user("ada", password="engine")


def noted():
    return {e.data["name"]: e for e in trailkeeper.events().filter(action="noted")}


# Threads.


def test_a_thread_has_the_context_that_it_was_given(ada):
    client = Client(headers={"x-request-id": "r-1"}, REMOTE_ADDR="10.1.2.3")
    client.force_login(ada)
    client.get("/threads/")
    found = noted()
    for name in ("carried", "pooled"):
        event = found[name]
        assert (event.actor_type, event.actor_id, event.actor_label) == (
            "user",
            str(ada.pk),
            "ada",
        )
        assert (event.request_id, event.ip, event.http_path) == ("r-1", "10.1.2.3", "/threads/")
        assert event.http_route == "/threads/"


def test_a_thread_that_was_given_nothing_is_not_the_users(ada):
    # A pool's thread outlives the request that made it: what it inherited would name the wrong one.
    client = Client()
    client.force_login(ada)
    client.get("/threads/")
    for name in ("plain", "pooled afterwards"):
        event = noted()[name]
        assert event.actor_type == "system"
        assert event.request_id is None


def test_recording_on_a_thread_opens_no_connection():
    opened = []
    trailkeeper.record("noted", data={"name": "here"})

    def work():
        note("there")
        opened.extend(c for c in connections.all() if c.connection is not None)

    in_thread(work)
    assert set(noted()) == {"here", "there"}
    assert opened == []


def test_what_is_carried_does_not_follow_what_comes_after(ada):
    with trailkeeper.context(actor=ada, tenant="acme"):
        run = trailkeeper.carried(note)
    ada.username = "changed"
    with trailkeeper.context(actor="another"):
        run("inside")
        note("after")
    found = noted()
    assert (found["inside"].actor_label, found["inside"].tenant) == ("ada", "acme")
    assert found["after"].actor_label == "another"


def test_a_carried_function_is_the_function():
    @trailkeeper.carried
    def add(one, *, two):
        """Adds."""
        return one + two

    assert (add(1, two=2), add.__name__, add.__doc__) == (3, "add", "Adds.")
    with pytest.raises(ZeroDivisionError):
        trailkeeper.carried(lambda: 1 / 0)()
    assert layers.layer() is layers._process_layer


# Async code.


def test_async_views_and_their_tasks_know_the_user(ada):
    client = AsyncClient()
    client.force_login(ada)
    async_to_sync(client.get)("/async/", headers={"x-request-id": "r-2"})
    events = [*trailkeeper.events().filter(model="shop.customer"), *noted().values()]
    assert len(events) == 3
    for event in events:
        assert (event.actor_type, event.actor_label, event.request_id) == ("user", "ada", "r-2")


def test_who_logs_in_inside_an_async_view_acts_from_then_on(ada):
    async_to_sync(AsyncClient().get)("/login/")
    found = trailkeeper.events().filter(actor_type="user", actor_id=str(ada.pk))
    assert {(e.kind, e.action) for e in found} >= {
        ("auth", "login"),
        ("change", "create"),
        ("request", "request"),
    }


def test_an_async_request_knows_the_user_whom_nobody_asked_for(ada):
    client = AsyncClient()
    client.force_login(ada)
    async_to_sync(client.get)("/unasked/")
    event = trailkeeper.events().get(kind="request")
    assert (event.actor_type, event.actor_id) == ("user", str(ada.pk))


def test_requests_at_the_same_time_do_not_mix(ada):
    async def both():
        one, two = AsyncClient(), AsyncClient()
        await sync_to_async(one.force_login)(ada)
        await asyncio.gather(
            *(one.get("/async/", headers={"x-request-id": f"one-{n}"}) for n in range(5)),
            *(two.get("/async/", headers={"x-request-id": f"two-{n}"}) for n in range(5)),
        )

    async_to_sync(both)()
    found = trailkeeper.events().filter(kind__in=["event", "change"], request_id__isnull=False)
    assert len(found) == 30
    for event in found:
        expected = "user" if event.request_id.startswith("one") else "anonymous"
        assert event.actor_type == expected


# Messages.


def test_a_message_carries_who_and_why_and_no_more(ada, rf):
    request = rf.get("/x/", headers={"x-request-id": "r-3", "traceparent": TRACEPARENT})
    request.user = ada
    layer = layers.Layer(None, request=request, items=origin.request_items(request))
    with layers.entered(layer), trailkeeper.context(tenant="acme", reason="month end"):
        values = trailkeeper.carry()
    assert values == {
        "actor_type": "user",
        "actor_id": str(ada.pk),
        "actor_label": "ada",
        "tenant": "acme",
        "reason": "month end",
        "request_id": "r-3",
        "trace_id": TRACEPARENT.split("-")[1],
    }
    assert json.loads(json.dumps(values)) == values


def test_a_message_gives_its_context_back(ada):
    with trailkeeper.context(actor=ada, impersonator="grace", request_id="r-4"):
        values = trailkeeper.carry()
    name, key = ada.username, str(ada.pk)
    ada.delete()
    with trailkeeper.context(actor="somebody else"), trailkeeper.resume(values, service="mail"):
        note("resumed")
    event = noted()["resumed"]
    assert (event.actor_id, event.actor_label, event.impersonator_label) == (key, name, "grace")
    assert (event.request_id, event.service) == ("r-4", "mail")


@pytest.mark.parametrize(
    "values",
    [
        None,
        "text",
        [],
        {"actor_type": "root"},
        {"actor_type": 1, "actor_id": []},
        {"tenant": "x" * 10_000, "model": "shop.customer", "nothing": 1},
        {1: 2},
    ],
)
def test_a_foreign_message_costs_its_context_only(values):
    with trailkeeper.resume(values, service="mail"):
        note("foreign")
    event = noted()["foreign"]
    assert (event.actor_type, event.service) == ("unknown", "mail")
    assert (event.tenant, event.model) == (None, None)
