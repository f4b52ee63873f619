import datetime
from typing import Any

import pytest
from django.contrib.admin.sites import AdminSite
from django.contrib.auth.models import Group, User
from django.core import checks, serializers
from tests.integration.fake_trail import event

from trailkeeper.backend.alias import ALIAS
from trailkeeper.models import Event

pytestmark = pytest.mark.usefixtures("fake")

UTC = datetime.UTC
NOON = datetime.datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.django_db
def test_django_finds_nothing_wrong_with_it() -> None:
    assert Event.check(databases=["default", ALIAS]) == []
    assert [m for m in checks.run_checks() if m.obj is Event] == []


def test_it_has_the_columns_of_the_format() -> None:
    text = (
        "seq writer transaction_number position schema_version kind action outcome reason "
        "occurred_at committed_at recorded_at actor_type actor_id actor_label impersonator_id "
        "impersonator_label service tenant source database request_id trace_id session ip "
        "user_agent http_method http_route http_path http_status duration_us model object_id "
        "object_key object_label related changed before after unavailable data salt redacted "
        "event_id transaction_id"
    )
    assert {field.column for field in Event._meta.concrete_fields} == set(text.split())


def test_values_have_their_python_types(rows: Any) -> None:
    rows(
        [
            event(
                3,
                occurred_at=NOON,
                changed=["status"],
                before={"status": "draft", "total": "1.50"},
                after={"status": "sent"},
                data={"a": [1, None, {"b": "\u00e9"}]},
                related=[{"model": "billing.tag", "object_id": "1"}],
                redacted={"ip": "00"},
                salt=b"\x01\x02",
            )
        ]
    )
    found = Event.objects.get()
    assert found.pk == found.event_id == "00000000000000aa0000000300000000"
    assert found.occurred_at == NOON
    assert found.changed == ["status"]
    assert found.before == {"status": "draft", "total": "1.50"}
    assert found.after == {"status": "sent"}
    assert found.data == {"a": [1, None, {"b": "\u00e9"}]}
    assert found.related == [{"model": "billing.tag", "object_id": "1"}]
    assert found.redacted == {"ip": "00"}
    assert found.salt == b"\x01\x02"
    assert found._state.db == ALIAS
    assert Event.objects.values_list("after", flat=True).get() == {"status": "sent"}


def test_absent_json_reads_as_empty_and_isnull_tells(rows: Any) -> None:
    rows([event(1), event(2, changed=[], after={})])
    for found in Event.objects.all():
        assert (found.changed, found.related, found.unavailable) == ([], [], [])
        assert (found.before, found.after, found.data, found.redacted) == ({}, {}, {}, {})
    assert [e.seq for e in Event.objects.filter(after__isnull=True)] == [1]


def test_newest_first_and_pending_before_stored(rows: Any) -> None:
    rows(
        [
            event(1, occurred_at=NOON),
            event(2, occurred_at=NOON, position=1, transaction=2),
            event(3, occurred_at=NOON),
            event(4, occurred_at=NOON, seq=None),
            event(5, occurred_at=NOON - datetime.timedelta(microseconds=1)),
            event(6, occurred_at=NOON + datetime.timedelta(microseconds=1)),
        ]
    )
    newest_first = [e.transaction_number for e in Event.objects.all()]
    assert newest_first == [6, 2, 4, 3, 1, 5]
    assert [e.transaction_number for e in Event.objects.reverse()] == newest_first[::-1]
    assert Event.objects.latest().transaction_number == 6
    assert Event.objects.first().transaction_number == 6  # type: ignore[union-attr]


def test_reading_with_refresh_defer_and_another_database(rows: Any) -> None:
    rows([event(1, kind="auth", reason="x")])
    found = Event.objects.defer("reason").get()
    assert found.reason == "x"
    found.refresh_from_db()
    assert Event.objects.using("default").count() == 0
    assert Event.objects.db_manager("default").count() == 0
    assert Event._base_manager.count() == 1


