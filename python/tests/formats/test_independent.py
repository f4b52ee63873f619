"""The trail proves itself to code that is not ours, and to nobody when it was altered."""

import base64
import datetime
import json
import re
from decimal import Decimal
from pathlib import Path
from urllib.parse import unquote

import deltalake
import duckdb
import pyarrow
import pyarrow.parquet
import pytest
from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import F
from django.http import HttpResponse
from django.test import Client
from django.urls import path
from tests.formats import independent
from tests.shop.models import Customer, Note, Order, Tag

import trailkeeper
from trailkeeper import engine, spool
from trailkeeper.conf import settings as trail_settings

pytestmark = pytest.mark.django_db(transaction=True)


def add_customer(request):
    Customer.objects.create(name="from a view")
    return HttpResponse("done")


urlpatterns = [path("customers/", add_customer)]


@pytest.fixture
def store(settings, tmp_path):
    """A trail with every kind of event and of value, in several commits."""
    settings.ROOT_URLCONF = __name__
    lose_an_event(settings, tmp_path)
    ada = get_user_model().objects.create_user("ada", password="engine")
    with transaction.atomic():
        customer = Customer.objects.create(name='Gr\u00fc\u00df \U0001f600 "quoted" \\ \t\u2028')
        order = Order.objects.create(
            number="1",
            customer=customer,
            total=Decimal("10.50"),
            weight=1e-7,
            placed_at=datetime.datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=datetime.UTC),
            due_on=datetime.date(2026, 2, 3),
            options={"z": [None, True, 0.1, 2**60], "\ue000": 1, "\U0001f600": 2},
            blob=b"\x00\xff",
        )
        order.tags.add(Tag.objects.create(name="new"), Tag.objects.create(name=""))
    trailkeeper.flush()

    Order.objects.update(count=F("count") + 1, reviewer=customer)
    client = Client(headers={"user-agent": "tests", "x-request-id": "r-1"}, REMOTE_ADDR="10.1.2.3")
    client.force_login(ada)
    client.get("/customers/")
    trailkeeper.flush()

    trailkeeper.record(
        "invoice.validated",
        target=order,
        data={"amount": Decimal("0.10"), "by": None},
        reason="due",
    )
    with trailkeeper.context(actor=ada, reason="a correction", tenant="north"):
        Note.objects.create(slug="a note", body="x" * 70_000)
    order.tags.clear()
    order.delete()
    trailkeeper.flush()
    return Path(trail_settings.store_url)


def lose_an_event(settings, tmp_path):
    """What is lost is told by the trail itself, once it can be written again."""
    (tmp_path / "file").write_text("not a folder")
    good = settings.TRAILKEEPER
    settings.TRAILKEEPER = {**good, "SPOOL": str(tmp_path / "file" / "spool")}
    spool.reset()
    Customer.objects.create(name="lost")
    settings.TRAILKEEPER = good
    spool.reset()


def verifier_key(store):
    return json.loads((store / "_trailkeeper/identity.json").read_bytes())["key"]


def verify_independently(store):
    return independent.verify(store, verifier_key(store))


def verify(store):
    return engine.native().Trail(str(store)).verify(verifier_key(store))


def active_files(store):
    """The Parquet files of the table, in the order of their events."""
    adds = pyarrow.table(deltalake.DeltaTable(store).get_add_actions(flatten=True)).to_pylist()
    return [store / unquote(add["path"]) for add in sorted(adds, key=lambda add: add["min.seq"])]


def read(file):
    return pyarrow.parquet.ParquetFile(file).read()


def replace(file, column, edit):
    """Rewrites one column of a file, with a valid footer."""
    rows = read(file)
    values = pyarrow.array(edit(rows[column].to_pylist()), rows.schema.field(column).type)
    index = rows.schema.get_field_index(column)
    pyarrow.parquet.write_table(rows.set_column(index, rows.schema.field(column), values), file)


def assert_both_refuse(store, event=None):
    """Neither verifier is content; with `event`, both name it."""
    ours, theirs = verify(store), verify_independently(store)
    assert not ours["verified"]
    assert not theirs.verified
    if event is not None:
        assert f"(seq {event}" in ours["findings"][0]
        assert any(text.startswith(f"event {event}: altered") for text in theirs.findings)


def test_a_stranger_agrees_with_verify(store):
    ours, theirs = verify(store), verify_independently(store)
    assert theirs.findings == ours["findings"] == []
    assert theirs.size == ours["events"] == trailkeeper.events().count()
    assert base64.b64encode(theirs.root).decode() == ours["root"]


def test_the_trail_has_what_the_format_is_about(store):
    """Else the agreement would say little."""
    files = [read(file).to_pylist() for file in active_files(store)]
    rows = [row for file in files for row in file]
    assert len(files) == 3
    assert {row["kind"] for row in rows} == {"change", "auth", "request", "event", "system"}
    names = {column.name for column in independent.COLUMNS}
    assert {name for name in names if all(row[name] is None for row in rows)} == {
        "impersonator_id",
        "impersonator_label",
        "redacted",
        "trace_id",
        "unavailable",
    }


