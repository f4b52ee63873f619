//! The leaf hashes of rows of the table, many at a time.

use crate::batch::{CoreValue, EventBatch};
use crate::column::Column;
use crate::core::{Core, LeafHash};
use crate::message::Messages;
use crate::redaction::Redaction;
use crate::salt::{Commitment, Salt, SaltColumn};

/// So many rows are hashed together, at most.
const ROWS: usize = 64;
/// Rows with so many bytes of personal values are hashed without waiting for more.
const BYTES: usize = 32 << 10;

/// Computes the leaf hashes of rows from their values.
///
/// The messages of one kind that some rows have are hashed together: first those for the salts,
/// then the commitments, which need the salts, then the leaves, which need the commitments.
#[derive(Debug, Default)]
pub struct LeafHasher {
    rows: Vec<Row>,
    salts: Messages,
    commitments: Messages,
    leaves: Messages,
}

/// A row that is being hashed.
#[derive(Debug)]
struct Row {
    number: usize,
    salts: Option<SaltColumn>,
    redaction: Option<Redaction>,
    /// The pairs of salts that were hashed for it, as bits.
    pairs: u8,
    /// Which message is the first of these.
    first_pair: usize,
    /// Which message is its first commitment.
    first_commitment: usize,
}

impl LeafHasher {
    /// Makes a hasher, which keeps its memory from one batch to the next.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The leaf hashes of the rows of `events`.
    ///
    /// `None` if a row has no `seq`, no valid salt for a personal value, or no valid redaction: then
    /// it is not a row that was written here.
    pub fn leaf_hashes(&mut self, events: &EventBatch) -> Vec<Option<LeafHash>> {
        let present = events.present();
        let personal: Vec<Column> = present.iter().copied().filter(|c| c.is_personal()).collect();
        let mut leaves = vec![None; events.len()];
        let mut next = 0;
        while next < events.len() {
            next = self.add_rows(events, &personal, next);
            self.add_commitments(events, &personal);
            self.add_leaves(events);
            for (row, leaf) in self.rows.iter().zip(self.leaves.digests()) {
                if let Some(place) = leaves.get_mut(row.number) {
                    *place = Some(LeafHash(*leaf));
                }
            }
        }
        leaves
    }

    /// Takes rows from `next` on, with the messages for their salts; gives the row behind them.
    fn add_rows(&mut self, events: &EventBatch, personal: &[Column], mut next: usize) -> usize {
        self.rows.clear();
        self.salts.clear();
        let mut bytes = 0;
        while next < events.len() && self.rows.len() < ROWS && bytes < BYTES {
            if let Some(mut row) = Row::read(events, next) {
                let mut pairs = 0;
                for &column in personal {
                    let Some((value, slot)) = events.text(next, column).zip(column.salt_slot())
                    else {
                        continue;
                    };
                    bytes += value.len();
                    pairs |= 1 << (slot / 2);
                }
                row.add_pairs(pairs, &mut self.salts);
                self.rows.push(row);
            }
            next += 1;
        }
        next
    }

    /// Adds the commitments of the rows. A row whose personal values cannot be proven is left out.
    fn add_commitments(&mut self, events: &EventBatch, personal: &[Column]) {
        self.commitments.clear();
        let pairs = self.salts.digests();
        let commitments = &mut self.commitments;
        self.rows.retain_mut(|row| {
            row.first_commitment = commitments.len();
            personal.iter().all(|&column| {
                let Some(value) = events.text(row.number, column) else { return true };
                if row.redacted(column).is_some() {
                    return false;
                }
                let Some(salt) = row.salt(column, pairs) else { return false };
                commitments.add(|bytes| {
                    bytes.extend_from_slice(&Commitment::head(column, salt));
                    bytes.extend_from_slice(value.as_bytes());
                });
                true
            })
        });
    }

    /// Adds the leaves of the rows.
    fn add_leaves(&mut self, events: &EventBatch) {
        self.leaves.clear();
        let commitments = self.commitments.digests();
        for row in &self.rows {
            let mut commitments = commitments.iter().skip(row.first_commitment);
            // A redacted column is null, perhaps in all rows.
            let columns = if row.redaction.is_some() { Column::ALL } else { events.present() };
            self.leaves.add(|bytes| {
                let mut core = Core::begin(bytes);
                for &column in columns.iter().filter(|column| column.is_in_core()) {
                    match events.value(row.number, column) {
                        Some(CoreValue::Int(value)) => core.int(column, value),
                        Some(CoreValue::Text(value)) if !column.is_personal() => {
                            core.plain(column, value.as_bytes());
                        }
                        Some(CoreValue::Text(_)) => {
                            let digest = commitments.next().expect("each personal value has one");
                            core.commitment(column, Commitment(*digest));
                        }
                        None => {
                            if let Some(commitment) = row.redacted(column) {
                                core.commitment(column, commitment);
                            }
                        }
                    }
                }
            });
        }
    }
}

impl Row {
    fn read(events: &EventBatch, number: usize) -> Option<Self> {
        let seq = events.seq(number)?;
        let salts = events.bytes(number, Column::Salt);
        let redaction = match events.text(number, Column::Redacted) {
            Some(redacted) => Some(Redaction::parse(redacted)?),
            None => None,
        };
        Some(Self {
            number,
            salts: salts.and_then(|salt| SaltColumn::parse(salt, seq)),
            redaction,
            pairs: 0,
            first_pair: 0,
            first_commitment: 0,
        })
    }

