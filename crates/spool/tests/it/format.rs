//! Files of the released versions: written once, read for ever.

use std::path::{Path, PathBuf};

use crate::support::*;
use trailkeeper_spool::{
    BatchLimits, BatchNumber, Doubt, Options, Resolution, Spool, TransactionId, WriterId,
};

fn vector(version: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/spool").join(version)
}

/// One dead writer with a frame of each kind, a drained transaction, a begun batch with its first
/// records, a resolution.
#[test]
fn version_1_still_reads() {
    let copy = tempfile::tempdir().unwrap();
    copy_folder(&vector("v1"), copy.path());
    let spool = Spool::open(copy.path(), Options::default()).unwrap();
    assert_eq!(spool.id().to_string(), "66ca359b982ac905866cd42cdf72bb5a");
    let writer: WriterId = "2a97734b57c3ceab".parse().unwrap();
    let id = |number| TransactionId { writer, number };

    let view = spool.view().unwrap();
    assert_eq!((view.finished(), view.begun()), (BatchNumber(1), Some(BatchNumber(2))));
    let seen: Vec<_> = view.transactions().iter().map(|t| (t.id.number, t.covered_until)).collect();
    assert_eq!(seen, [(1, 1), (2, 0), (4, 0)]);

    let mut consumer = spool.elect_consumer().unwrap().unwrap();
    consumer.finish_batch(BatchNumber(2)).unwrap();
    consumer.poll().unwrap();
    let batch = consumer.ready(BatchLimits::default()).unwrap();
    let text = |records: &[&str]| records.iter().map(|r| (*r).to_owned()).collect::<Vec<_>>();
    assert_eq!(
        contents(&batch),
        [
            (id(1), text(&["spilled 1", "spilled 2"])),
            (id(2), text(&["stored"])),
            (id(4), text(&["uncertain"])),
        ]
    );
    let at: Vec<_> = batch.transactions().map(|t| (t.committed_at, t.first_position)).collect();
    assert_eq!(at, [(1_700_000_000_000_001, 1), (-2, 0), (4, 0)]);
    let doubts = consumer.in_doubt().unwrap();
    assert_eq!(doubts.len(), 1);
    assert_eq!((doubts[0].transaction, doubts[0].doubt), (id(5), Doubt::WriterDied));
    assert_eq!(doubts[0].note.as_deref(), Some(&b"default xid 5"[..]));
    consumer.resolve(id(5), Resolution::Aborted).unwrap();
}
