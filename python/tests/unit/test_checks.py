"""Every check finds what it is for, and says what to do about it."""

import os
import re
from pathlib import Path

import pytest
from django.apps import apps
from django.core import checks as django_checks
from django.core.checks import Error, Warning

from trailkeeper import checks
from trailkeeper.checks import callables, check_middleware, check_settings
from trailkeeper.conf import DEFAULTS, ENVIRONMENT_URL
from trailkeeper.conf import settings as trail_settings

OURS = checks.MIDDLEWARE
AUTHENTICATION = checks.AUTHENTICATION


def current_tenant():
    return "acme"


def tenant_of(request):
    return request.tenant


async def tenant_of_task():
    return "acme"


@pytest.fixture(autouse=True)
def no_url(monkeypatch):
    monkeypatch.delenv(ENVIRONMENT_URL, raising=False)


@pytest.fixture
def found(settings, tmp_path):
    """What the check of the settings finds, as id and text; the places are good unless given."""

    def find(**given):
        places = {"STORE": str(tmp_path / "trail"), "SPOOL": str(tmp_path / "spool")}
        settings.TRAILKEEPER = {**places, **given}
        return [said(message) for message in check_settings()]

    return find


def said(message):
    """The id, the message and the hint, once they are known to be both there."""
    assert message.msg.endswith(".")
    assert message.hint.endswith(".")
    assert isinstance(message, Error if ".E" in message.id else Warning)
    return message.id.removeprefix("trailkeeper."), message.msg, message.hint


def only(messages, expected):
    """The text of the one message, which has this id."""
    ((number, message, hint),) = messages
    assert number == expected
    return f"{message} {hint}"


# What is right.


def test_the_defaults_are_clean(settings):
    del settings.TRAILKEEPER
    trail_settings.reset()
    assert check_settings() == []


def test_the_settings_of_this_project_are_clean():
    assert django_checks.run_checks(tags=[django_checks.Tags.compatibility]) == []


def test_every_key_can_be_set(found):
    assert (
        found(
            SPOOL_LIMIT=1 << 20,
            SOURCE="shop",
            INCLUDE=("shop.*", "AUTH.User"),
            EXCLUDE=["shop.ignored", "*.session"],
            MASK=["shop.order.notes", "*.name"],
            TENANT=f"{__name__}.current_tenant",
            REQUESTS=False,
            EXCLUDE_PATHS=[r"^/health", re.compile("^/x")],
            ON_FAILURE="raise",
            DRAIN="none",
            DRAIN_INTERVAL=0.5,
            SYNC="commit",
            ACTOR=lambda request: None,
            IMPERSONATOR=lambda request: None,
            TRUSTED_PROXIES=["10.0.0.0/8", "unix"],
            PROXY_HEADER="Forwarded",
            REQUEST_ID_HEADER=None,
            ACCESS={"shop.order": 0.5, "*": 0},
            CELERY="off",
            DJANGO_TASKS=False,
            MAX_VALUE_BYTES=1000,
        )
        == []
    )


@pytest.mark.parametrize("form", ["{}", "file://{}", "file://localhost{}"])
def test_a_folder_can_be_named_as_a_path_or_as_a_url(found, tmp_path, form):
    assert found(STORE=form.format(tmp_path / "trail")) == []


def test_all_checks_are_those_that_run():
    registered = django_checks.registry.registry.get_checks()
    assert {check_settings, check_middleware} <= set(registered)


# E001: no dict.


@pytest.mark.parametrize("value", [None, ["STORE"], "trail"])
def test_settings_that_are_no_dict(settings, value):
    settings.TRAILKEEPER = value
    text = only([said(message) for message in check_settings()], "E001")
    assert f"must be a dict, not {type(value).__name__}" in text


# E002: a key that does not exist.


@pytest.mark.parametrize(
    ("key", "meant"), [("EXCLUDES", "EXCLUDE"), ("spool", "SPOOL"), ("SPOOL_DIR", "SPOOL")]
)
def test_an_unknown_key(found, key, meant):
    text = only(found(**{key: "x"}), "E002")
    assert f"unknown key {key!r}" in text
    assert f"Did you mean {meant!r}?" in text
    assert ", ".join(sorted(DEFAULTS)) in text


