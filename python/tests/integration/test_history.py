import base64
import datetime
import pickle
import subprocess
import sys
import uuid
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db import models
from django.db.models import DEFERRED
from django.test import override_settings
from tests.integration.fake_trail import Trail, event

from trailkeeper.history import UNKNOWN, Change, UnknownValueError, as_of, diff, events, history
from trailkeeper.history.reference import object_id_of, primary_key_of, reference_to
from trailkeeper.models import Event

pytestmark = pytest.mark.usefixtures("fake")

UTC = datetime.UTC
T0 = datetime.datetime(2026, 1, 1, tzinfo=UTC)


def at(hours: float) -> datetime.datetime:
    return T0 + datetime.timedelta(hours=hours)


class Customer(models.Model):
    class Meta:
        app_label = "billing_history"

    def __str__(self) -> str:
        return "customer"


class Invoice(models.Model):
    number = models.CharField(max_length=10, default="default")
    total = models.DecimalField(max_digits=10, decimal_places=2, default=0)
    issued = models.DateField(null=True)
    sent_at = models.DateTimeField(null=True)
    due_time = models.TimeField(null=True)
    grace = models.DurationField(null=True)
    public_id = models.UUIDField(null=True)
    pdf = models.BinaryField(null=True)
    paid = models.BooleanField(default=False)
    rate = models.FloatField(null=True)
    address = models.JSONField(default=dict)
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, null=True)
    password = models.CharField(max_length=10, default="")

    class Meta:
        app_label = "billing_history"

    def __str__(self) -> str:
        return f"invoice {self.number}"


class Line(models.Model):
    pk = models.CompositePrimaryKey("invoice_id", "code")
    invoice_id = models.IntegerField()
    code = models.CharField(max_length=10)

    class Meta:
        app_label = "billing_history"

    def __str__(self) -> str:
        return self.code


class Reminder(Invoice):
    class Meta:
        proxy = True
        app_label = "billing_history"


WHOLE = {
    "id": 7,
    "number": "INV-1",
    "total": "12.50",
    "issued": "2026-01-02",
    "sent_at": "2026-01-02T03:04:05.000006Z",
    "due_time": "10:30:00",
    "grace": "P3DT04H05M06.000007S",
    "public_id": "00000000-0000-0000-0000-00000000000a",
    "pdf": base64.b64encode(b"\x00\xff").decode(),
    "paid": True,
    "rate": "NaN",
    "address": {"city": "Rome", "lines": [1, None]},
    "customer": 3,
    "password": "masked:0",
}
LABEL = "billing_history.invoice"


def version(number: int, action: str = "update", **columns: Any) -> dict[str, Any]:
    moment = at(number)
    return event(
        number,
        action=action,
        model=LABEL,
        object_id="7",
        occurred_at=columns.pop("occurred_at", moment),
        committed_at=columns.pop("committed_at", moment),
        **columns,
    )


# Which events


def seqs(found: Any) -> list[int | None]:
    return [e.seq for e in found]


def test_history_of_an_object_is_newest_first(rows: Any) -> None:
    rows([version(1, "create"), version(3), version(2), event(4, model=LABEL, object_id="77")])
    assert seqs(history(Invoice(pk=7))) == [3, 2, 1]
    assert seqs(history((Invoice, 7))) == [3, 2, 1]
    assert seqs(history((LABEL, "7"))) == [3, 2, 1]
    assert seqs(history(Reminder(pk=7))) == [3, 2, 1]
    assert seqs(history(Invoice)) == [4, 3, 2, 1]
    assert seqs(history(Invoice(pk=8))) == []


def test_a_plain_object_is_looked_up_by_its_key_alone() -> None:
    list(history(Invoice(pk=7)).values("pk"))
    (statement,) = Trail.statements
    assert statement.split(" WHERE ")[1].startswith(
        """"events"."object_key" = 'billing_history.invoice/7' ORDER BY"""
    )


