//! The core of an event and its leaf hash.

use crate::SCHEMA_VERSION;
use crate::clock::Micros;
use crate::column::Column;
use crate::hash::sha256;
use crate::id::{EventId, Seq};
use crate::record::{Record, push_varint};
use crate::salt::{Commitment, SaltColumn, Seed};

const VERSION: u8 = 1;

/// The RFC 6962 hash of a leaf: what the Merkle tree holds for one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeafHash(pub [u8; 32]);

/// The place of an event in the trail: what the sequencer adds to its record.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    /// The leaf index.
    pub seq: Seq,
    /// The identity of the event.
    pub id: EventId,
    /// When its transaction was committed.
    pub committed_at: Micros,
    /// When the trail took it.
    pub recorded_at: Micros,
    /// What its salts derive from.
    pub seed: Seed,
}

/// Writes the core of one event after another, columns in ascending order.
#[derive(Debug, Default)]
pub struct CoreWriter {
    // Starts with 0x00, the leaf prefix of RFC 6962, so that hashing takes one pass.
    bytes: Vec<u8>,
}

impl CoreWriter {
    /// Makes a writer; call [`begin`](Self::begin) before each event.
    #[must_use]
    pub fn new() -> Self {
        Self { bytes: Vec::with_capacity(1024) }
    }

    /// Starts the core of the next event.
    pub fn begin(&mut self) {
        self.bytes.clear();
        self.bytes.extend_from_slice(&[0, VERSION]);
    }

    /// Adds a plain text column.
    pub fn plain(&mut self, column: Column, value: &[u8]) {
        self.bytes.push(column.tag());
        push_varint(&mut self.bytes, value.len());
        self.bytes.extend_from_slice(value);
    }

    /// Adds an integer or time column.
    pub fn int(&mut self, column: Column, value: i64) {
        self.bytes.push(column.tag());
        self.bytes.push(8);
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    /// Adds a personal column by its commitment.
    pub fn commitment(&mut self, column: Column, commitment: Commitment) {
        self.bytes.push(column.tag());
        self.bytes.push(32);
        self.bytes.extend_from_slice(&commitment.0);
    }

    /// The core that has been written.
    #[must_use]
    pub fn core(&self) -> &[u8] {
        self.bytes.get(1..).unwrap_or_default()
    }

    /// The leaf hash of the core that has been written.
    #[must_use]
    pub fn leaf_hash(&self) -> LeafHash {
        LeafHash(sha256(&[], &self.bytes))
    }
}

/// The leaf hash of the event that `record` and `stamp` describe.
///
/// `writer` is scratch space, kept between calls.
pub fn leaf_hash(record: &Record<'_>, stamp: &Stamp, writer: &mut CoreWriter) -> LeafHash {
    let mut salts = SaltColumn::from_seed(stamp.seed, stamp.seq);
    writer.begin();
    for &column in Column::ALL {
        match column {
            Column::Writer => writer.plain(column, stamp.id.writer.to_string().as_bytes()),
            Column::TransactionNumber => writer.int(column, i64::from(stamp.id.transaction.0)),
            Column::Position => writer.int(column, i64::from(stamp.id.position.0)),
            Column::SchemaVersion => writer.int(column, SCHEMA_VERSION),
            Column::CommittedAt => writer.int(column, stamp.committed_at.0),
            Column::RecordedAt => writer.int(column, stamp.recorded_at.0),
            Column::ObjectKey => {
                if let (Some(model), Some(id)) =
                    (record.bytes(Column::Model), record.bytes(Column::ObjectId))
                {
                    writer.plain(column, &[model, b"/", id].concat());
                }
            }
            _ => {
                let Some(value) = record.bytes(column) else { continue };
                match salts.salt(column) {
                    None => writer.plain(column, value),
                    Some(salt) => {
                        writer.commitment(column, Commitment::new(column, salt, value));
                    }
                }
            }
        }
    }
    writer.leaf_hash()
}

#[cfg(test)]
mod tests {
    use super::{CoreWriter, LeafHash, Stamp, leaf_hash};
    use crate::clock::Micros;
    use crate::column::Column;
    use crate::id::{EventId, Position, Seq, TransactionNumber, WriterId};
    use crate::record::{Record, RecordBuilder};
    use crate::salt::Seed;

    fn stamp() -> Stamp {
        Stamp {
            seq: Seq(9),
            id: EventId {
                writer: WriterId([1; 8]),
                transaction: TransactionNumber(2),
                position: Position(3),
            },
            committed_at: Micros(5),
            recorded_at: Micros(6),
            seed: Seed([4; 16]),
        }
    }

    fn hash(edit: impl FnOnce(&mut RecordBuilder, &mut Stamp)) -> LeafHash {
        let mut builder = RecordBuilder::new();
        builder.text(Column::Action, "update").text(Column::ActorLabel, "Ada");
        let mut stamp = stamp();
        edit(&mut builder, &mut stamp);
        let record = Record::parse(builder.as_bytes()).unwrap();
        leaf_hash(&record, &stamp, &mut CoreWriter::new())
    }

    #[test]
    fn the_core_hides_personal_values() {
        let mut builder = RecordBuilder::new();
        builder.text(Column::ActorLabel, "Ada Lovelace").text(Column::Service, "billing");
        let record = Record::parse(builder.as_bytes()).unwrap();
        let mut writer = CoreWriter::new();
        leaf_hash(&record, &stamp(), &mut writer);
        let holds = |text: &[u8]| writer.core().windows(text.len()).any(|part| part == text);
        assert!(holds(b"billing"));
        assert!(!holds(b"Lovelace"));
    }

    #[test]
    fn every_part_changes_the_leaf() {
        let base = hash(|_, _| {});
        assert_eq!(base, hash(|_, _| {}));
        let others = [
            hash(|builder, _| {
                builder.text(Column::Reason, "");
            }),
            hash(|builder, _| {
                builder.int(Column::HttpStatus, 0);
            }),
            hash(|_, stamp| stamp.seq.0 += 1),
            hash(|_, stamp| stamp.id.position.0 += 1),
            hash(|_, stamp| stamp.id.transaction.0 += 1),
            hash(|_, stamp| stamp.id.writer.0[7] += 1),
            hash(|_, stamp| stamp.committed_at.0 += 1),
            hash(|_, stamp| stamp.recorded_at.0 += 1),
            hash(|_, stamp| stamp.seed.0[0] += 1),
        ];
        for (index, other) in others.iter().enumerate() {
            assert_ne!(base, *other, "variant {index}");
        }
    }
}
