"""The actor is written as values: who is deleted, broken or impersonated is still named."""

import os
import pwd
import sys

import pytest
from django.contrib.auth import get_user_model, login
from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpResponse
from django.test import Client
from django.urls import path
from tests.shop.models import Customer

import trailkeeper
from trailkeeper import actor

pytestmark = pytest.mark.django_db


def add(request):
    Customer.objects.create(name="from a view")
    return HttpResponse()


def delete_oneself(request):
    Customer.objects.create(name="first")
    user = request.user
    str(user)
    User.objects.filter(pk=user.pk).delete()
    Customer.objects.create(name="second")
    return HttpResponse()


def log_in(request):
    Customer.objects.create(name="before")
    login(request, User.objects.get(username="ada"))
    Customer.objects.create(name="after")
    return HttpResponse()


urlpatterns = [
    path("add/", add),
    path("leave/", delete_oneself),
    path("login/", log_in),
]


@pytest.fixture(autouse=True)
def _urls(settings):
    settings.ROOT_URLCONF = __name__


@pytest.fixture
def ada():
    return get_user_model().objects.create_user("ada", password="engine")


@pytest.fixture
def grace():
    return get_user_model().objects.create_superuser("grace", password="compiler")


def added(events):
    return [event for event in events if event.get("model") == "shop.customer"]


def test_a_user_that_is_deleted_later_is_still_named(ada, transactional_db):
    client = Client()
    client.force_login(ada)
    client.get("/leave/")
    known = ("user", str(ada.pk), "ada")
    assert not User.objects.exists()
    for event in trailkeeper.events().filter(model="shop.customer"):
        assert (event.actor_type, event.actor_id, event.actor_label) == known


def test_a_label_that_raises_costs_the_label_of_the_actor_only(recorded, ada, monkeypatch):
    monkeypatch.setattr(User, "__str__", lambda self: 1 / 0)
    client = Client()
    client.force_login(ada)
    recorded()
    assert client.get("/add/").status_code == 200
    with trailkeeper.context(actor=ada):
        Customer.objects.create(name="in a block")
    for event in added(recorded()):
        assert (event["actor_type"], event["actor_id"]) == ("user", str(ada.pk))
        assert "actor_label" not in event


def test_a_label_that_asks_the_database_is_left_out(
    recorded, ada, monkeypatch, django_assert_num_queries
):
    monkeypatch.setattr(User, "__str__", lambda self: str(Customer.objects.count()))
    recorded()
    with trailkeeper.context(actor=ada), django_assert_num_queries(1):
        Customer.objects.create(name="a")
    (event,) = added(recorded())
    assert event["actor_id"] == str(ada.pk)
    assert "actor_label" not in event


def test_who_logs_in_inside_the_view_acts_from_then_on(recorded, ada):
    recorded()
    Client().get("/login/")
    before, after = added(recorded())
    assert before["actor_type"] == "anonymous"
    assert (after["actor_type"], after["actor_id"]) == ("user", str(ada.pk))


# Impersonation.


def test_a_block_names_both_users(recorded, ada, grace):
    recorded()
    with trailkeeper.context(actor=ada, impersonator=grace):
        Customer.objects.create(name="a")
        with trailkeeper.context(actor="nightly"):
            Customer.objects.create(name="b")
    first, second = added(recorded())
    assert (first["actor_label"], first["impersonator_label"]) == ("ada", "grace")
    assert (first["actor_id"], first["impersonator_id"]) == (str(ada.pk), str(grace.pk))
    assert second["actor_label"] == "nightly"
    assert "impersonator_label" not in second


@pytest.mark.parametrize(
    ("real", "expected"),
    [
        ("the support desk", (None, "the support desk")),
        ((7, "grace"), ("7", "grace")),
        (None, (None, None)),
        (object(), (None, None)),
    ],
)
def test_the_project_can_say_who_is_behind_a_user(recorded, settings, ada, real, expected):
    settings.TRAILKEEPER = {**settings.TRAILKEEPER, "IMPERSONATOR": lambda request: real}
    client = Client()
    client.force_login(ada)
    recorded()
    client.get("/add/")
    (event,) = added(recorded())
    assert event["actor_label"] == "ada"
    assert (event.get("impersonator_id"), event.get("impersonator_label")) == expected


def test_a_broken_impersonator_costs_nothing_but_itself(recorded, settings, ada):
    settings.TRAILKEEPER = {**settings.TRAILKEEPER, "IMPERSONATOR": lambda request: 1 / 0}
    client = Client()
    client.force_login(ada)
    recorded()
    client.get("/add/")
    (event,) = added(recorded())
    assert event["actor_label"] == "ada"
    assert "impersonator_label" not in event


