"""A project whose users are a model of its own: in another process, which has other settings."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection

pytestmark = pytest.mark.django_db(transaction=True)

MODELS = """
from django.contrib.auth.models import AbstractUser
from django.db import models

class Member(AbstractUser):
    badge = models.CharField(max_length=20, default="")
"""

SETTINGS = """
from tests.settings import *

INSTALLED_APPS = ["people", *INSTALLED_APPS]
AUTH_USER_MODEL = "people.Member"
DATABASES = {"default": {**DATABASES["default"], "NAME": %(database)r}}
TRAILKEEPER = {"STORE": %(folder)r + "/trail", "SPOOL": %(folder)r + "/spool", "DRAIN": "none"}
"""

WRITES = """
import json

import django

django.setup()
from django.contrib.auth import authenticate, get_user_model
from django.contrib.auth.models import Group
from django.db import connection

import trailkeeper
from trailkeeper.testing import assert_no_drift

Member = get_user_model()
with connection.schema_editor() as editor:
    editor.create_model(Member)
try:
    ada = Member.objects.create_user("ada", password="secret", badge="1")
    with trailkeeper.context(actor=ada):
        ada.badge = "2"
        ada.save()
        Member.objects.update(badge="3")
        ada.groups.add(Group.objects.create(name="staff"))
        assert authenticate(username="ada", password="wrong") is None
    assert_no_drift(models=["people"])
    Group.objects.all().delete()
    Member.objects.get().delete()
    assert_no_drift(models=["people"])
finally:
    with connection.schema_editor() as editor:
        editor.delete_model(Member)
trailkeeper.flush()
events = trailkeeper.events().order_by("seq").values(
    "action", "model", "before", "after", "changed", "actor_label"
)
print(json.dumps(list(events)))
"""


@pytest.fixture
def events(tmp_path):
    """What a process whose settings swap the user model has recorded."""
    app = tmp_path / "people"
    app.mkdir()
    (app / "__init__.py").touch()
    (app / "models.py").write_text(MODELS)
    values = {"database": str(connection.settings_dict["NAME"]), "folder": str(tmp_path)}
    (tmp_path / "swapped.py").write_text(SETTINGS % values)
    (tmp_path / "writes.py").write_text(WRITES)
    done = subprocess.run(
        [sys.executable, "writes.py"],
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def environment(folder):
    tests = Path(__file__).resolve().parents[2]
    path = os.pathsep.join([str(folder), str(tests), *filter(None, sys.path)])
    return {**os.environ, "PYTHONPATH": path, "DJANGO_SETTINGS_MODULE": "swapped"}


def test_users_of_the_projects_own_are_told_as_any_model(events):
    told = [
        (e["action"], (e["before"] or {}).get("badge"), (e["after"] or {}).get("badge"))
        for e in events
        if e["model"] == "people.member" and e["action"] in ("create", "update", "delete")
    ]
    assert told == [
        ("create", None, "1"),
        ("update", "1", "2"),
        ("update", "2", "3"),
        ("delete", "3", None),
    ]
    assert {e["actor_label"] for e in events if e["action"] == "update"} == {"ada"}
    assert "secret" not in json.dumps(events)


def test_their_groups_and_logins_are_told_as_those_of_djangos_users(events):
    told = {(e["action"], e["model"]): e["changed"] for e in events}
    assert told["link", "people.member"] == ["groups"]
    assert told["unlink", "people.member"] == ["groups"]
    assert ("permissions_changed", "people.member") in told
    assert "login_failed" in {action for action, _ in told}
