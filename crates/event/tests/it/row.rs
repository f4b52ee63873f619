//! `testdata/event/v1`: rows of the table.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use trailkeeper_event::{
    Column, ColumnType, EventBatch, EventBatchBuilder, LeafHasher, Record, arrow_schema,
};

use crate::vectors::{Vector, vectors};

/// The row that the vector describes.
fn row_of(vector: &Vector) -> RecordBatch {
    let value = |column: &Column| -> ArrayRef {
        match column.column_type() {
            ColumnType::Text => Arc::new(StringArray::from(vec![vector.text(*column)])),
            ColumnType::Int => Arc::new(Int64Array::from(vec![vector.int(*column)])),
            ColumnType::Time => {
                let times = TimestampMicrosecondArray::from(vec![vector.int(*column)]);
                Arc::new(times.with_timezone("UTC"))
            }
            ColumnType::Bytes => Arc::new(BinaryArray::from(vec![vector.salt().as_slice()])),
        }
    };
    RecordBatch::try_new(arrow_schema(), Column::ALL.iter().map(value).collect()).unwrap()
}

#[test]
fn rows_are_written_as_in_version_1() {
    for vector in vectors() {
        let Some(bytes) = vector.record() else { continue };
        let mut batch = EventBatchBuilder::new();
        batch.append(&Record::parse(&bytes).unwrap(), &vector.stamp());
        assert_eq!(batch.finish(), row_of(&vector), "{}", vector.name());
    }
}

#[test]
fn rows_have_the_leaf_hash_of_version_1() {
    for vector in vectors() {
        let events = EventBatch::try_new(&row_of(&vector)).unwrap();
        let leaves = LeafHasher::new().leaf_hashes(&events);
        assert_eq!(leaves, [Some(vector.leaf())], "{}", vector.name());
    }
}
