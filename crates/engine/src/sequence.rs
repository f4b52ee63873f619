//! The sequencer: gives events their place in the trail.

use arrow::array::RecordBatch;
use trailkeeper_event::{
    Column, CoreWriter, EventBatchBuilder, EventId, Micros, Position, Record, RecordBuilder, Seed,
    Seq, Stamp, TransactionNumber, WriterId, leaf_hash,
};
use trailkeeper_merkle::{Hash, TreeSize};
use trailkeeper_spool::Batch;

use crate::key::random;
use crate::system::{SystemEvent, unreadable_record};

/// How many events share one seed, from which their salts derive.
const SEED_RUN: u64 = 256;
/// How many events one record batch has at most: those of a row group.
const BATCH_ROWS: usize = 16_384;

/// Events with their place: rows, and leaves of the tree.
pub(crate) struct Sequenced {
    pub(crate) batches: Vec<RecordBatch>,
    pub(crate) leaves: Vec<Hash>,
}

struct Sequencer {
    start: u64,
    recorded_at: Micros,
    seed: Seed,
    builder: EventBatchBuilder,
    core: CoreWriter,
    done: Sequenced,
}

/// Sequences the transactions of a batch, and the system events behind them, for a tree of `size`.
pub(crate) fn sequence(
    batch: &Batch,
    system: &[SystemEvent],
    size: TreeSize,
    recorded_at: Micros,
) -> Sequenced {
    let mut sequencer = Sequencer {
        start: size.get(),
        recorded_at,
        seed: Seed([0; 16]),
        builder: EventBatchBuilder::new(),
        core: CoreWriter::new(),
        done: Sequenced { batches: Vec::new(), leaves: Vec::with_capacity(batch.record_count()) },
    };
    for transaction in batch.transactions() {
        let committed_at = Micros(transaction.committed_at);
        let occurred_at = transaction.is_at_once.then_some(committed_at);
        for (position, record) in (transaction.first_position..).zip(transaction.records()) {
            let id = EventId {
                writer: WriterId(transaction.id.writer.0),
                transaction: TransactionNumber(transaction.id.number),
                position: Position(position),
            };
            sequencer.push(record, id, committed_at, occurred_at);
        }
    }
    for event in system {
        sequencer.push(event.record.as_bytes(), event.id, event.at, None);
    }
    sequencer.finish()
}

impl Sequencer {
    /// Adds a record; `occurred_at` takes the place of the time that it has itself.
    fn push(
        &mut self,
        bytes: &[u8],
        id: EventId,
        committed_at: Micros,
        occurred_at: Option<Micros>,
    ) {
        let replacement: RecordBuilder;
        let time = occurred_at.map(|at| at.0.to_be_bytes());
        let mut record = match Record::parse(bytes) {
            Ok(record) => record,
            Err(error) => {
                replacement = unreadable_record(bytes, &error, committed_at);
                Record::parse(replacement.as_bytes()).expect("what was just built reads")
            }
        };
        if let Some(time) = &time {
            record.set_time(Column::OccurredAt, time);
        }
        let count = u64::try_from(self.done.leaves.len()).unwrap_or(u64::MAX);
        if count.is_multiple_of(SEED_RUN) {
            self.seed = Seed(random());
        }
        let stamp = Stamp {
            seq: Seq(self.start + count),
            id,
            committed_at,
            recorded_at: self.recorded_at,
            seed: self.seed,
        };
        self.done.leaves.push(Hash::from(leaf_hash(&record, &stamp, &mut self.core).0));
        self.builder.append(&record, &stamp);
        if self.builder.len() >= BATCH_ROWS {
            self.done.batches.push(self.builder.finish());
        }
    }

    fn finish(mut self) -> Sequenced {
        if !self.builder.is_empty() {
            self.done.batches.push(self.builder.finish());
        }
        self.done
    }
}
