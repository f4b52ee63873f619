//! SQL over files and pending rows: one table, read-only, and filters reach the files.

use arrow::array::{Array, AsArray};
use arrow::datatypes::Int64Type;
use trailkeeper_event::{
    Column, EventBatchBuilder, EventId, Micros, Position, Record, RecordBuilder, TransactionNumber,
    WriterId,
};
use trailkeeper_store::{Effort, Limits, Parameter, Query, Rows, Store, StoreError};

use crate::sample::{START, commit, create, events, run};

fn ask(store: &Store, query: Query) -> Result<Rows, StoreError> {
    run(async { store.query(&*store.snapshot().await?, query).await })
}

fn sql(text: &str) -> Query {
    Query { sql: text.to_owned(), ..Query::default() }
}

fn texts(rows: &Rows, column: usize) -> Vec<String> {
    let values = rows.batches.iter().flat_map(|batch| {
        let array = batch.column(column).as_string::<i32>();
        (0..array.len()).map(|row| array.value(row).to_owned()).collect::<Vec<_>>()
    });
    values.collect()
}

fn number(store: &Store, text: &str) -> i64 {
    let rows = ask(store, sql(text)).unwrap();
    rows.batches[0].column(0).as_primitive::<Int64Type>().value(0)
}

fn filled(dir: &tempfile::TempDir) -> Store {
    let store = create(dir);
    run(store.append(&[events(0, 3000, START)], &commit("s", 1, 0, 3000))).unwrap();
    run(store.append(&[events(3000, 2000, START)], &commit("s", 2, 3000, 5000))).unwrap();
    store
}

#[test]
fn the_columns_are_the_documented_ones_in_their_order() {
    let dir = tempfile::tempdir().unwrap();
    let rows = ask(&create(&dir), sql("SELECT * FROM events")).unwrap();
    let names: Vec<_> = rows.schema.fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(
        names[..6],
        ["event_id", "seq", "transaction_id", "position", "schema_version", "kind"]
    );
    assert_eq!(names[names.len() - 4..], ["redacted", "writer", "transaction_number", "salt"]);
    assert_eq!(names.len(), Column::ALL.len() + 2);
    assert_eq!(rows.batches.iter().map(|batch| batch.num_rows()).sum::<usize>(), 0);
}

#[test]
fn a_stream_gives_the_rows_of_a_file_in_the_order_asked_for_a_few_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let store = create(&dir);
    // Three row groups, in each of which the rows are by object.
    run(store.append(&[events(0, 39_000, START)], &commit("s", 1, 0, 39_000))).unwrap();
    run(store.append(&[events(39_000, 1000, START)], &commit("s", 2, 39_000, 40_000))).unwrap();
    run(store.merge_next(Effort::Whole)).unwrap().unwrap();
    let snapshot = run(store.snapshot()).unwrap();
    let rows = |query: Query| {
        run(async {
            let mut stream = store.query_stream(Some(&snapshot.files()[0]), query).await?;
            let mut seqs = Vec::new();
            while let Some(batch) = stream.next().await? {
                assert!(batch.num_rows() <= 1024);
                assert_eq!(batch.schema(), stream.schema());
                let column = batch.column_by_name("seq").unwrap().as_primitive::<Int64Type>();
                seqs.extend_from_slice(column.values());
            }
            Ok::<_, StoreError>(seqs)
        })
    };
    let all: Vec<i64> = (0..40_000).collect();
    assert_eq!(rows(sql("SELECT * FROM events ORDER BY seq")).unwrap(), all);
    let even: Vec<i64> = all.iter().copied().filter(|seq| seq % 2 == 0).collect();
    assert_eq!(rows(sql("SELECT * FROM events WHERE tenant = 'acme' ORDER BY seq")).unwrap(), even);
    let limits = Limits { rows: Some(39_999), ..Limits::default() };
    let refused = rows(Query { limits, ..sql("SELECT * FROM events") });
    assert!(matches!(refused, Err(StoreError::TooManyRows { limit: 39_999 })), "{refused:?}");
}

#[test]
fn files_are_one_table() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(&dir);
    assert_eq!(number(&store, "SELECT count(*) FROM events"), 5000);
    assert_eq!(number(&store, "SELECT count(*) FROM events WHERE tenant = 'acme'"), 2500);
    assert_eq!(number(&store, "SELECT count(DISTINCT seq) FROM events WHERE seq >= 10"), 4990);
    let history = ask(
        &store,
        Query {
            sql: "SELECT event_id, transaction_id, after FROM events WHERE object_key = $1 ORDER BY seq".into(),
            parameters: vec![Parameter::Text("billing.invoice/919".into())],
            ..Query::default()
        },
    )
    .unwrap();
    assert_eq!(texts(&history, 0)[0], "07070707070707070000000000000001");
    assert_eq!(texts(&history, 1)[0], "07070707070707070000000000000000");
    assert_eq!(texts(&history, 2).len(), 5);
    assert_eq!(
        number(
            &store,
            "SELECT count(*) FROM events WHERE event_id = '07070707070707070000000000000001'"
        ),
        1
    );
}

#[test]
fn pending_rows_stand_beside_the_files() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(&dir);
    let mut builder = RecordBuilder::new();
    builder.text(Column::Model, "billing.invoice").text(Column::ObjectId, "919");
    let id = EventId {
        writer: WriterId([8; 8]),
        transaction: TransactionNumber(1),
        position: Position(2),
    };
    let mut pending = EventBatchBuilder::new();
    pending.append_pending(&Record::parse(builder.as_bytes()).unwrap(), id, Some(Micros(START)));
    let query = Query {
        sql: "SELECT event_id, seq FROM events WHERE object_key = 'billing.invoice/919' ORDER BY seq NULLS LAST".into(),
        pending: vec![pending.finish()],
        ..Query::default()
    };
    let rows = ask(&store, query).unwrap();
    let ids = texts(&rows, 0);
    assert_eq!(ids.len(), 6);
    assert_eq!(ids[5], "08080808080808080000000100000002");
}

