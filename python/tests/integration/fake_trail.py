"""A stand-in for `trailkeeper_engine`: the same SQL engine, over rows that a test gives.

It lets the Django side be tested without a store. The tests of the two together are
those that write and then read.
"""

import datetime
import json
import types
from collections.abc import Iterable
from typing import Any, ClassVar

import pyarrow as pa
from datafusion import SessionConfig, SessionContext

TIMES = ("occurred_at", "committed_at", "recorded_at")
INTS = (
    "seq",
    "transaction_number",
    "position",
    "schema_version",
    "http_status",
    "duration_us",
)
TEXTS = [
    "writer",
    "kind",
    "action",
    "outcome",
    "reason",
    "actor_type",
    "actor_id",
    "actor_label",
    "impersonator_id",
    "impersonator_label",
    "service",
    "tenant",
    "source",
    "database",
    "request_id",
    "trace_id",
    "session",
    "ip",
    "user_agent",
    "http_method",
    "http_route",
    "http_path",
    "model",
    "object_id",
    "object_key",
    "object_label",
    "event_id",
    "transaction_id",
]
JSONS = ("related", "changed", "before", "after", "unavailable", "data", "redacted")

SCHEMA = pa.schema(
    [(name, pa.int64()) for name in INTS]
    + [(name, pa.timestamp("us", tz="UTC")) for name in TIMES]
    + [(name, pa.string()) for name in (*TEXTS, *JSONS)]
    + [("salt", pa.binary())]
)


class TrailkeeperError(Exception):
    def __init__(self, message: str, kind: str = "Invalid") -> None:
        super().__init__(message)
        self.kind = kind


class Trail:
    """Answers from `rows`; `statements` has what it was asked."""

    rows: ClassVar[list[dict[str, Any]]] = []
    statements: ClassVar[list[str]] = []
    open_transactions: ClassVar[list[Any]] = []
    opened: ClassVar[list[tuple[str, str | None]]] = []

    def __init__(self, store: str, spool: str | None = None, *, source: str = "") -> None:
        self.opened.append((store, spool))

    def query(self, sql: str, open_transactions: list[Any]) -> tuple[list[Any], list[Any]]:
        self.statements.append(sql)
        self.open_transactions[:] = open_transactions
        config = SessionConfig().set("datafusion.sql_parser.dialect", "postgresql")
        context = SessionContext(config.with_target_partitions(1))
        context.from_arrow(pa.Table.from_pylist(self.rows, schema=SCHEMA), name="events")
        try:
            batches = context.sql(sql).collect()
        except BaseException as error:  # a Rust panic is not an Exception
            raise TrailkeeperError(str(error)) from error
        schema = batches[0].schema if batches else context.sql(sql).schema()
        columns = [(field.name, arrow_name(field.type)) for field in schema]
        rows = [row for batch in batches for row in zip(*map(values, batch.columns), strict=True)]
        return columns, rows


def values(column: pa.Array) -> list[Any]:
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", tz=column.type.tz), safe=False)
        utc = datetime.UTC
        return [
            None if t is None else t.astimezone(utc) if t.tzinfo else t.replace(tzinfo=utc)
            for t in column.to_pylist()
        ]
    return list(column.to_pylist())


def arrow_name(kind: pa.DataType) -> str:
    """The type's name as Arrow for Rust writes it."""
    if pa.types.is_timestamp(kind):
        unit = {"us": "\u00b5s"}.get(kind.unit, kind.unit)
        return f'Timestamp({unit}, "{kind.tz}")' if kind.tz else f"Timestamp({unit})"
    names = {"string": "Utf8", "bool": "Boolean", "double": "Float64"}
    return names.get(str(kind), str(kind).capitalize())


def module() -> types.ModuleType:
    """A module to stand in `sys.modules` for `trailkeeper_engine`."""
    stand_in = types.ModuleType("trailkeeper_engine")
    stand_in.Trail = Trail  # type: ignore[attr-defined]
    stand_in.TrailkeeperError = TrailkeeperError  # type: ignore[attr-defined]
    return stand_in


def event(number: int = 0, **columns: Any) -> dict[str, Any]:
    """A row of `events`, with identifiers made from `number`."""
    transaction = columns.pop("transaction", number)
    position = columns.pop("position", 0)
    writer = "00000000000000aa"
    occurred_at = columns.pop(
        "occurred_at",
        datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(hours=number),
    )
    row: dict[str, Any] = {
        "seq": number,
        "writer": writer,
        "transaction_number": transaction,
        "position": position,
        "transaction_id": f"{writer}{transaction:08x}{0:08x}",
        "event_id": f"{writer}{transaction:08x}{position:08x}",
        "schema_version": 1,
        "kind": "change",
        "action": "update",
        "outcome": "success",
        "actor_type": "user",
        "occurred_at": occurred_at,
        "committed_at": occurred_at,
        "recorded_at": occurred_at,
    }
    row |= columns
    if row.get("model") and row.get("object_id"):
        row["object_key"] = f"{row['model']}/{row['object_id']}"
    for name in JSONS:
        if row.get(name) is not None:
            row[name] = canonical(row[name])
    return row


def canonical(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def set_rows(rows: Iterable[dict[str, Any]]) -> None:
    Trail.rows[:] = list(rows)
