"""The same questions, asked of the trail and of the test database, must have the same answers."""

import datetime
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.db import connection, models
from django.db.models import (
    Avg,
    Case,
    CharField,
    Count,
    DateField,
    Exists,
    ExpressionWrapper,
    F,
    IntegerField,
    Max,
    Min,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    TextField,
    Value,
    When,
    Window,
)
from django.db.models.functions import (
    Cast,
    Coalesce,
    Concat,
    ExtractHour,
    ExtractIsoYear,
    ExtractWeekDay,
    Greatest,
    Left,
    Length,
    Lower,
    Now,
    RowNumber,
    StrIndex,
    Substr,
    Trim,
    TruncDate,
    TruncDay,
    TruncHour,
    TruncMonth,
    TruncWeek,
    Upper,
)
from django.test import override_settings
from django.utils import timezone
from tests.integration import fake_trail

from trailkeeper.models import Event

pytestmark = [
    pytest.mark.django_db,
    # It compares text without regard to case, and has no time zones unless they are loaded.
    pytest.mark.skipif(connection.vendor == "mysql", reason="MariaDB is no model for the engine"),
]

UTC = datetime.UTC
TEXTS = [
    "it's",
    "50% off",
    "under_score",
    "back\\slash",
    'a "quote"',
    "MiXed",
    "mixed",
    "\u00e9t\u00e9",
    "\u65e5\u672c",
    "",
    "; DROP TABLE events; --",
    "%s",
    "a\nb\t",
    None,
]