def test_links_are_in_the_history_of_the_other_side(rows: Any) -> None:
    def link(number: int, group: str, action: str = "link", model: str = "auth.user") -> Any:
        return event(
            number,
            action=action,
            model=model,
            object_id="1",
            changed=["groups"],
            related=[{"model": "auth.group", "object_id": group}],
        )

    rows(
        [
            event(1, action="create", model="auth.group", object_id="5"),
            link(2, "5"),
            link(3, "55"),
            link(4, "5", "unlink"),
            link(5, "5", "update"),
            link(6, "5", model="gone.model"),
        ]
    )
    assert seqs(history(Group(pk=5))) == [4, 2, 1]
    assert seqs(history(User(pk=1))) == [5, 4, 3, 2]
    # A model that is gone may have been pointed at by any other.
    assert seqs(history(("auth.group", 5))) == [4, 2, 1]
    assert seqs(history(("gone.group", 5))) == []


def test_the_queryset_knows_the_usual_questions(rows: Any) -> None:
    rows(
        [
            event(1, actor_type="user", actor_id="9", changed=["status"]),
            event(2, actor_type="service", actor_id="9", changed=["status", "total"]),
            event(3, actor_type="user", actor_id="8", transaction=2, position=1),
        ]
    )
    assert seqs(events()) == [3, 2, 1]
    assert seqs(events().oldest_first()) == [1, 2, 3]
    assert seqs(events().by_actor(User(pk=9))) == [1]
    assert seqs(events().by_actor(8)) == [3]
    assert seqs(events().touching("status")) == [2, 1]
    assert seqs(events().between(at(1), at(3))) == [2, 1]
    assert seqs(events().in_transaction("00000000000000aa0000000200000000")) == [3, 2]


def test_a_naive_time_is_an_error() -> None:
    naive = datetime.datetime(2026, 1, 1)
    with pytest.raises(ValueError, match="no time zone"):
        as_of(Invoice(pk=7), naive)
    with pytest.raises(ValueError, match="no time zone"):
        events().between(naive, T0)


@pytest.mark.parametrize(
    ("pk", "text"),
    [
        (7, "7"),
        ("a/b", "a/b"),
        (uuid.UUID(int=10), "00000000-0000-0000-0000-00000000000a"),
        ((1, "\u00e9"), '[1,"\u00e9"]'),
        ((1, uuid.UUID(int=10)), '[1,"00000000-0000-0000-0000-00000000000a"]'),
        (Customer(pk=3), "3"),
    ],
)
def test_keys_as_text(pk: object, text: str) -> None:
    assert object_id_of(pk) == text


def test_composite_keys_there_and_back() -> None:
    reference = reference_to(Line(invoice_id=1, code='a"b'))
    assert reference.key == 'billing_history.line/[1,"a\\"b"]'
    assert primary_key_of(Line, reference.object_id) == (1, 'a"b')


def test_an_object_without_key_has_no_history() -> None:
    with pytest.raises(ValueError, match="without a primary key"):
        history(Invoice())
    with pytest.raises(ValueError, match="without a primary key"):
        history(Line())


# The state at a time


def test_as_of_gives_values_with_their_types(rows: Any) -> None:
    rows([version(1, "create", after=WHOLE)])
    found = as_of(Invoice(pk=7), at(1))
    assert isinstance(found, Invoice)
    assert found._state.adding
    assert found.pk == 7
    assert found.number == "INV-1"
    assert found.total == Decimal("12.50")
    assert isinstance(found.total, Decimal)
    assert found.issued == datetime.date(2026, 1, 2)
    assert found.sent_at == datetime.datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
    assert found.due_time == datetime.time(10, 30)
    assert found.grace == datetime.timedelta(3, 4 * 3600 + 5 * 60 + 6, 7)
    assert found.public_id == uuid.UUID(int=10)
    assert found.pdf == b"\x00\xff"
    assert found.paid is True
    assert found.rate != found.rate
    assert found.address == {"city": "Rome", "lines": [1, None]}
    assert found.customer_id == 3  # type: ignore[attr-defined]


