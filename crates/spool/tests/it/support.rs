use std::fs;
use std::path::{Path, PathBuf};

use trailkeeper_spool::{
    Batch, BatchLimits, Consumer, Options, RecordBuffer, Spool, TransactionId, Writer,
};

pub(crate) const SMALL: Options = Options { disk_limit: 1 << 30, segment_size: 600 };

/// A spool in a folder of its own.
pub(crate) struct Place {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) spool: Spool,
}

pub(crate) fn place(options: Options) -> Place {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(&dir.path().join("spool"), options).unwrap();
    Place { dir, spool }
}

impl Place {
    pub(crate) fn root(&self) -> PathBuf {
        self.dir.path().join("spool")
    }

    pub(crate) fn consumer(&self) -> Consumer {
        self.spool.elect_consumer().unwrap().expect("nobody else consumes")
    }
}

pub(crate) fn buffer<T: AsRef<[u8]>>(records: impl IntoIterator<Item = T>) -> RecordBuffer {
    let mut buffer = RecordBuffer::new();
    records.into_iter().for_each(|record| buffer.push(record.as_ref()).unwrap());
    buffer
}

pub(crate) fn complete(writer: &mut Writer, at: i64, records: &[&str]) -> TransactionId {
    let id = writer.begin().unwrap();
    writer.append_complete(id, at, &buffer(records)).unwrap();
    id
}

pub(crate) fn sealed(writer: &mut Writer, records: &[&str]) -> TransactionId {
    let id = writer.begin().unwrap();
    writer.prepare(id, 0, &buffer(records), Some(b"note")).unwrap();
    id
}

/// Each transaction of a batch: its id and its records as text.
pub(crate) fn contents(batch: &Batch) -> Vec<(TransactionId, Vec<String>)> {
    let text = |record: &[u8]| String::from_utf8(record.to_vec()).unwrap();
    batch.transactions().map(|t| (t.id, t.records().map(text).collect())).collect()
}

/// Polls, and finishes one batch of everything.
pub(crate) fn drain(consumer: &mut Consumer) -> Vec<(TransactionId, Vec<String>)> {
    consumer.poll().unwrap();
    let batch = consumer.ready(BatchLimits::default()).unwrap();
    let number = consumer.last_batch().next();
    consumer.begin_batch(number, &batch).unwrap();
    consumer.finish_batch(number).unwrap();
    contents(&batch)
}

pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

pub(crate) fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for path in files(from) {
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() { copy_folder(&path, &target) } else { drop(fs::copy(&path, target)) }
    }
}
