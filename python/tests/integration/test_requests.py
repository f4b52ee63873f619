"""Requests: where they come from, and their event at the end, however they end."""

import asyncio

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import get_user_model, login
from django.http import FileResponse, HttpResponse, StreamingHttpResponse
from django.test import AsyncClient, Client
from django.urls import path
from tests.shop.models import Customer

import trailkeeper
from trailkeeper import layers
from trailkeeper.middleware import TrailkeeperMiddleware

pytestmark = pytest.mark.django_db(transaction=True)

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def note(name):
    trailkeeper.record("noted", data={"name": name})


def noting(request):
    note("view")
    return HttpResponse()


def noting_before(get_response):
    def middleware(request):
        # Twice: the first event of a process opens its recorder, and is encoded for itself.
        note("earlier")
        note("before")
        return get_response(request)

    return middleware


def stream(request):
    def chunks():
        yield b"a"
        note("inside")
        yield b"b"

    return StreamingHttpResponse(chunks())


def stream_that_breaks(request):
    def chunks():
        yield b"a"
        raise ValueError("in the middle")

    return StreamingHttpResponse(chunks())


async def stream_async(request):
    async def chunks():
        yield b"a"
        note("inside")
        yield b"b"

    return StreamingHttpResponse(chunks())


def send_file(request):
    return FileResponse(open(__file__, "rb"))


def log_in(request):
    login(request, get_user_model().objects.get(username="ada"))
    return HttpResponse()


def forbid(request):
    return HttpResponse(status=403)


async def wait(request):
    await asyncio.sleep(60)


urlpatterns = [
    path("noting/", noting),
    path("stream/", stream),
    path("breaks/", stream_that_breaks),
    path("stream-async/", stream_async),
    path("file/", send_file),
    path("login/", log_in),
    path("forbidden/", forbid),
    path("wait/", wait),
]


@pytest.fixture(autouse=True)
def _urls(settings):
    settings.ROOT_URLCONF = __name__


@pytest.fixture
def ada():
    return get_user_model().objects.create_user("ada", password="engine")


def requests():
    return list(trailkeeper.events().filter(kind="request").order_by("occurred_at"))


def noted(name):
    return trailkeeper.events().filter(action="noted").get(data__contains=name)


# Where from.


def origin_of(settings, client, **given):
    settings.TRAILKEEPER = {**settings.TRAILKEEPER, **given}
    client.get("/noting/")
    return trailkeeper.events().get(action="noted")


def test_the_address_is_the_peers_unless_proxies_are_trusted(settings):
    client = Client(headers={"x-forwarded-for": "203.0.113.9"}, REMOTE_ADDR="10.0.0.1")
    assert origin_of(settings, client).ip == "10.0.0.1"


def test_a_trusted_proxy_names_the_address(settings):
    client = Client(headers={"x-forwarded-for": "1.1.1.1, 203.0.113.9"}, REMOTE_ADDR="10.0.0.1")
    assert origin_of(settings, client, TRUSTED_PROXIES=["10.0.0.0/8"]).ip == "203.0.113.9"


def test_only_the_header_that_is_named_is_read(settings):
    headers = {"x-forwarded-for": "1.1.1.1", "forwarded": 'for="[2001:db8::9]:1"'}
    client = Client(headers=headers, REMOTE_ADDR="10.0.0.1")
    event = origin_of(settings, client, TRUSTED_PROXIES=1, PROXY_HEADER="Forwarded")
    assert event.ip == "2001:db8::9"


def test_a_setting_that_cannot_be_read_costs_the_address_only(settings):
    client = Client(headers={"x-request-id": "r-1"}, REMOTE_ADDR="10.0.0.1")
    event = origin_of(settings, client, TRUSTED_PROXIES=["nonsense"])
    assert (event.ip, event.request_id) == (None, "r-1")