def test_as_of_takes_the_newest_version_committed_by_then(rows: Any) -> None:
    rows(
        [
            version(1, "create", after=WHOLE),
            version(2, after={**WHOLE, "number": "two"}, committed_at=at(5)),
            version(3, after={**WHOLE, "number": "three"}),
            event(4, action="link", model=LABEL, object_id="7", changed=["tags"]),
        ]
    )
    assert as_of(Invoice(pk=7), at(2)).number == "INV-1"
    assert as_of(Invoice(pk=7), at(3)).number == "three"
    assert as_of(Invoice(pk=7), at(9)).number == "three"
    assert as_of((Invoice, 7), at(9)).number == "three"


def test_as_of_sees_the_open_transaction(rows: Any) -> None:
    rows([version(1, "create", after=WHOLE, committed_at=None, seq=None)])
    assert as_of(Invoice(pk=7), at(2)).number == "INV-1"
    with pytest.raises(Invoice.DoesNotExist):
        as_of(Invoice(pk=7), at(0))


def test_before_creation_and_after_deletion(rows: Any) -> None:
    rows([version(2, "create", after=WHOLE), version(4, "delete", before=WHOLE)])
    live = Invoice(pk=7, number="INV-1")
    with pytest.raises(Invoice.DoesNotExist, match=r"^invoice INV-1 had not yet been created\.$"):
        as_of(live, at(1))
    with pytest.raises(Invoice.DoesNotExist, match=r"^invoice INV-1 had already been deleted\.$"):
        as_of(live, at(5))
    assert as_of(live, at(3)).number == "INV-1"
    with pytest.raises(Invoice.DoesNotExist, match=r"^invoice 7 had already been deleted\.$"):
        as_of((Invoice, 7), at(5))


def test_where_the_trail_begins_later_nothing_is_claimed(rows: Any) -> None:
    with pytest.raises(Invoice.DoesNotExist, match=r"^Nothing is recorded about invoice X\.$"):
        as_of(Invoice(pk=7, number="X"), at(1))
    rows([version(2, after=WHOLE)])
    with pytest.raises(Invoice.DoesNotExist, match="not known: its trail begins at 2026-01-01"):
        as_of(Invoice(pk=7, number="X"), at(1))


def test_what_a_version_lacks_is_in_older_ones(rows: Any) -> None:
    rows(
        [
            version(1, "create", after={**WHOLE, "number": "gone", "paid": True}),
            version(2, "delete", before=WHOLE),
            version(3, "create", after={k: v for k, v in WHOLE.items() if k != "paid"}),
            version(4, after={"number": "four", "total": "4.00"}),
            version(5, after={"total": "5.00"}, unavailable=["rate"]),
            version(6, after={"number": "six"}),
        ]
    )
    found = as_of(Invoice(pk=7), at(5))
    assert (found.number, found.total, found.customer_id) == ("four", Decimal("5.00"), 3)  # type: ignore[attr-defined]
    assert found.get_deferred_fields() == {"paid", "rate", "password"}


def test_nothing_is_taken_from_before_a_deletion(rows: Any) -> None:
    # Created anew by something that the trail has not seen.
    rows(
        [
            version(1, "create", after=WHOLE),
            version(2, "delete", before=WHOLE),
            version(3, after={"total": "3.00"}),
        ]
    )
    found = as_of(Invoice(pk=7), at(3))
    assert found.total == Decimal("3.00")
    assert "number" in found.get_deferred_fields()


def test_a_value_known_again_is_known(rows: Any) -> None:
    rows(
        [
            version(1, "create", after=WHOLE),
            version(2, after={"total": "5.00"}, unavailable=["number"]),
            version(3, after={"number": "three"}),
        ]
    )
    assert as_of(Invoice(pk=7), at(2)).get_deferred_fields() >= {"number"}
    assert as_of(Invoice(pk=7), at(3)).number == "three"


def test_an_unknown_value_is_never_that_of_today(rows: Any) -> None:
    rows([version(1, after={"id": 7, "number": "INV-1", "total": "not a number"})])
    found = as_of(Invoice(pk=7), at(1))
    for field in ("paid", "total", "customer_id", "password"):
        with pytest.raises(UnknownValueError, match=f"does not have {field}"):
            getattr(found, field)


