"""Logins outside of requests; changes of passwords and permissions, named as such."""

import pytest
from django.contrib.auth import authenticate, get_user_model, login, logout
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import AnonymousUser, Group, Permission, User
from django.contrib.sessions.backends.db import SessionStore
from django.db import transaction
from django.http import HttpRequest

import trailkeeper
from trailkeeper import rights

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(recorded):
    user = get_user_model().objects.create_user("ada", password="engine")
    recorded()
    return user


def told(events):
    return [event for event in events if event["kind"] == "auth"]


def what(events):
    return [
        (e["action"], e["model"], e["object_id"], tuple(e.get("changed", ()))) for e in told(events)
    ]


# Outside of a request.


@pytest.mark.django_db(transaction=True)
def test_logins_without_a_request_name_their_user(ada):
    request = HttpRequest()
    request.session = SessionStore()
    request.user = AnonymousUser()
    login(request, ada)
    logout(request)
    assert authenticate(username="ada", password="wrong") is None
    logged_in, logged_out, failed = trailkeeper.events().filter(kind="auth").order_by("occurred_at")
    for event, action in ((logged_in, "login"), (logged_out, "logout")):
        assert (event.action, event.outcome) == (action, "success")
        assert (event.actor_type, event.actor_id, event.actor_label) == (
            "user",
            str(ada.pk),
            "ada",
        )
        assert event.object_key == f"auth.user/{ada.pk}"
    assert (failed.action, failed.outcome) == ("login_failed", "failure")
    assert (failed.actor_type, failed.data) == ("system", {"username": "ada"})


def test_what_is_given_as_a_request_need_not_be_one(ada):
    authenticate(object(), username="ada", password="wrong")
    (failed,) = trailkeeper.events().filter(kind="auth")
    assert (failed.action, failed.data) == ("login_failed", {"username": "ada"})


@pytest.mark.django_db(transaction=True)
def test_a_login_whose_request_no_middleware_has_seen_says_where_from(rf, ada):
    request = rf.get("/somewhere/", REMOTE_ADDR="10.1.2.3", headers={"x-request-id": "r-1"})
    assert authenticate(request, username="ada", password="wrong") is None
    (event,) = trailkeeper.events().filter(kind="auth")
    assert (event.ip, event.request_id, event.http_path) == ("10.1.2.3", "r-1", "/somewhere/")
    assert event.actor_type == "unknown"


# Passwords.


def test_a_new_password_is_named(recorded, ada):
    ada.set_password("loom")
    ada.save()
    events = recorded()
    assert what(events) == [("password_changed", "auth.user", str(ada.pk), ("password",))]
    assert events[0]["action"] == "update"
    assert ada.password not in str(events)
    ada.save()
    assert what(recorded()) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda pk: User.objects.filter(pk=pk).update(password=make_password("loom")),
        lambda pk: User.objects.bulk_update([User(pk=pk, password="!new")], ["password"]),
    ],
)
def test_a_password_that_many_rows_are_given_is_named(recorded, ada, change):
    change(ada.pk)
    assert what(recorded()) == [("password_changed", "auth.user", str(ada.pk), ("password",))]


def test_a_new_user_is_no_change(recorded, ada):
    # Django inserts what it does not find: nothing was changed, however much the instance differs.
    user = User.objects.get(pk=ada.pk)
    User.objects.filter(pk=ada.pk).delete()
    recorded()
    user.set_password("loom")
    user.is_staff = True
    user.save()
    events = recorded()
    assert [event["action"] for event in events] == ["create"]


def test_a_password_that_stays_is_not_named(recorded, ada):
    User.objects.filter(pk=ada.pk).update(password=ada.password, first_name="Ada")
    user = User.objects.get(pk=ada.pk)
    user.first_name = "Augusta"
    user.set_password("not saved")
    user.save(update_fields=["first_name"])
    assert what(recorded()) == []


