//! What is asked of one object is answered without a plan, and with the same rows.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::util::pretty::pretty_format_batches;
use trailkeeper_event::{
    Column, EventBatchBuilder, EventId, Micros, Position, Record, RecordBuilder, TransactionNumber,
    WriterId,
};
use trailkeeper_store::{Effort, Limits, Parameter, Query, Rows, Store, StoreError};

use crate::sample::{START, commit, create, events, folder, run};

/// Three files, two of them of one month; the second of several row groups.
fn filled(dir: &tempfile::TempDir) -> Store {
    let store = create(dir);
    const MONTH: i64 = 31 * 24 * 3600 * 1_000_000;
    run(store.append(&[events(0, 3000, START)], &commit("s", 1, 0, 3000))).unwrap();
    let many = [events(3000, 20_000, START + 1), events(23_000, 20_000, START + 1)];
    run(store.append(&many, &commit("s", 2, 3000, 43_000))).unwrap();
    run(store.append(&[events(43_000, 10, START + MONTH)], &commit("s", 3, 43_000, 43_010)))
        .unwrap();
    store
}

/// Events of two objects that are in no file yet.
fn pending() -> Vec<RecordBatch> {
    let mut batch = EventBatchBuilder::new();
    for number in 0..10_u32 {
        let mut builder = RecordBuilder::new();
        builder
            .text(Column::Kind, "change")
            .text(Column::Action, "delete")
            .text(Column::Model, "billing.invoice")
            .text(Column::ObjectId, if number % 2 == 0 { "919" } else { "new" })
            .int(Column::OccurredAt, START - i64::from(number));
        let id = EventId {
            writer: WriterId([8; 8]),
            transaction: TransactionNumber(number),
            position: Position(0),
        };
        let at = (number % 3 != 0).then_some(Micros(START));
        batch.append_pending(&Record::parse(builder.as_bytes()).unwrap(), id, at);
    }
    vec![batch.finish()]
}

fn ask(store: &Store, sql: &str, parameters: &[Parameter]) -> Result<Rows, StoreError> {
    let query = Query {
        sql: sql.to_owned(),
        parameters: parameters.to_vec(),
        pending: pending(),
        ..Query::default()
    };
    run(async { store.query(&*store.snapshot().await?, query).await })
}

fn whole(rows: &Rows) -> RecordBatch {
    concat_batches(&rows.schema, &rows.batches).unwrap()
}

/// The statements with a place for the condition, and whether the order of rows is told by them.
const STATEMENTS: [(&str, bool); 12] = [
    ("SELECT * FROM events WHERE {} ORDER BY occurred_at, position, event_id", true),
    (
        "SELECT * FROM \"events\" WHERE ({}) ORDER BY \"events\".\"occurred_at\" DESC, event_id DESC LIMIT 7",
        true,
    ),
    (
        "SELECT event_id, transaction_id, after FROM events WHERE {} ORDER BY seq DESC, event_id",
        true,
    ),
    (
        "SELECT seq, event_id FROM events WHERE {} ORDER BY seq, event_id DESC LIMIT 3 OFFSET 2",
        true,
    ),
    ("SELECT SEQ FROM Events WHERE {} ORDER BY committed_at NULLS FIRST, event_id LIMIT 5", true),
    ("SELECT seq FROM events WHERE {} ORDER BY committed_at DESC NULLS LAST, event_id", true),
    ("SELECT seq FROM events WHERE {} ORDER BY event_id LIMIT 0", true),
    ("SELECT seq FROM events WHERE {} ORDER BY event_id OFFSET 100000", true),
    ("SELECT count(*), max(after) FROM events WHERE {} AND tenant = 'acme'", true),
    ("SELECT seq + 1 AS next FROM events WHERE action = 'update' AND ({}) ORDER BY 1", true),
    ("SELECT DISTINCT tenant FROM events AS e WHERE {} GROUP BY tenant ORDER BY tenant", true),
    ("SELECT writer, salt, source FROM events WHERE {}", false),
];

#[test]
fn the_events_of_an_object_are_those_that_a_plan_finds() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(&dir);
    let check = || {
        for id in ["0", "919", "999", "new", "none", "it's", ""] {
            let key = format!("billing.invoice/{id}");
            let quoted = key.replace('\'', "''");
            for (statement, is_ordered) in STATEMENTS {
                let direct = statement.replace("{}", &format!("object_key = '{quoted}'"));
                let planned = statement.replace("{}", &format!("object_key || '' = '{quoted}'"));
                let bound = statement.replace("{}", "object_key = $1");
                let direct = ask(&store, &direct, &[]).unwrap();
                let planned = ask(&store, &planned, &[]).unwrap();
                let bound = ask(&store, &bound, &[Parameter::Text(key.clone())]).unwrap();
                assert_eq!(direct.schema, planned.schema, "{statement}");
                assert_eq!(
                    whole(&direct).num_rows(),
                    whole(&planned).num_rows(),
                    "{statement} {id}"
                );
                if is_ordered {
                    assert_eq!(whole(&direct), whole(&planned), "{statement} {id}");
                }
                assert_eq!(whole(&direct), whole(&bound), "{statement} {id}");
            }
        }
    };
    check();
    while run(store.merge_next(Effort::Whole)).unwrap().is_some() {}
    check();
}