    /// Adds the messages for `pairs` of salts, if they derive from a seed.
    fn add_pairs(&mut self, pairs: u8, messages: &mut Messages) {
        self.first_pair = messages.len();
        for n in (0..8).filter(|n| pairs >> n & 1 == 1) {
            if let Some(message) = self.salts.as_ref().and_then(|salts| salts.pair_message(n)) {
                messages.add(|bytes| bytes.extend_from_slice(&message));
                self.pairs |= 1 << n;
            }
        }
    }

    /// The salt of a personal column, out of the digests of the messages for salts.
    fn salt(&mut self, column: Column, pairs: &[[u8; 32]]) -> Option<Salt> {
        let slot = column.salt_slot()?;
        let bit = 1 << (slot / 2);
        if self.pairs & bit == 0 {
            return self.salts.as_mut()?.salt(column);
        }
        let before = (self.pairs & (bit - 1)).count_ones();
        let pair = pairs.get(self.first_pair + usize::try_from(before).ok()?)?;
        Some(Salt::of_pair(pair, slot))
    }

    /// The commitment that stands for a value that was taken out.
    fn redacted(&self, column: Column) -> Option<Commitment> {
        self.redaction.as_ref()?.commitment(column)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Array, ArrayRef, BinaryArray, RecordBatch};
    use arrow::compute::concat;

    use super::LeafHasher;
    use crate::batch::{EventBatch, EventBatchBuilder, arrow_schema};
    use crate::clock::Micros;
    use crate::column::Column;
    use crate::core::{CoreWriter, LeafHash, Stamp, leaf_hash};
    use crate::id::{EventId, Position, Seq, TransactionNumber, WriterId};
    use crate::record::{Record, RecordBuilder};
    use crate::salt::{SaltColumn, Seed};

    /// Records of many shapes; one is longer than what is hashed together.
    fn record(number: u32) -> RecordBuilder {
        let mut builder = RecordBuilder::new();
        builder.text(Column::Action, "update").int(Column::OccurredAt, i64::from(number));
        let personal = Column::ALL.iter().filter(|column| column.is_personal());
        for (bit, &column) in personal.enumerate() {
            if number >> (bit % 9) & 1 == 1 {
                let len = if number == 77 { 40_000 } else { number as usize * 7 % 300 };
                builder.text(column, &"x".repeat(len));
            }
        }
        builder
    }

    fn stamp(number: u32) -> Stamp {
        Stamp {
            seq: Seq(u64::from(number)),
            id: EventId {
                writer: WriterId([3; 8]),
                transaction: TransactionNumber(number),
                position: Position(0),
            },
            committed_at: Micros(5),
            recorded_at: Micros(6),
            seed: Seed([u8::try_from(number / 256).unwrap(); 16]),
        }
    }

    /// A batch of so many rows, and the leaf hashes of their records.
    fn rows(count: u32) -> (RecordBatch, Vec<Option<LeafHash>>) {
        let mut batch = EventBatchBuilder::new();
        let mut core = CoreWriter::new();
        let leaves = (0..count).map(|number| {
            let builder = record(number);
            let record = Record::parse(builder.as_bytes()).unwrap();
            batch.append(&record, &stamp(number));
            Some(leaf_hash(&record, &stamp(number), &mut core))
        });
        let leaves = leaves.collect();
        (batch.finish(), leaves)
    }

    fn with_column(batch: &RecordBatch, column: Column, array: ArrayRef) -> EventBatch {
        let mut arrays = batch.columns().to_vec();
        arrays[column.index()] = array;
        EventBatch::try_new(&RecordBatch::try_new(arrow_schema(), arrays).unwrap()).unwrap()
    }

    #[test]
    fn many_rows_have_the_leaf_hashes_of_their_records() {
        let (batch, expected) = rows(600);
        let events = EventBatch::try_new(&batch).unwrap();
        let mut hasher = LeafHasher::new();
        assert_eq!(hasher.leaf_hashes(&events), expected);
        // What was kept in memory does not show.
        assert_eq!(hasher.leaf_hashes(&events), expected);
    }

    #[test]
    fn a_row_that_cannot_be_hashed_leaves_its_neighbours_alone() {
        let (batch, mut expected) = rows(200);
        let seqs = batch.column(Column::Seq.index());
        let null = arrow::array::new_null_array(seqs.data_type(), 1);
        let seqs = concat(&[&seqs.slice(0, 70), &null, &seqs.slice(71, 129)]).unwrap();
        expected[70] = None;
        let events = with_column(&batch, Column::Seq, seqs);
        assert_eq!(LeafHasher::new().leaf_hashes(&events), expected);
    }

    #[test]
    fn explicit_salts_stand_among_those_of_a_seed() {
        let (batch, mut expected) = rows(200);
        let salts = (0..200).map(|number| {
            let mut derived = SaltColumn::from_seed(stamp(number).seed, stamp(number).seq);
            let mut explicit = vec![2; 1 + 13 * 16];
            for &column in Column::ALL {
                if let Some((slot, salt)) = column.salt_slot().zip(derived.salt(column)) {
                    let start = 1 + usize::from(slot) * 16;
                    explicit[start..start + 16].copy_from_slice(&salt.0);
                }
            }
            match number % 3 {
                0 => explicit,
                1 => stamp(number).seed.to_column().to_vec(),
                _ => vec![9],
            }
        });
        let salts: Vec<Vec<u8>> = salts.collect();
        let salts = BinaryArray::from_iter_values(salts);
        for (number, leaf) in expected.iter_mut().enumerate() {
            // Without a personal value nothing needs the salt.
            if number % 3 == 2 && number % 512 != 0 {
                *leaf = None;
            }
        }
        let events = with_column(&batch, Column::Salt, Arc::new(salts));
        assert_eq!(LeafHasher::new().leaf_hashes(&events), expected);
    }
}
