//! Transactions whose outcome nobody wrote down.

use serde_json::{Value, json};
use trailkeeper_event::{Column, Record};
use trailkeeper_spool::{BatchLimits, Doubt, Resolution as SpoolResolution, TransactionId};
use trailkeeper_store::{Parameter, Query};

use crate::drain::Drainer;
use crate::error::Result;
use crate::event::record_to_json;
use crate::system::{Subject, SystemEvent};

/// The model under which transactions in doubt are recorded.
const TRANSACTION_MODEL: &str = "trailkeeper.transaction";
/// The action under which transactions in doubt are recorded.
const IN_DOUBT: &str = "transaction.in_doubt";
/// How much of a transaction one event tells.
const PART: BatchLimits = BatchLimits { max_records: 1000, max_bytes: 4 << 20 };

/// A transaction of which the spool does not know whether it was committed.
#[derive(Clone, Debug)]
pub struct InDoubtTransaction {
    /// Which one.
    pub transaction: TransactionId,
    /// Why its outcome is not known.
    pub doubt: Doubt,
    /// What its writer left with it before the COMMIT, such as the database's number of the
    /// transaction.
    pub note: Option<Vec<u8>>,
    /// The records of its events, as far as they fit into one part.
    pub records: Vec<Vec<u8>>,
    /// How many events it has in all.
    pub record_count: u32,
}

/// What became of a transaction that was in doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// It was committed, at this time in microseconds since 1970: its events are drained.
    Committed { committed_at: i64 },
    /// It was rolled back: its events are dropped.
    Aborted,
    /// Nobody can tell: its events are kept in a system event, and not asserted.
    Unknown,
}

impl Drainer {
    /// The transactions in doubt. Ask the database about each, then [`Drainer::resolve`] it.
    ///
    /// # Errors
    ///
    /// If the spool does not read.
    pub fn in_doubt(&mut self) -> Result<Vec<InDoubtTransaction>> {
        self.consumer.poll()?;
        let mut list = Vec::new();
        for found in self.consumer.in_doubt()? {
            let records = if found.record_count == 0 {
                Vec::new()
            } else {
                let part = self.consumer.in_doubt_records(found.transaction, 0, PART)?;
                part.records().map(<[u8]>::to_vec).collect()
            };
            list.push(InDoubtTransaction {
                transaction: found.transaction,
                doubt: found.doubt,
                note: found.note,
                records,
                record_count: found.record_count,
            });
        }
        Ok(list)
    }

    /// Settles a transaction in doubt.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`](crate::ErrorKind) if it is not in doubt, and as
    /// [`Drainer::drain_once`] for [`Resolution::Unknown`], which writes to the store at once.
    pub fn resolve(&mut self, transaction: TransactionId, resolution: Resolution) -> Result<()> {
        let settled = match resolution {
            Resolution::Committed { committed_at } => SpoolResolution::Committed { committed_at },
            Resolution::Aborted => SpoolResolution::Aborted,
            Resolution::Unknown => {
                self.record_unknown(transaction)?;
                SpoolResolution::Aborted
            }
        };
        Ok(self.consumer.resolve(transaction, settled)?)
    }

    /// Records the events of a transaction as data of system events, unless an earlier attempt has.
    fn record_unknown(&mut self, transaction: TransactionId) -> Result<()> {
        let object_id = transaction.to_string();
        if self.is_recorded(&object_id)? {
            return Ok(());
        }
        let list = self.consumer.in_doubt()?;
        let found = list.iter().find(|found| found.transaction == transaction);
        let found = found.ok_or(trailkeeper_spool::SpoolError::NotInDoubt(transaction))?;
        let (count, doubt) = (found.record_count, found.doubt);
        let mut events: Vec<SystemEvent> = Vec::new();
        let mut next = 0;
        while next < count || events.is_empty() {
            let records: Vec<Value> = if count == 0 {
                Vec::new()
            } else {
                let part = self.consumer.in_doubt_records(transaction, next, PART)?;
                next = part.next_position;
                part.records().map(record_value).collect()
            };
            let data = json!({
                "writer": transaction.writer.to_string(),
                "transaction_number": transaction.number,
                "doubt": format!("{doubt:?}"),
                "part": events.len(),
                "records": records,
            });
            let subject =
                Subject { action: IN_DOUBT, model: TRANSACTION_MODEL, object_id: &object_id };
            let now = self.trail.options().clock.now();
            events.push(self.system.event(&subject, &data, now));
        }
        self.record(&events)
    }

    fn is_recorded(&self, object_id: &str) -> Result<bool> {
        let store = self.trail.store()?;
        let snapshot = self.trail.wait(store.snapshot())??;
        let query = Query {
            sql: "SELECT seq FROM events WHERE object_key = $1 AND action = $2 LIMIT 1".to_owned(),
            parameters: vec![
                Parameter::Text(format!("{TRANSACTION_MODEL}/{object_id}")),
                Parameter::Text(IN_DOUBT.to_owned()),
            ],
            ..Query::default()
        };
        let rows = self.trail.wait(store.query(&snapshot, query))??;
        Ok(rows.batches.iter().any(|batch| batch.num_rows() > 0))
    }
}

/// A record as a JSON object; what does not read is told as such.
fn record_value(bytes: &[u8]) -> Value {
    match Record::parse(bytes) {
        Ok(record) => record_to_json(&record),
        Err(error) => {
            json!({Column::Action.name(): "record.unreadable", "error": error.to_string()})
        }
    }
}
