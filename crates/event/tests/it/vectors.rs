//! `testdata/event/v1`: the bytes of a record, and the hash that follows from them.

use std::path::Path;

use serde_json::{Map, Value};
use trailkeeper_event::{
    Column, ColumnType, CoreWriter, EventId, LeafHash, Micros, Position, Record, RecordBuilder,
    Seed, Seq, Stamp, TransactionNumber, leaf_hash,
};

/// An event in all its forms.
pub(crate) struct Vector(Value);

/// The vectors of version 1.
pub(crate) fn vectors() -> Vec<Vector> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/event/v1/vectors.json");
    let mut file: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let events = file["events"].as_array_mut().unwrap();
    assert_eq!(events.len(), 6);
    events.drain(..).map(Vector).collect()
}

impl Vector {
    pub(crate) fn name(&self) -> &str {
        self.0["name"].as_str().unwrap()
    }

    pub(crate) fn columns(&self) -> &Map<String, Value> {
        self.0["columns"].as_object().unwrap()
    }

    pub(crate) fn int(&self, column: Column) -> Option<i64> {
        self.columns().get(column.name()).map(|value| value.as_i64().unwrap())
    }

    pub(crate) fn text(&self, column: Column) -> Option<&str> {
        self.columns().get(column.name()).map(|value| value.as_str().unwrap())
    }

    pub(crate) fn salt(&self) -> Vec<u8> {
        unhex(self.text(Column::Salt).unwrap())
    }

    pub(crate) fn core(&self) -> Vec<u8> {
        unhex(self.0["core"].as_str().unwrap())
    }

    pub(crate) fn leaf(&self) -> LeafHash {
        LeafHash(unhex(self.0["leaf_hash"].as_str().unwrap()).try_into().unwrap())
    }

    /// The bytes of the record; `None` for a row that a redaction has written.
    pub(crate) fn record(&self) -> Option<Vec<u8>> {
        self.0.get("record").map(|hex| unhex(hex.as_str().unwrap()))
    }

    /// What the sequencer added to the record.
    pub(crate) fn stamp(&self) -> Stamp {
        let small = |column| u32::try_from(self.int(column).unwrap()).unwrap();
        Stamp {
            seq: Seq(self.int(Column::Seq).unwrap().try_into().unwrap()),
            id: EventId {
                writer: self.text(Column::Writer).unwrap().parse().unwrap(),
                transaction: TransactionNumber(small(Column::TransactionNumber)),
                position: Position(small(Column::Position)),
            },
            committed_at: Micros(self.int(Column::CommittedAt).unwrap()),
            recorded_at: Micros(self.int(Column::RecordedAt).unwrap()),
            seed: Seed(self.salt()[1..].try_into().unwrap()),
        }
    }

    fn order(&self) -> impl Iterator<Item = Column> {
        let names = self.0["order"].as_array().unwrap().iter();
        names.map(|name| Column::from_name(name.as_str().unwrap()).unwrap())
    }
}

fn unhex(digits: &str) -> Vec<u8> {
    let pairs = (0..digits.len()).step_by(2);
    pairs.map(|start| u8::from_str_radix(&digits[start..start + 2], 16).unwrap()).collect()
}

#[test]
fn records_are_written_as_in_version_1() {
    for vector in vectors() {
        let Some(expected) = vector.record() else { continue };
        let mut builder = RecordBuilder::new();
        for column in vector.order() {
            match column.column_type() {
                ColumnType::Int | ColumnType::Time => {
                    builder.int(column, vector.int(column).unwrap());
                }
                ColumnType::Text | ColumnType::Bytes => {
                    builder.text(column, vector.text(column).unwrap());
                }
            }
        }
        assert_eq!(builder.as_bytes(), expected, "{}", vector.name());
    }
}

#[test]
fn records_of_version_1_are_read() {
    for vector in vectors() {
        let Some(bytes) = vector.record() else { continue };
        let record = Record::parse(&bytes).unwrap();
        for column in Column::ALL.iter().copied().filter(|column| column.is_in_record()) {
            let place = format!("{}, {}", vector.name(), column.name());
            match column.column_type() {
                ColumnType::Int | ColumnType::Time => {
                    assert_eq!(record.int(column), vector.int(column), "{place}");
                }
                ColumnType::Text | ColumnType::Bytes => {
                    assert_eq!(record.text(column), vector.text(column), "{place}");
                }
            }
        }
    }
}

#[test]
fn records_have_the_core_and_the_leaf_hash_of_version_1() {
    for vector in vectors() {
        let Some(bytes) = vector.record() else { continue };
        let record = Record::parse(&bytes).unwrap();
        let mut writer = CoreWriter::new();
        assert_eq!(leaf_hash(&record, &vector.stamp(), &mut writer), vector.leaf());
        assert_eq!(writer.core(), vector.core(), "{}", vector.name());
    }
}