def test_a_password_of_which_nothing_is_known_is_not_asserted(recorded, ada):
    user = User.objects.only("username").get(pk=ada.pk)
    user.password = ada.password
    user.save()
    events = recorded()
    assert what(events) == []
    assert "password" in events[0]["unavailable"]


def test_what_did_not_commit_is_not_named(recorded, ada):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        ada.set_password("loom")
        ada.save()
        raise ZeroDivisionError
    assert recorded() == []


@pytest.mark.django_db(transaction=True)
def test_in_autocommit_too(ada):
    ada.set_password("loom")
    ada.is_staff = True
    ada.save()
    User.objects.filter(pk=ada.pk).update(is_staff=False)
    found = trailkeeper.events().filter(kind="auth").order_by("occurred_at", "position")
    assert [(e.action, e.changed) for e in found] == [
        ("password_changed", ["password"]),
        ("permissions_changed", ["is_staff"]),
        ("permissions_changed", ["is_staff"]),
    ]


def test_a_password_that_django_hashes_anew_is_not_a_new_one(recorded, settings, ada):
    settings.PASSWORD_HASHERS = [
        "django.contrib.auth.hashers.PBKDF2PasswordHasher",
        "django.contrib.auth.hashers.MD5PasswordHasher",
    ]
    assert authenticate(username="ada", password="engine")
    assert [action for action, *_ in what(recorded())] == ["password_rehashed"]
    user = User.objects.get(pk=ada.pk)
    user.set_password("loom")
    user.save(update_fields=["password"])
    assert [action for action, *_ in what(recorded())] == ["password_changed"]


def test_a_hash_that_is_set_by_hand_is_a_new_password(recorded, ada):
    ada.password = make_password("loom")
    ada.save(update_fields=["password"])
    assert [action for action, *_ in what(recorded())] == ["password_changed"]


# Permissions.


def test_permissions_of_a_user_are_named(recorded, ada):
    ada.is_superuser = True
    ada.is_active = False
    ada.save()
    User.objects.filter(pk=ada.pk).update(is_superuser=False)
    assert what(recorded()) == [
        ("permissions_changed", "auth.user", str(ada.pk), ("is_superuser", "is_active")),
        ("permissions_changed", "auth.user", str(ada.pk), ("is_superuser",)),
    ]


def test_groups_and_permissions_are_named_by_what_really_changed(recorded, ada):
    group = Group.objects.create(name="clerks")
    one, two = Permission.objects.all()[:2]
    ada.groups.add(group)
    ada.groups.add(group)
    group.permissions.set([one, two])
    group.permissions.set([two])
    ada.user_permissions.remove(one)
    group.user_set.clear()
    events = told(recorded())
    assert {e["action"] for e in events} == {"permissions_changed"}
    changes = [
        (
            f"{e['model']}/{e['object_id']}",
            e["changed"],
            e["data"]["change"],
            sorted(r["object_id"] for r in e["related"]),
        )
        for e in events
    ]
    user_key, group_key = f"auth.user/{ada.pk}", f"auth.group/{group.pk}"
    assert changes == [
        (user_key, ["groups"], "link", [str(group.pk)]),
        (group_key, ["permissions"], "link", sorted([str(one.pk), str(two.pk)])),
        (group_key, ["permissions"], "unlink", [str(one.pk)]),
        (user_key, ["groups"], "unlink", [str(group.pk)]),
    ]


def test_other_models_and_links_have_no_names():
    assert set(rights._fields) == {"auth.user"}
    assert rights._links == {
        ("auth.user", "groups"),
        ("auth.user", "user_permissions"),
        ("auth.group", "permissions"),
    }


def test_users_that_are_not_captured_have_no_named_events(recorded, settings, ada):
    settings.TRAILKEEPER = {**settings.TRAILKEEPER, "EXCLUDE": ["auth.*"]}
    ada.set_password("loom")
    ada.save()
    assert recorded() == []