@pytest.mark.parametrize(
    ("lookup", "value", "wanted"),
    [
        ("changed__contains", "status", [1]),
        ("changed__contains", "stat", []),
        ("changed__contains", "a_b", [3]),
        ("changed__contains", 'q"uote\\', [4]),
        ("after__contains", {"status": "paid"}, [1]),
        ("after__contains", {"status": "pai"}, []),
        ("after__contains", {"n": 1}, [2, 5]),
        ("after__contains", {"n": 12}, [3]),
        ("after__contains", {"n": None}, [4]),
        ("after__contains", {"n": 1, "z": True}, [2]),
        ("after__contains", {"at": datetime.datetime(2026, 1, 1, 0, 0, 0, 5, tzinfo=UTC)}, [2]),
        ("after__contains", {"big": 2**60}, [3]),
        ("after__contains", {"name": "%"}, []),
        ("after__contains", {"name": "100%"}, [4]),
        ("after__has_key", "status", [1]),
        ("after__has_key", "paid", []),
        ("related__refers_to", ("billing.tag", "1"), [3]),
        ("related__refers_to", ("billing.tag", "2"), [3]),
        ("related__refers_to", ("billing.customer", "2"), []),
    ],
)
def test_json_lookups(rows: Any, lookup: str, value: Any, wanted: list[int]) -> None:
    rows(
        [
            event(1, changed=["status", "status_at"], after={"status": "paid"}),
            event(
                2,
                changed=["statuses"],
                after={"n": 1, "z": True, "at": "2026-01-01T00:00:00.000005Z"},
            ),
            event(
                3,
                changed=["a_b"],
                after={"n": 12, "big": str(2**60)},
                related=[
                    {"model": "billing.tag", "object_id": "1", "label": "x"},
                    {"model": "billing.tag", "object_id": "2"},
                    {"model": "billing.customer", "object_id": "1"},
                ],
            ),
            event(4, changed=['q"uote\\', "axb"], after={"n": None, "name": "100%"}),
            event(5, after={"deep": {"n": 1}}),
        ]
    )
    assert [e.seq for e in Event.objects.filter(**{lookup: value}).order_by("seq")] == wanted


@pytest.mark.parametrize("value", [1.5, [1], {"a": 1.5}, {}, {"a": {"b": 1}}])
def test_json_that_cannot_be_found_in_text_is_refused(value: object) -> None:
    with pytest.raises(TypeError):
        list(Event.objects.filter(after__contains=value))


@pytest.mark.django_db
def test_target_and_actor_are_the_objects_of_today() -> None:
    user = User.objects.create(username="ada")
    group = Group.objects.create(name="staff")
    found = Event(
        model="auth.group",
        object_id=str(group.pk),
        database="default",
        actor_type="user",
        actor_id=str(user.pk),
    )
    assert (found.target, found.actor) == (group, user)
    found.database = "a database that is gone"
    assert found.target == group


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("model", "object_id"),
    [
        ("auth.group", "77"),
        ("auth.group", "not a number"),
        ("gone.model", "1"),
        ("nonsense", "1"),
        (None, None),
        ("auth.group", None),
    ],
)
def test_what_is_gone_is_none(model: str | None, object_id: str | None) -> None:
    found = Event(model=model, object_id=object_id, actor_type="user", actor_id=object_id)
    assert found.target is None
    assert found.actor is None
    assert Event(actor_type="system", actor_id="1").actor is None


def test_str_says_when_who_and_what() -> None:
    found = Event(occurred_at=NOON, action="update", actor_label="Ada", object_label="INV-1")
    assert str(found) == "2026-11-23 12:00:00 Ada update INV-1"
    assert str(Event(occurred_at=NOON, action="login", actor_type="anonymous")) == (
        "2026-11-23 12:00:00 anonymous login"
    )


def test_only_viewing_is_a_permission() -> None:
    assert Event._meta.default_permissions == ("view",)


def test_it_can_be_serialised(rows: Any) -> None:
    rows([event(1, after={"a": 1}, changed=["a"])])
    (found,) = serializers.deserialize("json", serializers.serialize("json", Event.objects.all()))
    assert found.object.after == {"a": 1}
    assert found.object.changed == ["a"]


@pytest.mark.django_db
def test_the_admin_can_list_it(rows: Any, rf: Any) -> None:
    from django.contrib.admin import ModelAdmin

    rows([event(n, reason=f"r{n}") for n in range(3)])
    admin = ModelAdmin(Event, AdminSite())
    admin.search_fields = ["reason"]
    admin.list_filter = ["kind", "occurred_at"]
    admin.date_hierarchy = "occurred_at"
    request = rf.get("/", {"q": "r1", "kind__exact": "change", "occurred_at__year": "2026"})
    request.user = User(is_superuser=True, is_active=True)
    changes = admin.get_changelist_instance(request)
    assert [e.seq for e in changes.result_list] == [1]
