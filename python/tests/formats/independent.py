"""A second verifier, written from `docs/formats/` alone and sharing no code with Trailkeeper.

`verify` takes what an auditor has: a copy of the store's folder, and the verifier
key, kept since before there was a doubt. Evidence that only our own code can
check would not be evidence.

Guaranteed: whatever differs from what the checkpoint's signature covers is a
finding. Nothing is guaranteed about rows that the checkpoint does not count.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

import deltalake
import pyarrow
import pyarrow.parquet
from tests.formats import ed25519

Row = dict[str, Any]


class Column(NamedTuple):
    """A column of docs/formats/event.md, with the slot of its salt when it is personal."""

    tag: int
    name: str
    type: str
    slot: int | None = None
    in_record: bool = True


COLUMNS = [
    Column(1, "seq", "int", in_record=False),
    Column(2, "writer", "text", in_record=False),
    Column(3, "transaction_number", "int", in_record=False),
    Column(4, "position", "int", in_record=False),
    Column(5, "schema_version", "int", in_record=False),
    Column(6, "kind", "text"),
    Column(7, "action", "text"),
    Column(8, "outcome", "text"),
    Column(9, "reason", "text", 8),
    Column(10, "occurred_at", "time"),
    Column(11, "committed_at", "time", in_record=False),
    Column(12, "recorded_at", "time", in_record=False),
    Column(13, "actor_type", "text"),
    Column(14, "actor_id", "text", 0),
    Column(15, "actor_label", "text", 1),
    Column(16, "impersonator_id", "text", 10),
    Column(17, "impersonator_label", "text", 11),
    Column(18, "service", "text"),
    Column(19, "tenant", "text"),
    Column(20, "source", "text"),
    Column(21, "database", "text"),
    Column(22, "request_id", "text"),
    Column(23, "trace_id", "text"),
    Column(24, "session", "text", 2),
    Column(25, "ip", "text", 3),
    Column(26, "user_agent", "text", 4),
    Column(27, "http_method", "text"),
    Column(28, "http_route", "text"),
    Column(29, "http_path", "text"),
    Column(30, "http_status", "int"),
    Column(31, "duration_us", "int"),
    Column(32, "model", "text"),
    Column(33, "object_id", "text"),
    Column(34, "object_key", "text", in_record=False),
    Column(35, "object_label", "text", 5),
    Column(36, "related", "json", 12),
    Column(37, "changed", "json"),
    Column(38, "before", "json", 6),
    Column(39, "after", "json", 7),
    Column(40, "unavailable", "json"),
    Column(41, "data", "json", 9),
    Column(42, "salt", "bytes", in_record=False),
    Column(43, "redacted", "json", in_record=False),
]
COVERED = [column for column in COLUMNS if column.name not in ("seq", "salt", "redacted")]
SLOTS = 13


class Unreadable(ValueError):
    """Something is not as the format has it, so nothing can be said about it."""


# What reading bytes raises that are not as the format has them.
FOREIGN = (ValueError, TypeError, OverflowError)


@dataclass
class Verdict:
    """What was found. `size` and `root` are those of the signed checkpoint."""

    size: int = 0
    root: bytes = b""
    findings: list[str] = field(default_factory=list)

    @property
    def verified(self) -> bool:
        return not self.findings


def verify(store: Path, key: str) -> Verdict:
    """Check the trail in the folder `store` against its checkpoint, signed by `key`."""
    table = deltalake.DeltaTable(store)
    settings = table.metadata().configuration
    if int(settings["trailkeeper.format"]) > 1:
        raise Unreadable("the table is of a later format")
    verdict = Verdict()
    try:
        note = (store / "_trailkeeper/checkpoint").read_bytes()
        origin = f"trailkeeper/{settings['trailkeeper.id']}"
        verdict.size, verdict.root = read_checkpoint(note, origin, key)
    except (OSError, *FOREIGN) as reason:
        verdict.findings.append(f"checkpoint: {reason}")
        return verdict
    verdict.findings += check_rows(store, table, verdict)
    return verdict


def check_rows(store: Path, table: deltalake.DeltaTable, verdict: Verdict) -> Iterator[str]:
    """What the rows show that the checkpoint does not allow."""
    size = table.transaction_version("trailkeeper/seq") or 0
    if size != verdict.size:
        yield f"the table has {size} events, the checkpoint {verdict.size}"
    rows = sorted(read_rows(store, table), key=lambda row: row["seq"])
    if [row["seq"] for row in rows] != list(range(size)):
        yield "the numbers of the rows are not 0 to the table's size, each once"

    leaves: dict[int, bytes] = {}
    last_positions: dict[bytes, int] = {}
    for row in rows:
        try:
            leaves[row["seq"]] = leaf_hash(row)
            yield from check_row(row, last_positions)
        except FOREIGN as reason:
            yield f"event {row['seq']}: it does not read: {reason}"

    if root_at(size, leaves) != logged_root(table):
        yield "the rows do not give the root in the Delta log"
    if root_at(verdict.size, leaves) == verdict.root:
        return
    yield "the rows do not give the root that was signed"
    # The tiles are not signed: they only say where to look.
    for seq, recorded in enumerate(read_leaf_tiles(store, verdict.size)):
        if leaves.get(seq) != recorded:
            yield f"event {seq}: altered or missing, its hash is not the one in the tile"
            return


def root_at(size: int, leaves: dict[int, bytes]) -> bytes | None:
    """The root of the first `size` events; None when one is missing."""
    hashes = [leaves[seq] for seq in range(size) if seq in leaves]
    return merkle_root(hashes) if len(hashes) == size else None


def check_row(row: Row, last_positions: dict[bytes, int]) -> Iterator[str]:
    """What in a row contradicts its other columns, or the rows before it."""
    if row["object_key"] != object_key(row):
        yield f"event {row['seq']}: its object_key is not its model and object_id"
    if row["month"] != month_of(row["recorded_at"]):
        yield f"event {row['seq']}: it is in the month {row['month']}"
    transaction = event_id(row)[:12]
    if row["position"] <= last_positions.get(transaction, -1):
        yield f"event {row['seq']}: its id is that of another one, or out of order"
    last_positions[transaction] = row["position"]


# The table: docs/formats/table.md


def read_rows(store: Path, table: deltalake.DeltaTable) -> Iterator[Row]:
    """The rows of the active files: times as integers, the month from the Delta log."""
    for add in pyarrow.table(table.get_add_actions(flatten=True)).to_pylist():
        file = pyarrow.parquet.ParquetFile(store / unquote(add["path"])).read()
        for index, column in enumerate(file.schema):
            if pyarrow.types.is_timestamp(column.type):
                if column.type != pyarrow.timestamp("us", tz="UTC"):
                    raise Unreadable(f"{column.name} is a {column.type}")
                file = file.set_column(index, column.name, file[index].cast(pyarrow.int64()))
        for row in file.to_pylist():
            yield (
                {column.name: None for column in COLUMNS} | row | {"month": add["partition.month"]}
            )


def logged_root(table: deltalake.DeltaTable) -> bytes | None:
    """The root in the newest commit that says one."""
    for commit in table.history():
        if "trailkeeper.root" in commit:
            return from_base64(commit["trailkeeper.root"])
    return None


def month_of(time: int) -> str:
    """The month of a time, as `YYYY-MM`."""
    date = datetime(1970, 1, 1) + timedelta(microseconds=time)
    return f"{date.year:04}-{date.month:02}"


# The event: docs/formats/event.md


def read_record(record: bytes) -> Row:
    """The columns that a record of the spool holds, those that are null left out."""
    by_tag = {column.tag: column for column in COLUMNS if column.in_record}
    if record[:1] != b"\x01":
        raise Unreadable("a record of another version")
    row: Row = {}
    rest = record[1:]
    while rest:
        column = by_tag.get(rest[0])
        length, rest = take_varint(rest[1:])
        if column is None or column.name in row or len(rest) < length:
            raise Unreadable("an item that may not be there, or not whole")
        value, rest = rest[:length], rest[length:]
        row[column.name] = value.decode() if column.type in ("text", "json") else to_int(value)
    return row


def take_varint(data: bytes) -> tuple[int, bytes]:
    number = 0
    for index, byte in enumerate(data[:5]):
        number |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return number, data[index + 1 :]
    raise Unreadable("a length that does not end")


def to_int(value: bytes) -> int:
    if len(value) != 8:
        raise Unreadable("a number that is not 8 bytes")
    return int.from_bytes(value, "big", signed=True)


def event_id(row: Row) -> bytes:
    numbers = (row["transaction_number"], row["position"])
    return bytes.fromhex(row["writer"]) + b"".join(n.to_bytes(4, "big") for n in numbers)


def object_key(row: Row) -> str | None:
    if row["model"] is None or row["object_id"] is None:
        return None
    return f"{row['model']}/{row['object_id']}"


def leaf_hash(row: Row) -> bytes:
    return hashlib.sha256(b"\x00" + core(row)).digest()


def core(row: Row) -> bytes:
    """The bytes that the proof covers."""
    redacted = read_redacted(row["redacted"])
    items = [b"\x01"]
    for column in COVERED:
        value = row[column.name]
        if column.slot is not None and column.name in redacted:
            if value is not None:
                raise Unreadable(f"{column.name} is redacted and has a value")
            items.append(item(column.tag, redacted.pop(column.name)))
        elif value is not None:
            plain = to_bytes(column, value)
            if column.slot is not None:
                salt = salt_of(row, column.slot)
                plain = hashlib.sha256(b"TKc1" + bytes([column.tag]) + salt + plain).digest()
            items.append(item(column.tag, plain))
    if redacted:
        raise Unreadable(f"{min(redacted)} cannot be redacted")
    return b"".join(items)


def read_redacted(text: str | None) -> dict[str, bytes]:
    """The commitments that stand for redacted values; only the canonical text will do."""
    if text is None:
        return {}
    redacted = {name: bytes.fromhex(digits) for name, digits in json.loads(text).items()}
    canonical = {name: redacted[name].hex() for name in sorted(redacted)}
    if not redacted or json.dumps(canonical, separators=(",", ":")) != text:
        raise Unreadable("redacted is not an object in canonical form")
    return redacted


def item(tag: int, value: bytes) -> bytes:
    length, varint = len(value), b""
    while length >= 0x80:
        varint += bytes([length & 0x7F | 0x80])
        length >>= 7
    return bytes([tag]) + varint + bytes([length]) + value


def to_bytes(column: Column, value: Any) -> bytes:
    if column.type in ("int", "time"):
        return int(value).to_bytes(8, "big", signed=True)
    return str(value).encode()


def salt_of(row: Row, slot: int) -> bytes:
    column: bytes = row["salt"]
    kind, salts = column[:1], column[1:]
    if kind == b"\x01" and len(salts) == 16:
        seq = row["seq"].to_bytes(8, "big")
        salts = hashlib.sha256(b"TKs1" + salts + seq + bytes([slot // 2])).digest()
        return salts[16:] if slot % 2 else salts[:16]
    if kind == b"\x02" and len(salts) == 16 * SLOTS:
        return salts[16 * slot : 16 * slot + 16]
    raise Unreadable("its salt does not read")


# The proof: docs/formats/merkle.md, and the specifications it names


def merkle_root(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, over hashes of leaves."""
    if len(leaves) < 2:
        return leaves[0] if leaves else hashlib.sha256().digest()
    half = 1 << (len(leaves) - 1).bit_length() - 1
    left, right = merkle_root(leaves[:half]), merkle_root(leaves[half:])
    return hashlib.sha256(b"\x01" + left + right).digest()


