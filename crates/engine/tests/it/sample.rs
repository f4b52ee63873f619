//! Trails with events, and what tests ask of them.

use std::path::PathBuf;
use std::sync::Arc;

use trailkeeper_engine::{
    BatchLimits, Micros, OpenOptions, RecordBuilder, Statement, Trail, TrailOptions, TransactionId,
    Verdict, VerifyReport,
};
use trailkeeper_spool::{RecordBuffer, Writer};
use trailkeeper_testkit::{ManualClock, invoice_record};

/// 2026-11-15T00:00:00Z.
pub(crate) const START: i64 = 1_794_700_800_000_000;

/// Folders of a trail, or a folder and a bucket, and a clock.
pub(crate) struct World {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) clock: Arc<ManualClock>,
    bucket: Option<(String, OpenOptions)>,
}

impl World {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(ManualClock::new(Micros(START)));
        Self { dir: tempfile::tempdir().unwrap(), clock, bucket: None }
    }

    /// With the store at `address`, reached by `options`.
    pub(crate) fn in_bucket(address: &str, options: OpenOptions) -> Self {
        Self { bucket: Some((address.to_owned(), options)), ..Self::new() }
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.dir.path().join("trail")
    }

    pub(crate) fn spool(&self) -> PathBuf {
        self.dir.path().join("spool")
    }

    pub(crate) fn options(&self) -> TrailOptions {
        self.store_options()
            .with_spool(self.spool())
            .with_source("django:shop")
            .with_clock(Arc::clone(&self.clock) as _)
    }

    pub(crate) fn trail(&self) -> Trail {
        Trail::open(self.options()).unwrap()
    }

    /// A trail over the store alone, as the command line opens it.
    pub(crate) fn reader(&self) -> Trail {
        Trail::open(self.store_options()).unwrap()
    }

    /// Where the store is.
    pub(crate) fn address(&self) -> String {
        match &self.bucket {
            None => self.store().to_str().unwrap().to_owned(),
            Some((address, _)) => address.clone(),
        }
    }

    fn store_options(&self) -> TrailOptions {
        let options = TrailOptions::new(self.address());
        match &self.bucket {
            None => options,
            Some((_, reached)) => options.with_store_options(reached.clone()),
        }
    }
}

/// Appends a committed transaction of `count` updates of invoices from `first` on.
pub(crate) fn write(writer: &mut Writer, first: u64, count: u64) -> TransactionId {
    let mut records = RecordBuffer::new();
    for number in first..first + count {
        let at = START + i64::try_from(number).unwrap();
        records.push(invoice_record(number, number + 1, at).as_bytes()).unwrap();
    }
    let transaction = writer.begin().unwrap();
    let at = START + i64::try_from(first).unwrap();
    writer.append_complete(transaction, at, &records).unwrap();
    transaction
}

pub(crate) fn push(writer: &mut Writer, record: &RecordBuilder) -> TransactionId {
    let mut records = RecordBuffer::new();
    records.push(record.as_bytes()).unwrap();
    let transaction = writer.begin().unwrap();
    writer.append_complete(transaction, START, &records).unwrap();
    transaction
}

/// Drains until nothing is left; gives the number of events.
pub(crate) fn drain(trail: &Trail) -> u64 {
    let mut drainer = trail.elect_drainer().unwrap().expect("nobody else drains");
    let mut events = 0;
    loop {
        let report = drainer.drain_once(BatchLimits::default()).unwrap();
        if report.is_idle() {
            return events;
        }
        events += report.events;
    }
}

/// The invoices the trail shows, in the order of their numbers: one entry for each event.
pub(crate) fn invoices(trail: &Trail) -> Vec<u64> {
    let sql = "SELECT object_id FROM events WHERE model = 'billing.invoice' ORDER BY CAST(object_id AS BIGINT)";
    let rows = trail.query(Statement::new(sql), &[]).unwrap();
    let texts = rows.batches.iter().flat_map(|batch| {
        use arrow::array::AsArray as _;
        batch
            .column(0)
            .as_string::<i32>()
            .iter()
            .flatten()
            .map(|text| text.parse().unwrap())
            .collect::<Vec<_>>()
    });
    texts.collect()
}

pub(crate) fn verify(trail: &Trail) -> VerifyReport {
    trail.verify(None, &mut |_| {}).unwrap()
}

pub(crate) fn assert_verified(trail: &Trail) {
    let report = verify(trail);
    assert_eq!(report.verdict, Verdict::Verified, "{report:#?}");
    assert_eq!(report.damaged_tiles, Vec::<String>::new());
    assert_eq!(report.events, report.table_size);
}