def test_an_unknown_value_stays_unknown_in_a_pickle(rows: Any) -> None:
    rows([event(1, action="create", model="auth.group", object_id="5", after={})])
    copied = pickle.loads(pickle.dumps(as_of((Group, 5), at(1))))
    with pytest.raises(UnknownValueError):
        _ = copied.name


def test_a_secret_is_unknown_not_its_hash(rows: Any) -> None:
    rows([version(1, "create", after=WHOLE)])
    with pytest.raises(UnknownValueError):
        _ = as_of(Invoice(pk=7), at(1)).password


def test_the_key_is_always_known(rows: Any) -> None:
    rows([version(1, after={"number": "x"})])
    assert as_of((Invoice, 7), at(1)).pk == 7


def test_fields_that_the_model_no_longer_has_are_left_out(rows: Any) -> None:
    rows([version(1, "create", after={**WHOLE, "removed": 1})])
    assert not hasattr(as_of(Invoice(pk=7), at(1)), "removed")


@override_settings(USE_TZ=False, TIME_ZONE="Europe/Paris")
def test_without_time_zones_states_have_local_times(rows: Any) -> None:
    rows([version(1, "create", after=WHOLE)])
    local = datetime.datetime(2026, 1, 2, 4, 4, 5, 6)
    assert as_of(Invoice(pk=7), at(1)).sent_at == local


def test_a_model_by_label(rows: Any) -> None:
    rows([event(1, action="create", model="auth.group", object_id="5", after={"name": "x"})])
    found = as_of(("auth.Group", 5), at(1))
    assert isinstance(found, Group)
    assert found.name == "x"
    with pytest.raises(LookupError, match=r"no model 'gone\.model'"):
        as_of(("gone.model", 5), at(1))


# Differences


@pytest.mark.parametrize(
    ("columns", "changes"),
    [
        (
            {"changed": ["b", "a"], "before": {"a": 1, "b": 2}, "after": {"a": 3, "b": None}},
            [("b", 2, None), ("a", 1, 3)],
        ),
        (
            {"changed": ["a"], "after": {"a": 3, "z": 1}, "unavailable": ["a"]},
            [("a", UNKNOWN, 3)],
        ),
        ({"action": "create", "after": {"b": 1, "a": 2}}, [("a", None, 2), ("b", None, 1)]),
        ({"action": "delete", "before": {"a": 2}}, [("a", 2, None)]),
        (
            {"action": "delete", "before": {"a": 2}, "unavailable": ["b"]},
            [("a", 2, None), ("b", UNKNOWN, None)],
        ),
        (
            {"action": "link", "changed": ["tags"], "related": [{"model": "m", "object_id": "1"}]},
            [("tags", None, [{"model": "m", "object_id": "1"}])],
        ),
        (
            {"action": "unlink", "changed": ["tags"], "related": [{"model": "m"}]},
            [("tags", [{"model": "m"}], None)],
        ),
        ({"kind": "auth", "action": "login"}, []),
    ],
)
def test_diff(rows: Any, columns: dict[str, Any], changes: list[Any]) -> None:
    rows([event(1, **columns)])
    found = diff(Event.objects.get())
    assert found == [Change(*change) for change in changes]


def test_unknown_says_so() -> None:
    assert (str(UNKNOWN), repr(UNKNOWN), bool(UNKNOWN)) == ("(unknown)", "UNKNOWN", False)
    assert UNKNOWN is not DEFERRED


def test_importing_needs_no_app() -> None:
    code = (
        "import sys; sys.modules['trailkeeper_engine'] = None;"
        "import trailkeeper.history, trailkeeper.backend.alias; print('ok')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "ok", done.stderr


def test_permission_is_pointed_at_by_several_models(rows: Any) -> None:
    def link(number: int, model: str) -> dict[str, Any]:
        related = [{"model": "auth.permission", "object_id": "4"}]
        return event(number, action="link", model=model, object_id="1", related=related)

    rows([link(1, "auth.user"), link(2, "auth.group")])
    assert seqs(history(Permission(pk=4))) == [2, 1]
