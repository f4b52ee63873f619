"""What the context asks of Django, and of packages, beside what it wraps."""

import inspect
from io import BytesIO

import pytest
from asgiref.sync import async_to_sync
from django.contrib.admin import ModelAdmin
from django.contrib.admin.models import LogEntryManager
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import get_hasher, identify_hasher
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.sessions.backends.db import SessionStore
from django.http import FileResponse, HttpResponse, StreamingHttpResponse
from django.utils.functional import SimpleLazyObject
from tests.contract.spying import parameters

from trailkeeper.contrib import admin as admin_integration


@pytest.fixture
def request_of_ada(rf, db):
    ada = get_user_model().objects.create_user("ada", password="engine")
    request = rf.get("/")
    request.session = SessionStore()
    request.session["_auth_user_id"] = str(ada.pk)
    request.session["_auth_user_backend"] = "django.contrib.auth.backends.ModelBackend"
    request.session["_auth_user_hash"] = ada.get_session_auth_hash()
    AuthenticationMiddleware(lambda request: HttpResponse()).process_request(request)
    return request


def test_the_user_of_a_request_is_lazy_and_kept_under_a_name(request_of_ada):
    attributes = request_of_ada.__dict__
    assert type(attributes["user"]) is SimpleLazyObject
    assert "_cached_user" not in attributes
    assert request_of_ada.user.username == "ada"
    assert attributes["_cached_user"].username == "ada"
    assert type(attributes["user"]) is SimpleLazyObject


@pytest.mark.django_db(transaction=True)
def test_the_user_of_an_async_view_is_kept_under_another(request_of_ada):
    assert async_to_sync(request_of_ada.auser)().username == "ada"
    assert request_of_ada.__dict__["_acached_user"].username == "ada"
    assert "_cached_user" not in request_of_ada.__dict__


def test_a_session_says_whether_it_was_read(request_of_ada):
    assert SessionStore().accessed is False
    session = SessionStore()
    session.get("anything")
    assert session.accessed is True


def test_a_request_has_no_route_before_it_is_resolved(rf):
    assert rf.get("/").resolver_match is None


def test_responses_are_closed_by_a_method_that_can_be_replaced():
    closed = []
    response = StreamingHttpResponse(iter([b"a"]))
    response.close = lambda: closed.append(True)
    response.close()
    assert closed == [True]
    assert response.is_async is False
    assert HttpResponse().streaming is False
    assert FileResponse(BytesIO(b"a")).file_to_stream is not None


def test_a_password_that_is_hashed_anew_forgets_the_raw_one(db, settings, monkeypatch):
    User = get_user_model()
    user = User.objects.create_user("ada", password="engine")
    assert user._password is None
    seen = []
    original = User.save

    def save(self, **given):
        seen.append((self._password, given))
        return original(self, **given)

    monkeypatch.setattr(User, "save", save)
    settings.PASSWORD_HASHERS = [
        "django.contrib.auth.hashers.PBKDF2PasswordHasher",
        "django.contrib.auth.hashers.MD5PasswordHasher",
    ]
    assert identify_hasher(user.password).algorithm != get_hasher().algorithm
    assert user.check_password("engine")
    user.set_password("loom")
    user.save()
    assert seen == [(None, {"update_fields": ["password"]}), ("loom", {})]


def test_the_admin_logs_all_its_actions_in_one_place():
    admin_integration.uninstall()
    try:
        assert parameters(LogEntryManager, "log_actions") == [
            "user_id",
            "queryset",
            "action_flag",
            "change_message",
            "single_object",
        ]
        original = LogEntryManager.log_actions
        admin_integration.install()
        assert LogEntryManager.log_actions is not original
        admin_integration.uninstall()
        assert LogEntryManager.log_actions is original
    finally:
        admin_integration.install()
    for name in ("changeform_view", "changelist_view"):
        assert parameters(ModelAdmin, name)[0] == "request"
    for name in ("log_addition", "log_change", "log_deletions"):
        assert "log_actions" in inspect.getsource(getattr(ModelAdmin, name))


def test_the_tasks_of_django_are_called_by_these_methods():
    base = pytest.importorskip("django.tasks.base", reason="Django has tasks since 6.0")
    from trailkeeper.contrib import django_tasks

    django_tasks.uninstall()
    try:
        originals = {name: base.Task.__dict__[name] for name in django_tasks._WRAPPERS}
        for name, original in originals.items():
            assert inspect.iscoroutinefunction(original) is name.startswith("a")
            assert list(inspect.signature(original).parameters) == ["self", "args", "kwargs"]
        django_tasks.install()
        assert all(base.Task.__dict__[n] is not o for n, o in originals.items())
        django_tasks.uninstall()
        assert {name: base.Task.__dict__[name] for name in originals} == originals
    finally:
        django_tasks.install()


def test_hijack_keeps_its_marks_in_the_session(db):
    views = pytest.importorskip("hijack.views", reason="django-hijack is not installed")
    from trailkeeper.actor import HIJACK_MARK

    source = inspect.getsource(views.AcquireUserView.post)
    assert f'request.session["{HIJACK_MARK}"] = hijack_history' in source
    assert source.index("session[") < source.index("hijack_started.send")


def test_celery_brings_foreign_headers_to_the_request_of_the_task():
    task = pytest.importorskip("celery.app.task", reason="Celery is not installed")
    request = task.Context({"id": "7", "root_id": "5", "trailkeeper": {"tenant": "acme"}})
    assert request.headers == {"trailkeeper": {"tenant": "acme"}}
    assert (request.root_id, request.is_eager) == ("5", False)
    assert task.Context({"id": "7"}).headers is None