@pytest.fixture
def hijacking(settings):
    pytest.importorskip("hijack", reason="django-hijack is not installed")
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "hijack.middleware.HijackUserMiddleware"]
    settings.ROOT_URLCONF = "tests.integration.hijacking_urls"


def test_hijack_keeps_the_real_user(hijacking, ada, grace, transactional_db):
    client = Client()
    client.force_login(grace)
    client.post("/hijack/acquire/", {"user_pk": ada.pk, "next": "/add/"})
    client.get("/add/")
    # Values, not references: nothing is looked up when the event happens.
    User.objects.filter(pk=grace.pk).update(username="somebody else")
    client.get("/add/")
    found = list(trailkeeper.events().filter(model="shop.customer"))
    assert len(found) == 2
    for event in found:
        assert (event.actor_id, event.actor_label) == (str(ada.pk), "ada")
        assert (event.impersonator_id, event.impersonator_label) == (str(grace.pk), "grace")
    client.post("/hijack/release/")
    client.get("/add/")
    last = trailkeeper.events().filter(model="shop.customer").order_by("-occurred_at")[0]
    assert (last.actor_id, last.impersonator_id) == (str(grace.pk), None)
    told = trailkeeper.events().filter(kind="auth", action__startswith="impersonation")
    assert [
        (e.action, e.object_id, e.actor_id, e.impersonator_id) for e in told.order_by("occurred_at")
    ] == [
        ("impersonation_started", str(ada.pk), str(ada.pk), str(grace.pk)),
        ("impersonation_ended", str(ada.pk), str(grace.pk), None),
    ]


def test_behind_a_chain_of_impersonations_is_its_first_user(hijacking, grace, recorded):
    other = get_user_model().objects.create_superuser("joan")
    last = get_user_model().objects.create_user("kay")
    client = Client()
    client.force_login(grace)
    for user in (other, last):
        client.post("/hijack/acquire/", {"user_pk": user.pk, "next": "/add/"})
    recorded()
    client.get("/add/")
    client.post("/hijack/release/")
    client.get("/add/")
    assert [
        (event["actor_label"], event["impersonator_id"], event["impersonator_label"])
        for event in added(recorded())
    ] == [("kay", str(grace.pk), "grace"), ("joan", str(grace.pk), "grace")]


def test_an_impersonated_request_asks_the_database_nothing_more(
    hijacking, ada, grace, recorded, django_assert_num_queries
):
    client = Client()
    client.force_login(grace)
    # The session, its user, and the customer.
    with django_assert_num_queries(3):
        client.get("/add/")
    client.post("/hijack/acquire/", {"user_pk": ada.pk, "next": "/add/"})
    with django_assert_num_queries(3):
        client.get("/add/")


# Commands, shells, the process itself.


def test_the_process_is_the_user_of_the_operating_system(recorded, monkeypatch):
    monkeypatch.setenv("LOGNAME", "somebody else")
    Customer.objects.create(name="a")
    (event,) = recorded()
    assert event["actor_type"] == "system"
    assert event["actor_label"] == pwd.getpwuid(os.geteuid()).pw_name
    assert "actor_id" not in event


def test_behind_sudo_is_who_asked_for_it(monkeypatch):
    monkeypatch.setenv("SUDO_USER", "grace")
    assert actor.actor_of(None, request=None).impersonator_label == "grace"


def test_a_user_without_a_name_is_a_number(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 987654)
    assert actor.actor_of(None, request=None).label == "uid 987654"


@pytest.mark.parametrize(
    ("line", "service"),
    [
        (["/srv/shop/manage.py", "mark_overdue", "--token", "x"], "manage.py mark_overdue"),
        (["/usr/bin/django-admin", "shell"], "django-admin shell"),
        (["/venv/django/__main__.py", "shell"], "__main__.py shell"),
        (["/usr/bin/gunicorn", "shop.wsgi"], "gunicorn"),
        (["-c"], "python"),
        ([""], "python"),
        ([], "python"),
    ],
)
def test_the_service_is_the_command_without_its_arguments(monkeypatch, line, service):
    monkeypatch.setattr(sys, "argv", line)
    assert actor.service_of_process() == service


def test_nobody_is_anonymous(recorded):
    with trailkeeper.context(actor=AnonymousUser()):
        Customer.objects.create(name="a")
    (event,) = added(recorded())
    assert event["actor_type"] == "anonymous"
