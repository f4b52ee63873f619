"""What version 1 wrote, in `testdata/`: the documents still explain it, and we still read it."""

import base64
import json
import re
import shutil
from pathlib import Path

import deltalake
import pytest
from tests.formats import ed25519, independent

from trailkeeper import engine

ROOT = Path(__file__).parents[3]
EVENT = json.loads((ROOT / "testdata/event/v1/vectors.json").read_bytes())
MERKLE = json.loads((ROOT / "testdata/merkle/v1/vectors.json").read_bytes())
TABLE = ROOT / "testdata/table/v1"
EXPECTED = json.loads((TABLE / "expected.json").read_bytes())


@pytest.fixture
def store(tmp_path):
    """A copy of the store of version 1."""
    return Path(shutil.copytree(TABLE / "store", tmp_path / "store"))


def test_the_columns_are_those_of_the_document():
    page = (ROOT / "docs/formats/event.md").read_text()
    line = re.compile(
        r"^\| (\d+) \| `(\w+)` \| (\w+)[^|]* \| (?:p \((\d+)\))? *\| (yes)? *\|", re.M
    )
    assert [
        independent.Column(int(tag), name, kind, int(slot) if slot else None, bool(in_record))
        for tag, name, kind, slot, in_record in line.findall(page)
    ] == independent.COLUMNS


@pytest.mark.parametrize("vector", EVENT["events"], ids=lambda vector: vector["name"])
def test_an_event_of_version_1_has_its_core_and_leaf_hash(vector):
    row = row_of(vector)
    assert independent.core(row).hex() == vector["core"]
    assert independent.leaf_hash(row).hex() == vector["leaf_hash"]
    if "record" in vector:
        read = independent.read_record(bytes.fromhex(vector["record"]))
        assert list(read.items()) == [(name, row[name]) for name in vector["order"]]


@pytest.mark.parametrize("name", ["action", "after", "no_such_column"])
def test_a_redaction_that_cannot_be_is_refused(name):
    """Of a plain column, of one that has its value, of one that does not exist."""
    row = row_of(EVENT["events"][0]) | {"after": "{}"}
    row["redacted"] = json.dumps({name: "00" * 32}, separators=(",", ":"))
    with pytest.raises(independent.Unreadable):
        independent.leaf_hash(row)


@pytest.mark.parametrize("text", ["", "{}", '{"after": "00"}', '{"after":"AA"}', '{"after":0}'])
def test_a_redaction_that_is_not_canonical_is_refused(text):
    with pytest.raises(independent.FOREIGN):
        independent.leaf_hash(row_of(EVENT["events"][0]) | {"redacted": text})


def test_the_table_of_version_1_is_what_it_was(store):
    verdict = independent.verify(store, EXPECTED["key"])
    assert verdict.findings == []
    assert verdict.size == EXPECTED["size"]
    assert base64.b64encode(verdict.root).decode() == EXPECTED["root"]
    rows = independent.read_rows(store, deltalake.DeltaTable(store))
    found = [
        {name: to_json(value) for name, value in row.items() if value is not None}
        for row in sorted(rows, key=lambda row: row["seq"])
    ]
    assert found == EXPECTED["rows"]


def test_verify_reads_the_table_of_version_1(store):
    assert engine.native().Trail(str(store)).verify(EXPECTED["key"]) == {
        "verified": True,
        "events": EXPECTED["size"],
        "root": EXPECTED["root"],
        "findings": [],
    }


def test_a_checkpoint_of_version_1_has_a_good_signature():
    key, checkpoint = MERKLE["key"], MERKLE["checkpoint"]
    note = checkpoint["note"].encode()
    size, root = independent.read_checkpoint(note, key["name"], key["verifier_text"])
    roots = {known["size"]: known["root"] for known in MERKLE["roots"]}
    assert (size, base64.b64encode(root).decode()) == (checkpoint["size"], roots[size])
    with pytest.raises(independent.Unreadable, match="signature is wrong"):
        independent.read_checkpoint(
            note.replace(b"\n1000\n", b"\n1001\n"), key["name"], key["verifier_text"]
        )


def test_ed25519_gives_the_answers_of_rfc_8032():
    """Section 7.1, the first two: the empty message, and one byte."""
    public = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    signature = bytes.fromhex(
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
    )
    assert ed25519.is_valid(public, b"", signature)
    assert not ed25519.is_valid(public, b"\x00", signature)
    public = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
    signature = bytes.fromhex(
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )
    assert ed25519.is_valid(public, b"\x72", signature)
    assert not ed25519.is_valid(public, b"\x73", signature)


def row_of(vector):
    row = dict.fromkeys(column.name for column in independent.COLUMNS) | vector["columns"]
    return row | {"salt": bytes.fromhex(row["salt"])}


def to_json(value):
    return value.hex() if isinstance(value, bytes) else value
