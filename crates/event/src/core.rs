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

/// Writes the core of one event after another.
#[derive(Debug, Default)]
pub struct CoreWriter {
    bytes: Vec<u8>,
}

impl CoreWriter {
    /// Makes a writer.
    #[must_use]
    pub fn new() -> Self {
        Self { bytes: Vec::with_capacity(1024) }
    }

    /// The core that was written last.
    #[must_use]
    pub fn core(&self) -> &[u8] {
        self.bytes.get(1..).unwrap_or_default()
    }
}

/// Appends what a leaf hash is the digest of, columns in ascending order.
pub(crate) struct Core<'a>(&'a mut Vec<u8>);

impl<'a> Core<'a> {
    /// Starts the core of an event.
    ///
    /// It has 0x00 before it, the leaf prefix of RFC 6962, so that hashing takes one pass.
    pub(crate) fn begin(bytes: &'a mut Vec<u8>) -> Self {
        bytes.extend_from_slice(&[0, VERSION]);
        Self(bytes)
    }

    /// Adds a plain text column.
    pub(crate) fn plain(&mut self, column: Column, value: &[u8]) {
        self.0.push(column.tag());
        push_varint(self.0, value.len());
        self.0.extend_from_slice(value);
    }

    /// Adds an integer or time column.
    pub(crate) fn int(&mut self, column: Column, value: i64) {
        self.0.extend_from_slice(&[column.tag(), 8]);
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    /// Adds a personal column by its commitment.
    pub(crate) fn commitment(&mut self, column: Column, commitment: Commitment) {
        self.0.extend_from_slice(&[column.tag(), 32]);
        self.0.extend_from_slice(&commitment.0);
    }
}

/// The leaf hash of the event that `record` and `stamp` describe.
///
/// `writer` is scratch space, kept between calls.
pub fn leaf_hash(record: &Record<'_>, stamp: &Stamp, writer: &mut CoreWriter) -> LeafHash {
    let mut salts = SaltColumn::from_seed(stamp.seed, stamp.seq);
    writer.bytes.clear();
    let mut core = Core::begin(&mut writer.bytes);
    for &column in Column::ALL {
        match column {
            Column::Writer => core.plain(column, stamp.id.writer.to_string().as_bytes()),
            Column::TransactionNumber => core.int(column, i64::from(stamp.id.transaction.0)),
            Column::Position => core.int(column, i64::from(stamp.id.position.0)),
            Column::SchemaVersion => core.int(column, SCHEMA_VERSION),
            Column::CommittedAt => core.int(column, stamp.committed_at.0),
            Column::RecordedAt => core.int(column, stamp.recorded_at.0),
            Column::ObjectKey => {
                if let (Some(model), Some(id)) =
                    (record.bytes(Column::Model), record.bytes(Column::ObjectId))
                {
                    core.plain(column, &[model, b"/", id].concat());
                }
            }
            _ => {
                let Some(value) = record.bytes(column) else { continue };
                match salts.salt(column) {
                    None => core.plain(column, value),
                    Some(salt) => {
                        core.commitment(column, Commitment::new(column, salt, value));
                    }
                }
            }
        }
    }
    LeafHash(sha256(&[], &writer.bytes))
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