def test_an_unknown_key_that_is_like_none(settings):
    settings.TRAILKEEPER = {7: 1}
    text = only([said(message) for message in check_settings()], "E002")
    assert "Did you mean" not in text


# E003: a value that cannot be.


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("STORE", 5, "must be str or Path or None, not int"),
        ("STORE", "", "must not be empty"),
        ("SPOOL", "", "must not be empty"),
        ("SPOOL_LIMIT", "4G", "must be int, not str"),
        ("SPOOL_LIMIT", True, "must be int, not bool"),
        ("SPOOL_LIMIT", 0, "must be above zero, not 0"),
        ("SOURCE", b"shop", "must be str or None, not bytes"),
        ("INCLUDE", "shop.*", "must be list or tuple, not str"),
        ("EXCLUDE", {"shop.*"}, "must be list or tuple, not set"),
        ("MASK", None, "must be list or tuple, not NoneType"),
        ("REQUESTS", 1, "must be bool, not int"),
        ("EXCLUDE_PATHS", "^/static/(", "must be list or tuple, not str"),
        ("EXCLUDE_PATHS", 5, "must be list or tuple, not int"),
        ("DRAIN_INTERVAL", -1, "must be above zero, not -1"),
        ("DRAIN_INTERVAL", float("nan"), "must be above zero, not nan"),
        ("MAX_VALUE_BYTES", 1.5, "must be int, not float"),
        ("ON_FAILURE", "ignore", "must be one of 'degrade', 'raise', not 'ignore'"),
        ("DRAIN", None, "must be one of 'thread', 'none', not None"),
        ("SYNC", ["commit"], "must be one of 'interval', 'commit', 'none', not ['commit']"),
    ],
)
def test_a_value_that_cannot_be(found, key, value, expected):
    text = only(found(**{key: value}), "E003")
    assert f"TRAILKEEPER[{key!r}] {expected}." in text
    assert f"the default, {DEFAULTS[key]!r}." in text


# E004: a store that is neither a folder nor in a bucket.


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://bucket/trail", "scheme 'ftp', and this release does not support it"),
        ("s3://", "names no bucket"),
        ("s3:///trail", "names no bucket"),
        ("s3://bucket:9000/trail", "names no bucket"),
        ("gs://bucket/a//b", "a prefix with other characters"),
        ("az://container/../b", "a prefix with other characters"),
        ("s3://bucket/trail?region=eu", "credentials belong into the environment"),
        ("postgresql://localhost/trail", "scheme 'postgresql'"),
        ("file://trail/events", "'trail' where a file URL has a host"),
        ("file://", "has no path"),
        ("http://[", "is no URL"),
    ],
)
def test_a_store_that_is_no_folder(found, url, reason):
    text = only(found(STORE=url), "E004")
    assert text.startswith("TRAILKEEPER['STORE'] names")
    assert reason in text
    assert "file:///path" in text


@pytest.mark.parametrize(
    "url", ["s3://bucket", "s3://shop.audit/prod/trail/", "gs://shop/trail", "az://shop/a=b/trail"]
)
def test_a_store_in_a_bucket(found, url, tmp_path):
    assert found(STORE=url, SPOOL=str(tmp_path / "spool")) == []


def test_a_store_of_the_environment_that_is_no_folder(found, monkeypatch):
    monkeypatch.setenv(ENVIRONMENT_URL, "ftp://bucket/trail")
    assert only(found(), "E004").startswith(f"{ENVIRONMENT_URL} names")


def test_secrets_of_a_url_are_not_shown(found):
    text = only(found(STORE="s3://key:hidden@bucket/trail?token=hidden"), "E004")
    assert "s3://***@bucket/trail" in text
    assert "hidden" not in text


# E005: store and spool in each other's way.


@pytest.mark.parametrize(
    ("store", "spool", "expected"),
    [
        ("trail", "trail", "are the same folder"),
        ("trail", "other/../trail", "are the same folder"),
        ("trail", "trail/spool", "lies inside the store"),
        ("data/trail", "data", "lies inside the spool"),
    ],
)
def test_store_and_spool_in_one_folder(found, tmp_path, store, spool, expected):
    text = only(found(STORE=str(tmp_path / store), SPOOL=tmp_path / spool), "E005")
    assert expected in text
    assert "Leave SPOOL out" in text


