//! Events and stores for the tests.

use std::sync::LazyLock;

use arrow::array::RecordBatch;
use tokio::runtime::Runtime;
use trailkeeper_event::{
    Column, EventBatchBuilder, EventId, Micros, Position, Record, RecordBuilder, Seed, Seq, Stamp,
    TransactionNumber, WriterId,
};
use trailkeeper_store::{BatchNumber, Commit, EventCount, OpenOptions, Store, TreeRoot};

/// 2026-11-15T00:00:00Z.
pub(crate) const START: i64 = 1_794_700_800_000_000;

/// Runs a future on the runtime all tests share.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
    });
    RUNTIME.block_on(future)
}

pub(crate) fn folder(dir: &tempfile::TempDir) -> String {
    dir.path().join("trail").to_str().unwrap().to_owned()
}

pub(crate) fn create(dir: &tempfile::TempDir) -> Store {
    run(Store::create(&folder(dir), OpenOptions::new())).unwrap()
}

/// `count` events from `first` on, of 1,000 objects, recorded at `recorded_at`.
pub(crate) fn events(first: u64, count: u64, recorded_at: i64) -> RecordBatch {
    let mut batch = EventBatchBuilder::new();
    let mut builder = RecordBuilder::new();
    for seq in first..first + count {
        let object = (seq * 7919) % 1000;
        builder.clear();
        builder
            .text(Column::Kind, "change")
            .text(Column::Action, "update")
            .text(Column::Tenant, if seq % 2 == 0 { "acme" } else { "globex" })
            .text(Column::Model, "billing.invoice")
            .text(Column::ObjectId, &object.to_string())
            .text(Column::After, &format!("{{\"number\":{seq},\"total\":\"12.50\"}}"))
            .int(Column::OccurredAt, START + i64::try_from(seq).unwrap());
        let stamp = Stamp {
            seq: Seq(seq),
            id: EventId {
                writer: WriterId([7; 8]),
                transaction: TransactionNumber(u32::try_from(seq / 3).unwrap()),
                position: Position(u32::try_from(seq % 3).unwrap()),
            },
            committed_at: Micros(START + i64::try_from(seq).unwrap()),
            recorded_at: Micros(recorded_at),
            seed: Seed([1; 16]),
        };
        batch.append(&Record::parse(builder.as_bytes()).unwrap(), &stamp);
    }
    batch.finish()
}

pub(crate) fn commit(spool: &str, batch: u64, before: u64, after: u64) -> Commit {
    Commit {
        spool: spool.to_owned(),
        batch: BatchNumber(batch),
        size_before: EventCount(before),
        size_after: EventCount(after),
        root: TreeRoot([9; 32]),
    }
}