def read_leaf_tiles(store: Path, size: int) -> list[bytes]:
    """The hashes of level 0, up to the first tile that is missing."""
    hashes: list[bytes] = []
    for number in range((size + 255) // 256):
        path = store / "_trailkeeper/tile/0" / tile_name(number)
        width = min(size - number * 256, 256)
        if width < 256:
            path = path.with_name(path.name + ".p") / str(width)
        if not path.is_file():
            break
        data = path.read_bytes()
        hashes.extend(data[start : start + 32] for start in range(0, len(data), 32))
    return hashes


def tile_name(number: int) -> str:
    """C2SP tlog-tiles: three digits a folder, each but the last after an `x`."""
    name = f"{number % 1000:03}"
    while number := number // 1000:
        name = f"x{number % 1000:03}/{name}"
    return name


def read_checkpoint(note: bytes, origin: str, key: str) -> tuple[int, bytes]:
    """Size and root of a C2SP checkpoint with a good signature of `key`."""
    name, key_hash, public_key = read_verifier_key(key)
    if name != origin:
        raise Unreadable(f"the key is that of {name}")
    text, _, signatures = note.rpartition(b"\n\n")
    text += b"\n"
    for line in signatures.decode().splitlines():
        dash, signer, encoded = line.split(" ")
        signature = from_base64(encoded)
        if dash == "\u2014" and signer == name and signature[:4] == key_hash:
            if not ed25519.is_valid(public_key, text, signature[4:]):
                raise Unreadable("its signature is wrong")
            break
    else:
        raise Unreadable("it has no signature by the key")
    lines = text.decode().split("\n")
    if lines[0] != origin:
        raise Unreadable(f"its origin is {lines[0]}")
    return int(lines[1]), from_base64(lines[2])


def read_verifier_key(key: str) -> tuple[str, bytes, bytes]:
    """C2SP signed-note: name, hash and public key of `<name>+<hash>+<base64>`."""
    name, key_hash, encoded = key.split("+", 2)
    typed = from_base64(encoded)
    expected = hashlib.sha256(name.encode() + b"\n" + typed).digest()[:4]
    if typed[:1] != b"\x01" or bytes.fromhex(key_hash) != expected:
        raise Unreadable("the verifier key is not an Ed25519 key, or was cut")
    return name, expected, typed[1:]


def from_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise Unreadable("text that is not base64") from error