def test_store_and_spool_in_one_folder_by_a_link(found, tmp_path):
    (tmp_path / "trail").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "trail")
    text = only(found(SPOOL=str(tmp_path / "link")), "E005")
    assert "are the same folder" in text


def test_folders_with_names_that_begin_alike_are_two(found, tmp_path):
    assert found(STORE=str(tmp_path / "trail"), SPOOL=str(tmp_path / "trail-spool")) == []


# E006: a file where a folder must be.


@pytest.mark.parametrize("key", ["STORE", "SPOOL"])
@pytest.mark.parametrize("below", ["", "a/b"])
def test_a_file_where_a_folder_must_be(found, tmp_path, key, below):
    file = tmp_path / "taken"
    file.write_text("")
    text = only(found(**{key: str(file / below)}), "E006")
    assert f"The {key.lower()} {file / below} cannot be used: {file} is not a folder" in text
    assert f"Give {key} another place" in text


# E007: a pattern that is none.


@pytest.mark.parametrize("key", ["INCLUDE", "EXCLUDE", "MASK"])
def test_a_pattern_that_is_no_text(found, key):
    text = only(found(**{key: ["*", 5]}), "E007")
    assert f"TRAILKEEPER[{key!r}] takes patterns such as 'billing.*" in text
    assert "not 5" in text


# E008: no regular expression.


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("^/static/(", "unterminated subpattern"),
        (5, "first argument must be string"),
        (b"^/static/", "bytes pattern"),
    ],
)
def test_a_path_that_is_no_regular_expression(found, pattern, reason):
    text = only(found(EXCLUDE_PATHS=["^/media/", pattern]), "E008")
    assert repr(pattern) in text
    assert reason in text
    assert "'^/health'" in text


# E009: no tenant can be had.


@pytest.mark.parametrize(
    ("tenant", "reason"),
    [
        ("", "cannot be imported"),
        ("nowhere.current", "cannot be imported: No module named 'nowhere'"),
        (f"{__name__}.absent", "cannot be imported"),
        (f"{__name__}.OURS", "cannot be called: it is of type str"),
        (7, "cannot be called: it is of type int"),
        (tenant_of, "cannot be called without arguments: missing a required argument: 'request'"),
        (tenant_of_task, "is async"),
    ],
)
def test_a_tenant_that_cannot_be_had(found, tenant, reason):
    text = only(found(TENANT=tenant), "E009")
    assert f"TRAILKEEPER['TENANT'] {reason}" in text
    assert "function without arguments" in text


@pytest.mark.parametrize("error", [RuntimeError, SyntaxError])
def test_a_tenant_whose_module_raises(found, monkeypatch, error):
    original = callables.import_string

    def fail(path):
        if path == "shop.tenant":
            raise error("no settings yet")
        return original(path)

    monkeypatch.setattr(callables, "import_string", fail)
    assert "cannot be imported: no settings yet" in only(found(TENANT="shop.tenant"), "E009")


@pytest.mark.parametrize("tenant", [None, current_tenant, lambda name="acme": name, dict])
def test_a_tenant_that_can_be_had(found, tenant):
    assert found(TENANT=tenant) == []


# W001: a pattern without a match.


@pytest.mark.parametrize(
    ("key", "pattern", "meant", "shape"),
    [
        ("INCLUDE", "shop.odrer", "Did you mean 'shop.order'? ", "'app_label.modelname'"),
        ("EXCLUDE", "ignored", "", "'app_label.modelname'"),
        ("EXCLUDE", "bookshop.*", "", "'app_label.modelname'"),
        ("MASK", "shop.order", "", "'app_label.modelname.fieldname'"),
        (
            "MASK",
            "shop.customer.nam",
            "Did you mean 'shop.customer.name'? ",
            "'app_label.modelname.fieldname'",
        ),
    ],
)
def test_a_pattern_that_matches_nothing(found, key, pattern, meant, shape):
    messages = found(**{key: [pattern]})
    kind = "field" if key == "MASK" else "model"
    text = only(messages, "W001")
    assert f"TRAILKEEPER[{key!r}] has {pattern!r}, which matches no {kind}." in text
    if meant:
        assert messages[0][2].startswith(meant)
    assert shape in text