def some_events() -> list[dict[str, Any]]:
    chance = random.Random(7)
    events = []
    moments = [
        datetime.datetime(2024, 12, 30, 23, 30, tzinfo=UTC),  # another ISO year; next day in Paris
        datetime.datetime(2025, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        datetime.datetime(2026, 3, 29, 0, 59, 59, tzinfo=UTC),  # before summer time in Paris
        datetime.datetime(2026, 3, 29, 1, 0, 0, 1, tzinfo=UTC),
        datetime.datetime(2026, 10, 25, 0, 30, tzinfo=UTC),  # 02:30 in Paris, twice
        datetime.datetime(2026, 10, 25, 1, 30, tzinfo=UTC),
        datetime.datetime(1700, 2, 28, 12, tzinfo=UTC),
        datetime.datetime(2026, 2, 1, tzinfo=UTC),  # a Sunday
    ]
    for number in range(60):
        occurred_at = (
            moments[number]
            if number < len(moments)
            else datetime.datetime(2026, 1, 1, tzinfo=UTC)
            + datetime.timedelta(microseconds=chance.randrange(10**13))
        )
        model = chance.choice(["billing.invoice", "billing.tag", None])
        events.append(
            fake_trail.event(
                number,
                seq=number if number < 55 else None,
                occurred_at=occurred_at,
                recorded_at=occurred_at + datetime.timedelta(seconds=chance.randrange(100)),
                kind=chance.choice(["change", "auth", "request"]),
                action=chance.choice(["create", "update", "delete", "login"]),
                reason=chance.choice(TEXTS),
                actor_label=chance.choice(TEXTS),
                tenant=chance.choice(["acme", "globex", None]),
                http_status=chance.choice([None, 200, 404, -1]),
                duration_us=chance.choice([None, 0, 2**40, 17]),
                model=model,
                object_id=str(chance.randrange(5)) if model else None,
                changed=chance.choice([None, ["status"], ["status", "total"], ["total"]]),
                salt=chance.choice([None, b"", b"\x00\xff'"]),
            )
        )
    return events


@pytest.fixture
def twins(rows: Any) -> tuple[QuerySet[Event], QuerySet[Event]]:
    """The same events in the trail and in a table of the test database."""
    events = some_events()
    rows(events)
    fields = Event._meta.local_concrete_fields
    quote = connection.ops.quote_name
    with connection.cursor() as cursor:
        columns = ", ".join(f"{quote(f.column)} {f.db_type(connection)}" for f in fields)
        cursor.execute(f"CREATE TABLE events ({columns})")
        cursor.executemany(
            f"INSERT INTO events VALUES ({', '.join(['%s'] * len(fields))})",
            [[_adapted(f, event.get(f.column)) for f in fields] for event in events],
        )
    return Event.objects.order_by(), QuerySet(Event).using("default").order_by()


def _adapted(field: Any, value: Any) -> Any:
    if isinstance(value, datetime.datetime):
        if not settings.USE_TZ:
            value = timezone.make_naive(value, timezone.get_default_timezone())
        return connection.ops.adapt_datetimefield_value(value)
    return value


NOON = datetime.datetime(2026, 3, 1, 12, tzinfo=UTC)

# Each gets the events without order. What has an order of its own is compared in it.
SETS: dict[str, Callable[[QuerySet[Event]], Any]] = {
    "all": lambda e: e.all(),
    "none": lambda e: e.none(),
    "exact": lambda e: e.filter(kind="auth"),
    "quote": lambda e: e.filter(reason="it's"),
    "injection": lambda e: e.filter(reason="; DROP TABLE events; --"),
    "percent": lambda e: e.filter(reason="%s"),
    "empty": lambda e: e.filter(reason=""),
    "isnull": lambda e: e.filter(reason=None),
    "exclude": lambda e: e.exclude(tenant="acme"),
    "exclude several": lambda e: e.exclude(tenant="acme", kind="auth"),
    "Q": lambda e: e.filter(Q(kind="auth") | ~Q(tenant="acme") & Q(http_status__gt=0)),
    "xor": lambda e: e.filter(Q(kind="auth") ^ Q(action="login")),
    "in": lambda e: e.filter(reason__in=["it's", "50% off", "missing"]),
    "in nothing": lambda e: e.filter(reason__in=[]),
    "iexact": lambda e: e.filter(reason__iexact="mixed"),
    "contains percent": lambda e: e.filter(reason__contains="%"),
    "contains underscore": lambda e: e.filter(reason__contains="_"),
    "contains backslash": lambda e: e.filter(reason__contains="\\"),
    "contains quote": lambda e: e.filter(reason__contains='"'),
    "icontains": lambda e: e.filter(reason__icontains="XED"),
    "startswith": lambda e: e.filter(reason__startswith="50%"),
    "istartswith": lambda e: e.filter(reason__istartswith="mix"),
    "endswith": lambda e: e.filter(reason__endswith="\\slash"),
    "iendswith": lambda e: e.filter(reason__iendswith="XED"),
    "contains expression": lambda e: e.filter(
        # SQLite's LIKE does not tell upper from lower case.
        reason__contains=F("actor_label")
    ).exclude(reason__iexact="mixed"),
    "startswith expression": lambda e: e.filter(reason__startswith=F("actor_label")).exclude(
        reason__iexact="mixed"
    ),
    "regex": lambda e: e.filter(reason__regex=r"^\w+'s$"),
    "iregex": lambda e: e.filter(reason__iregex=r"^MI.ed"),
    "number as text": lambda e: e.filter(http_status__contains="0"),
    "gt": lambda e: e.filter(http_status__gt=200),
    "gte": lambda e: e.filter(http_status__gte=-1),
    "lt": lambda e: e.filter(duration_us__lt=2**40),
    "lte": lambda e: e.filter(duration_us__lte=2**40),
    "range": lambda e: e.filter(http_status__range=(-5, 300)),
    "beyond 64 bits": lambda e: e.filter(duration_us__lt=2**70),
    "bytes": lambda e: e.filter(salt=b"\x00\xff'"),
    "time gte": lambda e: e.filter(occurred_at__gte=NOON),
    "time exact": lambda e: e.filter(
        occurred_at=datetime.datetime(2025, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
    ),
    "time range": lambda e: e.filter(occurred_at__range=(NOON, NOON + datetime.timedelta(20))),
    "year": lambda e: e.filter(occurred_at__year=1700),
    "year gte": lambda e: e.filter(occurred_at__year__gte=2026),
    "year in": lambda e: e.filter(occurred_at__year__in=[2025, 1700]),
    "iso_year": lambda e: e.filter(occurred_at__iso_year=2025),
    "quarter": lambda e: e.filter(occurred_at__quarter=1),
    "month": lambda e: e.filter(occurred_at__month=1),
    "day": lambda e: e.filter(occurred_at__day=1),
    "week": lambda e: e.filter(occurred_at__week=5),
    "week_day": lambda e: e.filter(occurred_at__week_day=1),
    "iso_week_day": lambda e: e.filter(occurred_at__iso_week_day=7),
    "hour": lambda e: e.filter(occurred_at__hour=1),
    "hour gt": lambda e: e.filter(occurred_at__hour__gt=12),
    "minute": lambda e: e.filter(occurred_at__minute=30),
    "second": lambda e: e.filter(occurred_at__second=59),
    "date": lambda e: e.filter(occurred_at__date=datetime.date(2026, 1, 1)),
    "date lt": lambda e: e.filter(occurred_at__date__lt=datetime.date(2026, 2, 1)),
    "date month": lambda e: e.filter(occurred_at__date__month=3),
    "time of day": lambda e: e.filter(occurred_at__time__gte=datetime.time(12)),
    "F": lambda e: e.filter(recorded_at__gt=F("occurred_at") + datetime.timedelta(seconds=50)),
    "F equal": lambda e: e.filter(reason=F("actor_label")),
    "subtraction": lambda e: e.annotate(
        wait=ExpressionWrapper(
            F("recorded_at") - F("occurred_at"), output_field=models.DurationField()
        )
    ).filter(wait__lt=datetime.timedelta(seconds=30)),
    "now": lambda e: e.filter(occurred_at__lt=Now()),
    "annotated case": lambda e: e.annotate(
        what=Case(When(kind="auth", then=Value("a")), default=F("kind"), output_field=CharField())
    ).filter(what="a"),
    "exists": lambda e: e.filter(
        Exists(e.filter(tenant=OuterRef("tenant"), http_status=404).values("pk"))
    ),
    "not exists": lambda e: e.filter(
        ~Exists(e.filter(tenant=OuterRef("tenant"), object_id=OuterRef("object_id"), kind="auth"))
    ),
    "in subquery": lambda e: e.filter(tenant__in=e.filter(http_status=404).values("tenant")),
    "in sliced subquery": lambda e: e.filter(pk__in=e.order_by("occurred_at").values("pk")[:7]),
    "correlated in": lambda e: e.filter(
        pk__in=e.filter(tenant=OuterRef("tenant"), kind="auth").values("pk")
    ),
    "not in subquery": lambda e: e.exclude(tenant__in=e.filter(http_status=404).values("tenant")),
    "not in with nulls": lambda e: e.exclude(pk__in=e.filter(kind="auth").values("pk")),
    "correlated aggregate": lambda e: e.annotate(
        newest=Subquery(
            e.filter(object_key=OuterRef("object_key"))
            .values("object_key")
            .annotate(m=Max("occurred_at"))
            .values("m")
        )
    ).filter(newest=F("occurred_at")),
    "correlated count": lambda e: e.annotate(
        n=Subquery(
            e.filter(object_key=OuterRef("object_key"))
            .values("object_key")
            .annotate(m=Count("pk"))
            .values("m")
        )
    ).values("pk", "n"),
    "subquery value": lambda e: e.filter(
        occurred_at__gt=Subquery(e.order_by("occurred_at").values("occurred_at")[10:11])
    ),
    "union": lambda e: e.filter(kind="auth").union(e.filter(tenant="acme")),
    "union all": lambda e: e.filter(kind="auth").union(e.filter(kind="request"), all=True),
    "intersection": lambda e: e.filter(kind="auth").intersection(e.filter(tenant="acme")),
    "difference": lambda e: e.filter(kind="auth").difference(e.filter(tenant="acme")),
    "changed contains": lambda e: e.filter(changed__contains="total"),
    "values": lambda e: e.values("kind", "tenant", "reason"),
    "values twice": lambda e: e.values("kind", same=F("kind")),
    "distinct": lambda e: e.values("kind", "tenant").distinct(),
    "group": lambda e: e.values("kind").annotate(
        n=Count("pk"), last=Max("occurred_at"), first=Min("seq"), total=Sum("duration_us")
    ),
    "group filtered": lambda e: e.values("tenant").annotate(n=Count("pk", filter=Q(kind="auth"))),
    "group distinct": lambda e: e.values("tenant").annotate(n=Count("kind", distinct=True)),
    "having": lambda e: e.values("tenant", "kind").annotate(n=Count("pk")).filter(n__gt=6),
    "group by expression": lambda e: (
        e.annotate(name=Coalesce("tenant", Value("it's % none", TextField())))
        .values("name")
        .annotate(n=Count("pk"))
    ),
    "group by day": lambda e: (
        e.annotate(day=TruncDay("occurred_at")).values("day").annotate(n=Count("pk"))
    ),
    "group by month": lambda e: (
        e.annotate(month=TruncMonth("occurred_at", output_field=DateField()))
        .values("month")
        .annotate(n=Count("pk"))
    ),
    "trunc": lambda e: e.values(
        "pk",
        h=TruncHour("occurred_at"),
        w=TruncWeek("occurred_at"),
        d=TruncDate("occurred_at"),
    ),
    "extract": lambda e: e.values(
        "pk",
        h=ExtractHour("occurred_at"),
        y=ExtractIsoYear("occurred_at"),
        w=ExtractWeekDay("occurred_at"),
    ),
    "text functions": lambda e: e.values(
        "pk",
        a=Upper("kind"),
        b=Lower("kind"),
        c=Length("reason"),
        d=Concat("tenant", Value("/", TextField()), "reason"),
        e=Substr("kind", 2, 2),
        f=StrIndex("kind", Value("u")),
        g=Left("kind", 3),
        h=Trim("reason"),
        i=Cast("http_status", CharField()),
        j=Cast("object_id", IntegerField()),
        k=Greatest("position", Value(3)),
    ),
    "arithmetic": lambda e: e.values(
        "pk", a=F("http_status") * 2 - 1, b=F("http_status") % 7, c=F("duration_us") / 4
    ).filter(http_status__gt=0),
    "boolean": lambda e: e.annotate(late=Q(occurred_at__gt=NOON)).values("pk", "late"),
    "window": lambda e: e.values(
        "pk", n=Window(RowNumber(), partition_by="tenant", order_by=["occurred_at"])
    ),
    "raw where": lambda e: e.extra(where=["http_status = %s"], params=[404]),
}

ORDERED: dict[str, Callable[[QuerySet[Event]], Any]] = {
    "ordering": lambda e: e.order_by(*Event._meta.ordering),
    "reversed": lambda e: e.order_by(*Event._meta.ordering).reverse(),
    "nulls": lambda e: e.order_by(F("http_status").asc(nulls_first=True), "pk"),
    "nulls last": lambda e: e.order_by(F("http_status").desc(nulls_last=True), "-pk"),
    "by expression": lambda e: e.order_by(Length("kind"), "pk"),
    "slice": lambda e: e.order_by("pk")[10:20],
    "step": lambda e: e.order_by("pk")[:20:3],
    "offset": lambda e: e.order_by("pk")[50:],
    "ordered union": lambda e: (
        e.filter(kind="auth")
        .values_list("tenant", "pk")
        .union(e.filter(kind="request").values_list("tenant", "pk"))
        .order_by("-pk")[:9]
    ),
    "ordered group": lambda e: e.values("kind").annotate(n=Count("pk")).order_by("-n", "kind"),
    "dates": lambda e: e.dates("occurred_at", "month"),
    "datetimes": lambda e: e.datetimes("occurred_at", "day", order="DESC"),
    "flat": lambda e: e.order_by("pk").values_list("kind", flat=True),
    "iterator": lambda e: e.order_by("pk").iterator(chunk_size=7),
    "only": lambda e: [(x.pk, x.kind) for x in e.only("kind").order_by("pk")],
}

VALUES: dict[str, Callable[[QuerySet[Event]], Any]] = {
    "count": lambda e: e.count(),
    "count of slice": lambda e: e.order_by("pk")[5:17].count(),
    "count distinct": lambda e: e.values("tenant").distinct().count(),
    "exists": lambda e: (e.filter(kind="auth").exists(), e.filter(kind="?").exists()),
    "first and last": lambda e: (e.order_by("pk").first(), e.order_by("pk").last()),
    "latest": lambda e: (e.latest("occurred_at"), e.earliest("occurred_at")),
    "get": lambda e: e.get(seq=3).occurred_at,
    "in_bulk": lambda e: sorted(e.in_bulk([x.pk for x in e.filter(kind="auth")])),
    "contains": lambda e: e.contains(Event(pk="0")),
    "aggregate": lambda e: e.aggregate(
        n=Count("pk"),
        statuses=Count("http_status", distinct=True),
        first=Min("occurred_at"),
        last=Max("occurred_at"),
        mean=Avg("http_status"),
        total=Sum("duration_us"),
        acme=Count("pk", filter=Q(tenant="acme")),
    ),
    "aggregate of slice": lambda e: e.order_by("pk")[:9].aggregate(n=Sum("seq")),
    "aggregate of groups": lambda e: e.values("kind").annotate(n=Count("pk")).aggregate(Max("n")),
    "all columns": lambda e: [
        [getattr(x, f.attname) for f in Event._meta.concrete_fields] for x in e.order_by("pk")
    ],
}


def plain(found: Any) -> list[Any]:
    return [x.pk if isinstance(x, Event) else x for x in found]


@pytest.mark.parametrize("name", SETS)
def test_same_rows_as_in_a_table(twins: Any, name: str) -> None:
    trail, table = (plain(SETS[name](events)) for events in twins)
    assert sorted(map(repr, trail)) == sorted(map(repr, table))
    assert trail or name in {"none", "in nothing"}, (
        "the question finds nothing, so it shows nothing"
    )


@pytest.mark.parametrize("name", ORDERED)
def test_same_order_as_in_a_table(twins: Any, name: str) -> None:
    trail, table = (plain(ORDERED[name](events)) for events in twins)
    assert trail == table
    assert trail


@pytest.mark.parametrize("name", VALUES)
def test_same_value_as_from_a_table(twins: Any, name: str) -> None:
    trail, table = (VALUES[name](events) for events in twins)
    assert trail == table


TIMES = [name for name in SETS if any(x in name for x in ("time", "year", "day", "hour", "date"))]


@pytest.mark.parametrize("name", [*TIMES, "trunc", "extract", "month", "group by month"])
@pytest.mark.parametrize("zone", ["America/New_York", "UTC"])
def test_the_current_time_zone_counts(twins: Any, name: str, zone: str) -> None:
    with timezone.override(zone):
        trail, table = (plain(SETS[name](events)) for events in twins)
    assert sorted(map(repr, trail)) == sorted(map(repr, table))


def test_a_fixed_offset_is_a_zone(twins: Any) -> None:
    with timezone.override(datetime.timezone(datetime.timedelta(hours=5, minutes=30))):
        trail, table = (plain(SETS["hour"](events)) for events in twins)
    assert sorted(trail) == sorted(table)
    assert trail


@pytest.fixture
def without_time_zones() -> Iterator[None]:
    with override_settings(USE_TZ=False):
        yield


LOCAL_NOON = datetime.datetime(2026, 3, 1, 13)


@pytest.mark.parametrize(
    "name", ["year", "month", "date", "hour", "group by day", "time of day", "trunc", "extract"]
)
def test_without_time_zones_times_are_local(
    without_time_zones: None, twins: Any, name: str
) -> None:
    trail, table = (plain(SETS[name](events)) for events in twins)

    def texts(found: list[Any]) -> list[str]:
        # The table has lost which of two equal hours in October a local time was.
        return sorted(repr(row).replace(", fold=1", "") for row in found)

    assert texts(trail) == texts(table)


def test_without_time_zones_naive_times_are_given_and_taken(
    without_time_zones: None, twins: Any
) -> None:
    trail, table = (
        list(e.filter(occurred_at__gte=LOCAL_NOON).order_by("pk").values_list("occurred_at"))
        for e in twins
    )
    assert trail == table
    assert all(moment.tzinfo is None for (moment,) in trail)