#[test]
fn an_answer_without_a_plan_keeps_to_the_limits() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(&dir);
    let sql = "SELECT seq FROM events WHERE object_key = 'billing.invoice/919'".to_owned();
    let limits = Limits { rows: Some(10), ..Limits::default() };
    let query = Query { sql, limits, ..Query::default() };
    let error = run(async { store.query(&*store.snapshot().await?, query).await }).unwrap_err();
    assert!(matches!(error, StoreError::TooManyRows { limit: 10 }), "{error}");
}

#[test]
fn an_object_with_very_many_events_is_read_by_a_plan() {
    let dir = tempfile::tempdir().unwrap();
    let store = create(&dir);
    let mut size = 0;
    // Every thousandth event is of one object.
    let one = |first| {
        let batch = events(first, 30_000, START);
        let key = batch.schema().index_of(Column::ObjectKey.name()).unwrap();
        let mut columns = batch.columns().to_vec();
        columns[key] = Arc::new(arrow::array::StringArray::from(vec!["billing.invoice/1"; 30_000]));
        RecordBatch::try_new(batch.schema(), columns).unwrap()
    };
    for number in 1..=2 {
        run(store.append(&[one(size)], &commit("s", number, size, size + 30_000))).unwrap();
        size += 30_000;
    }
    let sql = "SELECT seq FROM events WHERE object_key = 'billing.invoice/1' ORDER BY seq LIMIT 2";
    let rows = ask(&store, sql, &[]).unwrap();
    let shown = pretty_format_batches(&rows.batches).unwrap().to_string();
    assert_eq!(shown, "+-----+\n| seq |\n+-----+\n| 0   |\n| 1   |\n+-----+");
}

#[test]
fn a_damaged_file_is_an_error_that_names_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(&dir);
    let snapshot = run(store.snapshot()).unwrap();
    let sql = "SELECT seq FROM events WHERE object_key = 'billing.invoice/919'";
    for file in snapshot.files() {
        let path = std::path::Path::new(&folder(&dir)).join(file.path());
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        // Nothing of it is known yet to this one.
        let store = run(Store::open(&folder(&dir), trailkeeper_store::OpenOptions::new())).unwrap();
        let error = ask(&store, sql, &[]).unwrap_err();
        assert!(
            matches!(error, StoreError::Corrupt { .. } | StoreError::Unavailable { .. }),
            "{error:?}"
        );
        assert!(error.to_string().contains(file.path()), "{error}");
        std::fs::write(&path, &whole).unwrap();
    }
    assert!(ask(&store, sql, &[]).is_ok());
}

#[test]
fn a_file_with_any_byte_changed_gives_an_error_or_rows() {
    let dir = tempfile::tempdir().unwrap();
    let store = create(&dir);
    run(store.append(&[events(0, 1500, START)], &commit("s", 1, 0, 1500))).unwrap();
    run(store.append(&[events(1500, 1500, START)], &commit("s", 2, 1500, 3000))).unwrap();
    run(store.merge_next(Effort::Whole)).unwrap().unwrap();
    let snapshot = run(store.snapshot()).unwrap();
    let path = std::path::Path::new(&folder(&dir)).join(snapshot.files()[0].path());
    let whole = std::fs::read(&path).unwrap();
    let sql = "SELECT * FROM events WHERE object_key = 'billing.invoice/919' ORDER BY seq";
    let expected = ask(&store, sql, &[]).unwrap();
    let mut refused = 0;
    for step in 0..400 {
        let mut bytes = whole.clone();
        let at = step * (whole.len() - 1) / 399;
        bytes[at] ^= 1 << (step % 8);
        std::fs::write(&path, bytes).unwrap();
        let store = run(Store::open(&folder(&dir), trailkeeper_store::OpenOptions::new())).unwrap();
        match ask(&store, sql, &[]) {
            Ok(rows) => assert_eq!(rows.schema, expected.schema),
            Err(error) => {
                assert!(matches!(error, StoreError::Corrupt { .. }), "byte {at}: {error:?}");
                refused += 1;
            }
        }
    }
    assert!(refused > 20, "{refused}");
}