#[test]
fn times_compare_with_times() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(&dir);
    assert_eq!(
        number(
            &store,
            "SELECT count(*) FROM events WHERE occurred_at < TIMESTAMP '2026-11-15T00:00:00.000010Z'"
        ),
        10
    );
    assert_eq!(
        number(
            &store,
            "SELECT count(*) FROM events WHERE occurred_at <= '2026-11-15 00:00:00.000010+00:00'::timestamptz"
        ),
        11
    );
    assert_eq!(
        number(
            &store,
            "SELECT count(*) FROM events WHERE recorded_at < STATEMENT_TIMESTAMP() + INTERVAL '10000 days'"
        ),
        5000
    );
    let parameters = vec![Parameter::Time(START + 4990), Parameter::Int(4995)];
    let text = "SELECT count(*) FROM events WHERE occurred_at >= $1 AND seq < $2".to_owned();
    let rows = ask(&store, Query { sql: text, parameters, ..Query::default() }).unwrap();
    assert_eq!(rows.batches[0].column(0).as_primitive::<Int64Type>().value(0), 5);
}

#[test]
fn statements_other_than_queries_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(&dir);
    for text in [
        "DELETE FROM events",
        "INSERT INTO events SELECT * FROM events",
        "CREATE TABLE copy AS SELECT * FROM events",
        "DROP TABLE events",
        "COPY events TO '/tmp/copy.parquet'",
        "CREATE EXTERNAL TABLE passwd STORED AS CSV LOCATION '/etc/passwd'",
        "SELECT * FROM '/etc/passwd'",
        "SET datafusion.execution.batch_size = 1",
        "SELECT 1; SELECT 2",
        "SELECT nothing FROM events",
        "SELECT * FROM elsewhere",
        "SELEC",
        "",
    ] {
        let answer = ask(&store, sql(text));
        assert!(matches!(answer, Err(StoreError::Query { .. })), "{text}: {answer:?}");
    }
}

#[test]
fn a_result_beyond_the_limit_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(&dir);
    let limits = Limits { rows: Some(100), ..Limits::default() };
    let all = Query { limits, ..sql("SELECT seq FROM events") };
    assert!(matches!(ask(&store, all), Err(StoreError::TooManyRows { limit: 100 })));
    let some = Query { limits, ..sql("SELECT seq FROM events LIMIT 100") };
    assert!(ask(&store, some).is_ok());
}

#[test]
fn filters_reach_the_files_through_the_view() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(&dir);
    for condition in [
        "object_key = 'billing.invoice/919'",
        "model = 'billing.invoice'",
        "object_id = '919'",
        "seq = 4000",
        "committed_at >= '2026-11-15T00:00:00.004Z'::timestamptz",
        "occurred_at >= '2026-11-15T00:00:00.004Z'::timestamptz",
    ] {
        let plan =
            ask(&store, sql(&format!("EXPLAIN SELECT * FROM events WHERE {condition}"))).unwrap();
        let plan = texts(&plan, 1).join("\n");
        let column = condition.split(' ').next().unwrap();
        let scan = plan.lines().find(|line| line.contains("DataSourceExec")).unwrap();
        assert!(scan.contains("predicate=") && scan.contains(column), "{condition}: {plan}");
        assert!(!plan.contains("FilterExec"), "{condition}: {plan}");
    }
}

#[test]
fn files_whose_bounds_exclude_the_filter_are_not_opened() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(&dir);
    let snapshot = run(store.snapshot()).unwrap();
    std::fs::write(dir.path().join("trail").join(snapshot.files()[0].path()), "gone").unwrap();
    assert_eq!(
        number(&store, "SELECT count(*) FROM events WHERE seq > 4500 AND tenant = 'acme'"),
        249
    );
    let text = "SELECT count(*) FROM events WHERE occurred_at > '2026-11-15T00:00:00.004Z' AND tenant = 'acme'";
    assert_eq!(number(&store, text), 499);
    let all = ask(&store, sql("SELECT count(*) FROM events WHERE tenant = 'acme'"));
    assert!(matches!(all, Err(StoreError::Corrupt { .. })), "{all:?}");
}

#[test]
fn a_look_up_by_identity_skips_files() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(&dir);
    let id = |n: u64| format!("0707070707070707{:08x}{:08x}", n / 3, n % 3);
    for (condition, count) in [
        (format!("event_id = '{}'", id(4000)), 1),
        (format!("'{}' = event_id AND tenant = 'acme'", id(4000)), 1),
        (format!("event_id = '{}'", id(5000)), 0),
        (format!("event_id = '{}'", id(4000).replace("07", "0A")), 0),
        (format!("transaction_id = '{}'", id(3999)), 3),
        (format!("transaction_id = '{}'", id(4000)), 0),
        (format!("event_id IN ('{}', '{}')", id(1), id(4000)), 2),
        (format!("NOT event_id = '{}'", id(4000)), 4999),
    ] {
        let text = format!("SELECT count(*) FROM events WHERE {condition}");
        assert_eq!(number(&store, &text), count, "{condition}");
    }
    let text = format!("EXPLAIN SELECT * FROM events WHERE event_id = '{}'", id(4000));
    let plan = texts(&ask(&store, sql(&text)).unwrap(), 1).join("\n");
    let scan = plan.lines().find(|line| line.contains("DataSourceExec")).unwrap();
    assert!(scan.contains("transaction_number_min"), "{plan}");
}
