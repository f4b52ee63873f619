//! `testdata/table`: a store of every released version of the format still reads and verifies.

use std::fs;
use std::path::Path;

use arrow::array::{AsArray as _, RecordBatch};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use serde_json::Value;
use trailkeeper_engine::{Statement, Trail, TrailOptions, Verdict};

/// The columns whose values are compared: one of each type, the JSON ones and a derived one.
const COLUMNS: [&str; 8] =
    ["seq", "occurred_at", "action", "actor_label", "object_key", "changed", "before", "after"];

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A value of a row, as `expected.json` has it; null values are left out there.
fn value_of(batch: &RecordBatch, column: &str, row: usize) -> Option<Value> {
    let array = batch.column_by_name(column).unwrap();
    if array.is_null(row) {
        return None;
    }
    Some(match column {
        "seq" => array.as_primitive::<Int64Type>().value(row).into(),
        "occurred_at" => array.as_primitive::<TimestampMicrosecondType>().value(row).into(),
        _ => array.as_string::<i32>().value(row).into(),
    })
}

#[test]
fn the_table_of_version_1_reads_and_verifies() {
    let released = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/table/v1");
    let expected: Value =
        serde_json::from_slice(&fs::read(released.join("expected.json")).unwrap()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("store");
    copy(&released.join("store"), &store);
    let trail = Trail::open(TrailOptions::new(store.to_str().unwrap())).unwrap();

    let report = trail.verify(None, &mut |_| {}).unwrap();
    assert_eq!(report.verdict, Verdict::Verified, "{report:#?}");
    assert_eq!(report.damaged_tiles, Vec::<String>::new());
    assert_eq!(report.key.as_deref(), expected["key"].as_str());
    assert_eq!(report.root.as_deref(), expected["root"].as_str());
    assert_eq!(Some(report.events), expected["size"].as_u64());

    let sql = format!("SELECT {} FROM events ORDER BY seq", COLUMNS.join(", "));
    let result = trail.query(Statement::new(sql), &[]).unwrap();
    let mut rows = expected["rows"].as_array().unwrap().iter();
    for batch in &result.batches {
        for (row, expected) in (0..batch.num_rows()).zip(&mut rows) {
            for column in COLUMNS {
                let found = value_of(batch, column, row);
                assert_eq!(found.as_ref(), expected.get(column), "row {row}, {column}");
            }
        }
    }
    assert_eq!(rows.next(), None);
}