def test_ids_are_taken_from_the_headers():
    headers = {"x-request-id": "r-1", "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
    Client(headers=headers).get("/noting/")
    (request,) = requests()
    assert (request.request_id, request.trace_id) == ("r-1", TRACE)
    assert noted("view").request_id == "r-1"


@pytest.mark.parametrize("given", ["<script>", "a b", "x" * 200, ""])
def test_an_id_that_is_none_is_replaced(given):
    client = Client(headers={"x-request-id": given})
    client.get("/noting/")
    client.get("/noting/")
    one, two = requests()
    assert len(one.request_id) == 16
    assert one.request_id != two.request_id


@pytest.mark.parametrize(("name", "expected"), [("X-Correlation", "r-2"), (None, None)])
def test_the_project_names_the_header_of_the_id(settings, name, expected):
    client = Client(headers={"x-request-id": "r-1", "x-correlation": "r-2"})
    event = origin_of(settings, client, REQUEST_ID_HEADER=name)
    assert event.request_id == expected or (expected is None and event.request_id != "r-1")


# One event at the end.


def test_a_request_is_told_once_with_its_user_as_finally_known(ada):
    Client().get("/login/")
    (event,) = requests()
    assert (event.actor_type, event.actor_id) == ("user", str(ada.pk))
    assert (event.http_method, event.http_route, event.http_path) == ("GET", "/login/", "/login/")
    assert (event.http_status, event.outcome) == (200, "success")
    assert event.duration_us > 0


def test_the_route_is_known_once_it_was_resolved(settings):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.noting_before"]
    Client().get("/noting/")
    assert noted("before").http_route is None
    assert noted("view").http_route == "/noting/"


def test_a_path_that_leads_nowhere_has_no_route():
    Client().get("/nowhere/")
    (event,) = requests()
    assert (event.http_path, event.http_route) == ("/nowhere/", None)
    assert (event.http_status, event.outcome) == (404, "failure")


def test_a_refusal_is_denied():
    Client().get("/forbidden/")
    assert [e.outcome for e in requests()] == ["denied"]


def test_a_stream_keeps_its_request_and_is_told_when_it_was_sent(ada):
    client = Client(headers={"x-request-id": "r-1"})
    client.force_login(ada)
    response = client.get("/stream/")
    assert requests() == []
    assert response.getvalue() == b"ab"
    (event,) = requests()
    inside = noted("inside")
    assert (inside.actor_id, inside.request_id) == (str(ada.pk), "r-1")
    assert (event.actor_id, event.http_status) == (str(ada.pk), 200)
    assert event.occurred_at > inside.occurred_at
    assert layers.layer() is layers._process_layer


def test_a_stream_that_nobody_reads_is_told_when_it_is_closed():
    response = Client().get("/stream/")
    response.close()
    response.close()
    assert [e.http_path for e in requests()] == ["/stream/"]


def test_a_stream_that_breaks_is_told():
    response = Client().get("/breaks/")
    with pytest.raises(ValueError, match="in the middle"):
        response.getvalue()
    response.close()
    (event,) = requests()
    assert (event.http_status, event.outcome) == (200, "failure")


def test_an_async_stream_keeps_its_request(ada):
    async def read():
        client = AsyncClient()
        await client.aforce_login(ada)
        response = await client.get("/stream-async/", headers={"x-request-id": "r-1"})
        return b"".join([part async for part in response])

    assert async_to_sync(read)() == b"ab"
    inside = noted("inside")
    assert (inside.actor_id, inside.request_id) == (str(ada.pk), "r-1")
    assert [e.http_status for e in requests()] == [200]


def test_a_file_is_left_to_the_server(rf):
    # Not by the test's client, which reads it.
    response = TrailkeeperMiddleware(send_file)(rf.get("/file/"))
    assert response.file_to_stream is not None
    assert requests() == []
    response.close()
    assert [e.http_path for e in requests()] == ["/file/"]


def test_a_request_that_is_given_up_is_told_without_a_status():
    async def give_up():
        request = asyncio.create_task(AsyncClient().get("/wait/"))
        await asyncio.sleep(0.2)
        request.cancel()
        await asyncio.wait([request])

    async_to_sync(give_up)()
    (event,) = requests()
    assert (event.http_path, event.http_status, event.outcome) == ("/wait/", None, "failure")


@pytest.mark.parametrize(("error", "status"), [(ValueError, 500), (SystemExit, None)])
def test_what_the_rest_of_the_chain_raises_is_told_and_raised(rf, error, status):
    def get_response(request):
        raise error

    with pytest.raises(error):
        TrailkeeperMiddleware(get_response)(rf.get("/x/"))
    assert [(e.http_path, e.http_status, e.outcome) for e in requests()] == [
        ("/x/", status, "failure")
    ]


def test_requests_can_be_left_out(settings):
    settings.TRAILKEEPER = {**settings.TRAILKEEPER, "REQUESTS": False}
    Client().get("/noting/")
    assert requests() == []
    assert noted("view").http_path == "/noting/"


def test_a_change_in_a_request_names_it():
    Client(headers={"x-request-id": "r-1"}).get("/noting/")
    Customer.objects.create(name="outside")
    assert trailkeeper.events().get(model="shop.customer").request_id is None
