"""The actor under frameworks that know the user only inside the view, or keep it elsewhere."""

import pytest
from django.contrib.auth import get_user_model
from django.http import HttpResponse
from django.test import Client
from django.urls import include, path
from rest_framework.authentication import SessionAuthentication, TokenAuthentication
from rest_framework.authtoken.models import Token
from rest_framework.decorators import api_view, authentication_classes, permission_classes
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from tests.shop.models import Customer

ninja = pytest.importorskip("ninja", reason="django-ninja is not installed")
tokens = pytest.importorskip(
    "rest_framework_simplejwt.tokens", reason="djangorestframework-simplejwt is not installed"
)

from ninja.security import HttpBearer  # noqa: E402
from rest_framework_simplejwt.authentication import JWTAuthentication  # noqa: E402

pytestmark = pytest.mark.django_db


def rest_view(authentication):
    @api_view(["POST"])
    @authentication_classes([authentication])
    @permission_classes([IsAuthenticated])
    def view(request):
        Customer.objects.create(name="by an API")
        return Response({})

    return view


class ByKey(HttpBearer):
    """Gives a user, as most do, or whatever else the project likes."""

    def authenticate(self, request, token):
        if token == "robot":
            return {"client": "robot", "secret": token}
        return get_user_model().objects.filter(username=token).first()


class ByKeyAsync(HttpBearer):
    async def authenticate(self, request, token):
        return await get_user_model().objects.filter(username=token).afirst()


api = ninja.NinjaAPI(urls_namespace="trailkeeper-tests")


@api.post("/sync", auth=ByKey())
def add(request):
    Customer.objects.create(name="by ninja")
    return {}


@api.post("/async", auth=ByKeyAsync())
async def add_async(request):
    await Customer.objects.acreate(name="by ninja, async")
    return {}


def by_header(request):
    """What a project's `ACTOR` may be."""
    return request.headers.get("X-Robot")


def plain(request):
    Customer.objects.create(name="plain")
    return HttpResponse()


def authenticated_late(request):
    Customer.objects.create(name="before")
    request.auth = get_user_model().objects.get(username="ada")
    Customer.objects.create(name="after")
    return HttpResponse()


urlpatterns = [
    path("late/", authenticated_late),
    path("token/", rest_view(TokenAuthentication)),
    path("session/", rest_view(SessionAuthentication)),
    path("jwt/", rest_view(JWTAuthentication)),
    path("ninja/", include((api.urls[0], "ninja"))),
    path("plain/", plain),
]


@pytest.fixture(autouse=True)
def _urls(settings):
    settings.ROOT_URLCONF = __name__


@pytest.fixture
def ada():
    return get_user_model().objects.create_user("ada", password="engine")


def who(events):
    """Actor of the customer's creation."""
    event = next(e for e in events if e.get("model") == "shop.customer")
    return event["actor_type"], event.get("actor_id"), event.get("actor_label")


def bearer(text, scheme="Bearer"):
    return Client(headers={"authorization": f"{scheme} {text}"})


def test_rest_framework_with_a_token(recorded, ada):
    token = Token.objects.create(user=ada)
    recorded()
    assert bearer(token.key, "Token").post("/token/").status_code == 200
    events = recorded()
    assert who(events) == ("user", str(ada.pk), "ada")
    assert token.key not in str(events)


def test_rest_framework_with_a_session(recorded, ada):
    client = Client()
    client.force_login(ada)
    recorded()
    assert client.post("/session/").status_code == 200
    assert who(recorded()) == ("user", str(ada.pk), "ada")


def test_rest_framework_with_a_signed_token(recorded, ada):
    access = tokens.AccessToken.for_user(ada)
    recorded()
    assert bearer(access).post("/jwt/").status_code == 200
    assert who(recorded()) == ("user", str(ada.pk), "ada")


def test_ninja_gives_its_user(recorded, ada):
    recorded()
    assert bearer("ada").post("/ninja/sync").status_code == 200
    assert who(recorded()) == ("user", str(ada.pk), "ada")


def test_what_ninja_gives_is_only_an_actor_if_it_is_a_user(recorded):
    assert bearer("robot").post("/ninja/sync").status_code == 200
    events = recorded()
    assert who(events) == ("anonymous", None, None)
    assert "robot" not in str(events)


@pytest.mark.django_db(transaction=True)
def test_ninja_in_an_async_view(ada):
    import trailkeeper

    assert bearer("ada").post("/ninja/async").status_code == 200
    event = trailkeeper.events().get(model="shop.customer")
    assert (event.actor_type, event.actor_id, event.actor_label) == ("user", str(ada.pk), "ada")


def test_whoever_is_found_late_acts_from_then_on(recorded, ada):
    Client().post("/late/")
    before, after = (e for e in recorded() if e.get("object_label") in {"before", "after"})
    assert (before["actor_type"], after["actor_type"]) == ("anonymous", "user")
    assert after["actor_id"] == str(ada.pk)


def test_the_project_can_say_who_acts(recorded, settings, ada):
    settings.TRAILKEEPER = {**settings.TRAILKEEPER, "ACTOR": f"{__name__}.by_header"}
    client = Client(headers={"x-robot": "robot 7"})
    client.force_login(ada)
    recorded()
    client.post("/plain/")
    assert who(recorded()) == ("service", None, "robot 7")


def test_where_the_project_does_not_know_the_request_says_who_acts(recorded, settings, ada):
    settings.TRAILKEEPER = {**settings.TRAILKEEPER, "ACTOR": by_header}
    client = Client()
    client.force_login(ada)
    recorded()
    client.post("/plain/")
    assert who(recorded()) == ("user", str(ada.pk), "ada")


@pytest.mark.parametrize("actor", [lambda request: 1 / 0, "tests.nowhere.actor"])
def test_a_broken_actor_costs_nothing_but_itself(recorded, settings, ada, actor):
    settings.TRAILKEEPER = {**settings.TRAILKEEPER, "ACTOR": actor}
    client = Client()
    client.force_login(ada)
    recorded()
    assert client.post("/plain/").status_code == 200
    assert who(recorded()) == ("user", str(ada.pk), "ada")