@pytest.mark.parametrize(
    ("column", "edit"),
    [
        pytest.param("after", lambda text: text.replace("a view", "a View"), id="personal"),
        pytest.param("action", lambda text: "delete", id="plain"),
        pytest.param("actor_id", lambda text: None, id="null"),
        pytest.param("trace_id", lambda text: "1", id="no longer null"),
        pytest.param("occurred_at", lambda at: at + datetime.timedelta(microseconds=1), id="time"),
        pytest.param("salt", lambda salt: salt[:-1] + bytes([salt[-1] ^ 1]), id="salt"),
        pytest.param("position", lambda position: position + 1, id="number"),
    ],
)
def test_one_value_that_was_changed_is_found(store, column, edit):
    file = active_files(store)[1]
    models = read(file)["model"].to_pylist()
    index = models.index("shop.customer")
    seq = read(file)["seq"][index].as_py()

    def change(values):
        assert edit(values[index]) != values[index]
        return [*values[:index], edit(values[index]), *values[index + 1 :]]

    replace(file, column, change)
    assert_both_refuse(store, seq)


def test_events_that_changed_places_are_found(store):
    file = active_files(store)[1]
    first = read(file)["seq"][0].as_py()
    replace(file, "seq", lambda values: [values[1], values[0], *values[2:]])
    assert_both_refuse(store, first)


def test_an_event_that_was_removed_is_found(store):
    file = active_files(store)[1]
    rows = read(file)
    pyarrow.parquet.write_table(rows.slice(1), file)
    assert_both_refuse(store, rows["seq"][0].as_py())


def test_an_event_that_was_invented_is_found(store):
    file = active_files(store)[2]
    rows = read(file)
    pyarrow.parquet.write_table(pyarrow.concat_tables([rows, rows.slice(0, 1)]), file)
    assert_both_refuse(store)


def test_a_checkpoint_that_was_signed_by_another_is_refused(store):
    path = store / "_trailkeeper/checkpoint"
    note = path.read_bytes()
    place = note.rindex(b" ") + 20
    path.write_bytes(note[:place] + (b"A" if note[place] != 65 else b"B") + note[place + 1 :])
    assert_both_refuse(store)


def test_a_checkpoint_for_other_events_is_refused(store):
    path = store / "_trailkeeper/checkpoint"
    head, size, rest = path.read_bytes().split(b"\n", 2)
    path.write_bytes(b"\n".join([head, str(int(size) - 1).encode(), rest]))
    assert_both_refuse(store)


def test_an_event_that_was_filed_under_another_month_is_found(store):
    log = max((store / "_delta_log").glob("*.json"))
    text = log.read_text()
    month = '"partitionValues":{"month":"'
    assert month in text
    log.write_text(re.sub(month + r"\d{4}", month + "1999", text))
    assert_both_refuse(store)


def test_a_log_that_names_another_root_is_found(store):
    log = max((store / "_delta_log").glob("*.json"))
    text = log.read_text()
    other = base64.b64encode(bytes(32)).decode()
    log.write_text(re.sub('"trailkeeper.root":"[^"]+"', f'"trailkeeper.root":"{other}"', text))
    assert_both_refuse(store)


def test_the_key_of_another_trail_proves_nothing(store):
    vectors = Path(__file__).parents[3] / "testdata/merkle/v1/vectors.json"
    key = json.loads(vectors.read_bytes())["key"]["verifier_text"]
    assert not engine.native().Trail(str(store)).verify(key)["verified"]
    assert not independent.verify(store, key).verified


def test_a_commit_that_was_taken_back_is_found(store):
    max((store / "_delta_log").glob("*.json")).unlink()
    assert_both_refuse(store)


def test_an_older_checkpoint_still_proves_what_it_covers(store):
    path = store / "_trailkeeper/checkpoint"
    kept = path.read_bytes()
    Customer.objects.create(name="younger")
    trailkeeper.flush()
    path.write_bytes(kept)
    covered = verify_independently(store).size
    (ours,), (theirs,) = verify(store)["findings"], verify_independently(store).findings
    assert ours == "1 events are not covered by the signed checkpoint"
    assert theirs == f"the table has {covered + 1} events, the checkpoint {covered}"


def test_a_damaged_tile_is_no_alteration(store):
    """The rows give the root that was signed: it is the tile that is wrong."""
    (path,) = (store / "_trailkeeper/tile/0").rglob("*.p/*")
    hashes = bytearray(path.read_bytes())
    hashes[0] ^= 1
    path.write_bytes(hashes)
    assert verify(store)["verified"]
    assert verify_independently(store).verified


def test_duckdb_reads_the_files(store):
    """Without its Delta extension, which it would download: the log says which files count."""
    files = [str(file) for file in active_files(store)]
    found = duckdb.connect().execute(
        "SELECT action, data->>'amount', month FROM read_parquet($files, hive_partitioning = true)"
        " WHERE kind = 'event'",
        {"files": files},
    )
    (event,) = trailkeeper.events().filter(kind="event")
    assert found.fetchall() == [("invoice.validated", "0.10", event.recorded_at.strftime("%Y-%m"))]