def test_each_pattern_is_told_by_itself(found):
    assert [number for number, *_ in found(EXCLUDE=["shop.x", "shop.*", "y"])] == ["W001"] * 2


# W002 and W003: the middleware.


@pytest.mark.parametrize("middleware", [[], [AUTHENTICATION]])
def test_the_middleware_is_not_there(settings, middleware):
    settings.MIDDLEWARE = middleware
    text = only([said(message) for message in check_middleware()], "W002")
    assert f"Add {OURS!r} after AuthenticationMiddleware" in text


def test_the_middleware_stands_before_authentication(settings):
    settings.MIDDLEWARE = [OURS, "a.b", AUTHENTICATION]
    text = only([said(message) for message in check_middleware()], "W003")
    assert f"Move {OURS!r} after {AUTHENTICATION!r}" in text


@pytest.mark.parametrize(
    "middleware", [[OURS], [AUTHENTICATION, OURS], (AUTHENTICATION, "a", OURS)]
)
def test_the_middleware_stands_where_it_should(settings, middleware):
    settings.MIDDLEWARE = middleware
    assert check_middleware() == []


# W004: an empty URL in the environment.


def test_an_empty_url_in_the_environment(found, monkeypatch, tmp_path):
    monkeypatch.setenv(ENVIRONMENT_URL, "")
    text = only(found(), "W004")
    assert f"empty {ENVIRONMENT_URL}" in text
    assert f"the store is {tmp_path / 'trail'}" in text
    assert f"Unset {ENVIRONMENT_URL}" in text


# W005: a folder that cannot be written to.


@pytest.fixture
def read_only(monkeypatch):
    """Makes a folder look as to a user without rights: tests may run as root, who has them all."""

    def refuse(folder):
        real = os.access
        monkeypatch.setattr(os, "access", lambda at, mode: Path(at) != folder and real(at, mode))

    return refuse


@pytest.mark.parametrize("key", ["STORE", "SPOOL"])
def test_a_folder_that_cannot_be_written_to(found, tmp_path, read_only, key):
    folder = tmp_path / "closed"
    folder.mkdir()
    read_only(folder)
    text = only(found(**{key: str(folder)}), "W005")
    assert f"The {key.lower()} {folder} cannot be written to by the user" in text
    assert f"give {key} another place" in text


def test_a_folder_that_cannot_be_made(found, tmp_path, read_only):
    (tmp_path / "closed").mkdir()
    read_only(tmp_path / "closed")
    text = only(found(SPOOL=tmp_path / "closed" / "a" / "spool"), "W005")
    assert f"cannot be made in {tmp_path / 'closed'} by the user" in text


def test_the_store_need_not_be_written_to_by_a_process_that_does_not_drain(
    found, tmp_path, read_only
):
    (tmp_path / "closed").mkdir()
    read_only(tmp_path / "closed")
    assert found(STORE=str(tmp_path / "closed"), DRAIN="none") == []


def test_checking_makes_no_folder(found, tmp_path):
    found(STORE=str(tmp_path / "a" / "trail"), SPOOL=str(tmp_path / "a" / "spool"))
    assert list(tmp_path.iterdir()) == []


# Together.


def test_all_that_is_wrong_is_told_at_once(found):
    messages = found(STORE="ftp://b", EXCLUDE=["x.y", 5], SYNC="never", TENANT=3, OTHER=1)
    assert [number for number, *_ in messages] == ["E002", "E003", "E004", "W001", "E007", "E009"]


# Which applications are checked.


def test_an_application_that_is_not_installed_is_not_checked(settings):
    settings.MIDDLEWARE = []
    settings.INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth"]
    assert check_middleware() == []
    assert check_settings() == []


def test_checks_of_other_applications_say_nothing_of_this_one(settings):
    settings.MIDDLEWARE = []
    others = [config for config in apps.get_app_configs() if config.name != "trailkeeper"]
    assert check_middleware(app_configs=others) == []
    assert check_settings(app_configs=others) == []
    own = [apps.get_app_config("trailkeeper")]
    assert [message.id for message in check_middleware(app_configs=own)] == ["trailkeeper.W002"]
