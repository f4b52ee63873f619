"""The contract with Django: the alias answers by name, and nothing else notices it."""

import io
import subprocess
import sys
import threading
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command, load_command_class
from django.db import (
    DEFAULT_DB_ALIAS,
    ConnectionHandler,
    close_old_connections,
    connections,
    reset_queries,
    transaction,
)
from django.db.utils import ConnectionDoesNotExist
from django.test import SimpleTestCase, TestCase
from django.test.utils import CaptureQueriesContext, get_unique_databases_and_mirrors
from tests.integration import fake_trail

from trailkeeper.backend import alias
from trailkeeper.backend.base import DatabaseWrapper
from trailkeeper.models import Event

pytestmark = pytest.mark.usefixtures("fake")


def test_it_answers_by_name() -> None:
    assert alias.ALIAS in connections.settings
    assert isinstance(connections[alias.ALIAS], DatabaseWrapper)


def test_walking_over_the_databases_does_not_meet_it() -> None:
    connections[alias.ALIAS].ensure_connection()
    assert alias.ALIAS not in list(connections)
    assert alias.ALIAS not in [connection.alias for connection in connections.all()]
    assert alias.ALIAS not in [c.alias for c in connections.all(initialized_only=True)]
    assert alias.ALIAS not in connections.settings.keys()  # noqa: SIM118
    assert alias.ALIAS not in dict(connections.settings.items())
    assert alias.ALIAS not in get_unique_databases_and_mirrors()[0].values()


def test_its_settings_have_the_keys_that_django_fills_in() -> None:
    filled = ConnectionHandler({DEFAULT_DB_ALIAS: {"ENGINE": "django.db.backends.dummy"}}).settings
    ours = connections.settings[alias.ALIAS]
    assert ours.keys() == filled[DEFAULT_DB_ALIAS].keys()
    assert ours["TEST"].keys() == filled[DEFAULT_DB_ALIAS]["TEST"].keys()


def test_an_unknown_alias_is_still_unknown() -> None:
    with pytest.raises(ConnectionDoesNotExist):
        connections["nowhere"]


def test_uninstall_takes_it_away_and_install_is_idempotent() -> None:
    installed = connections.settings
    alias.install()
    assert connections.settings is installed
    alias.uninstall()
    try:
        with pytest.raises(ConnectionDoesNotExist):
            connections[alias.ALIAS]
        assert type(connections.settings) is dict
    finally:
        alias.install()
    assert connections[alias.ALIAS].vendor == "trailkeeper"


def test_an_entry_of_that_name_in_databases_is_an_error(monkeypatch: Any) -> None:
    monkeypatch.setitem(connections.__dict__, "settings", {alias.ALIAS: {}})
    with pytest.raises(ImproperlyConfigured, match="remove or rename"):
        alias.install()


def test_test_cases_can_read_without_naming_the_database(rows: Any) -> None:
    rows([fake_trail.event()])
    counts = []

    class Guarded(SimpleTestCase):
        def test(self) -> None:
            counts.append(Event.objects.count())

    class WithDefault(TestCase):
        def test(self) -> None:
            counts.append(Event.objects.count())

    for case in (Guarded, WithDefault):
        result = case("test").run()
        assert result is not None
        assert result.wasSuccessful(), result.errors
    assert counts == [1, 1]


@pytest.mark.parametrize("command", ["migrate", "flush", "dbshell"])
def test_commands_do_not_offer_it(command: str) -> None:
    parser = load_command_class("django.core", command).create_parser("manage.py", command)
    with pytest.raises(CommandError, match="invalid choice"):
        parser.parse_args(["--database", alias.ALIAS])


@pytest.mark.django_db
def test_dumpdata_leaves_the_trail_alone(fake: Any, rows: Any) -> None:
    rows([fake_trail.event()])
    for options in ({}, {"use_base_manager": True}):
        out = io.StringIO()
        call_command("dumpdata", "trailkeeper", stdout=out, **options)
        assert out.getvalue().strip() == "[]"
    assert fake.statements == []


@pytest.mark.django_db(transaction=True)
def test_no_migration_and_no_table_is_made() -> None:
    out = io.StringIO()
    call_command("makemigrations", dry_run=True, stdout=out)
    assert "No changes detected" in out.getvalue()
    call_command("migrate", run_syncdb=True, verbosity=0)
    assert "events" not in connections[DEFAULT_DB_ALIAS].introspection.table_names()


def test_atomic_is_harmless(rows: Any) -> None:
    rows([fake_trail.event()])
    with transaction.atomic(using=alias.ALIAS), transaction.atomic(using=alias.ALIAS):
        assert Event.objects.count() == 1
    with pytest.raises(ZeroDivisionError), transaction.atomic(using=alias.ALIAS):
        1 / 0  # noqa: B018
    assert Event.objects.count() == 1


def test_a_failed_query_leaves_atomic_usable(rows: Any) -> None:
    rows([fake_trail.event()])
    with transaction.atomic(using=alias.ALIAS):
        with pytest.raises(Exception, match="nope"):
            list(Event.objects.extra(where=["nope = 1"]))
        assert Event.objects.count() == 1


def test_on_commit_runs_at_once() -> None:
    ran = []
    transaction.on_commit(lambda: ran.append(1), using=alias.ALIAS)
    assert ran == [1]


@pytest.mark.django_db
def test_closing_changes_nothing(rows: Any) -> None:
    rows([fake_trail.event()])
    assert Event.objects.count() == 1
    connections[alias.ALIAS].close()
    close_old_connections()
    reset_queries()
    assert Event.objects.count() == 1


def test_threads_read_side_by_side(rows: Any) -> None:
    rows([fake_trail.event(n) for n in range(5)])
    counts: list[int] = []
    threads = [
        threading.Thread(target=lambda: counts.append(Event.objects.count())) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [5] * 4


def test_queries_are_logged_as_they_were_run(rows: Any) -> None:
    rows([fake_trail.event()])
    with CaptureQueriesContext(connections[alias.ALIAS]) as captured:
        list(Event.objects.filter(reason="it's 5%").values("pk"))
    assert "'it''s 5%'" in captured.captured_queries[0]["sql"]


def test_nobody_is_told_of_a_connection() -> None:
    from django.db.backends.signals import connection_created

    told = []
    connection_created.connect(receiver := lambda **kwargs: told.append(kwargs))
    try:
        connections[alias.ALIAS].close()
        connections[alias.ALIAS].ensure_connection()
    finally:
        connection_created.disconnect(receiver)
    assert told == []


def test_psycopg_is_not_needed() -> None:
    # In a process of its own, where nothing else has imported it.
    code = (
        "import sys; sys.modules['psycopg'] = sys.modules['psycopg2'] = None;"
        "from django.conf import settings; settings.configure();"
        "import django.db.models;"
        "import trailkeeper.backend.operations, trailkeeper.backend.compiler,"
        " trailkeeper.backend.alias, trailkeeper.backend.features;"
        "print('ok')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "ok", done.stderr
