//! Reading: the table, the spool and open transactions as one.

use std::sync::Arc;

use arrow::array::RecordBatch;
use trailkeeper_event::{
    Column, EventBatchBuilder, EventId, Micros, Position, Record, TransactionNumber, WriterId,
};
use trailkeeper_spool::{BatchLimits, Spool, TransactionId};
use trailkeeper_store::{Limits, Parameter, Query, Rows, Snapshot, Store};

use crate::error::{Error, Result};
use crate::event::AuditEvent;
use crate::system::unreadable_record;
use crate::trail::Trail;

/// So often is the spool read again when the table has overtaken it.
const ATTEMPTS: usize = 100;

/// The events of a transaction that is not committed, for its own connection to see.
#[derive(Clone, Debug)]
pub struct OpenTransaction {
    /// Which one.
    pub transaction: TransactionId,
    /// Its records, in order.
    pub records: Vec<Vec<u8>>,
}

/// A statement and what it is asked with.
#[derive(Clone, Debug, Default)]
pub struct Statement {
    /// One `SELECT` in the PostgreSQL dialect, over the table `events`.
    pub sql: String,
    /// The values of its placeholders `$1`, `$2`, ...
    pub parameters: Vec<Parameter>,
    /// What it may use.
    pub limits: Limits,
}

impl Statement {
    /// A statement without placeholders.
    #[must_use]
    pub fn new(sql: impl Into<String>) -> Self {
        Self { sql: sql.into(), ..Self::default() }
    }
}

impl Trail {
    /// Answers a query over all events: those in the store, those in the spool, and those of `open`
    /// transactions. None is seen twice.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`](crate::ErrorKind) if the statement is not a query over `events`.
    pub fn query(&self, statement: Statement, open: &[OpenTransaction]) -> Result<Rows> {
        let store = self.store()?;
        let (snapshot, mut pending) = self.consistent(&store)?;
        pending.extend(open_rows(open));
        let Statement { sql, parameters, limits } = statement;
        let query = Query { sql, parameters, pending, limits };
        Ok(self.wait(store.query(&snapshot, query))??)
    }

    /// All events of one object, the oldest first.
    ///
    /// # Errors
    ///
    /// As [`Trail::query`].
    pub fn history(&self, model: &str, object_id: &str) -> Result<Vec<AuditEvent>> {
        let statement = Statement {
            sql: "SELECT * FROM events WHERE object_key = $1 ORDER BY occurred_at, position, seq"
                .to_owned(),
            parameters: vec![Parameter::Text(format!("{model}/{object_id}"))],
            ..Statement::default()
        };
        AuditEvent::from_rows(&self.query(statement, &[])?.batches)
    }

    /// A snapshot of the table, and the events of the spool that are not in it.
    ///
    /// The spool is read first: what it shows is then in the table, in the batch on its way there,
    /// or in neither.
    pub(crate) fn consistent(&self, store: &Store) -> Result<(Arc<Snapshot>, Vec<RecordBatch>)> {
        let Some(spool) = self.spool() else {
            return Ok((self.wait(store.snapshot())??, Vec::new()));
        };
        for _ in 0..ATTEMPTS {
            if let Some(found) = self.try_consistent(store, spool)? {
                return Ok(found);
            }
        }
        Err(Error::Contended { attempts: ATTEMPTS })
    }

    fn try_consistent(
        &self,
        store: &Store,
        spool: &Spool,
    ) -> Result<Option<(Arc<Snapshot>, Vec<RecordBatch>)>> {
        let mut view = spool.view()?;
        let snapshot = self.wait(store.snapshot())??;
        let in_table = self.wait(store.batch_of(&snapshot, &spool.id().to_string()))??;
        let in_table = in_table.map_or(0, |number| number.0);
        let covers_begun = match view.begun() {
            Some(begun) if in_table == begun.0 => true,
            _ if in_table == view.finished().0 => false,
            // A spool that knows of batches the table lacks belongs to another table: all it holds
            // is pending.
            _ if in_table < view.finished().0 => false,
            _ => return Ok(None),
        };
        let mut rows = PendingRows::default();
        for transaction in view.transactions().to_vec() {
            let first = if covers_begun {
                transaction.covered_until.max(transaction.first_position)
            } else {
                transaction.first_position
            };
            let mut next = first;
            while next < transaction.record_count {
                let part = view.records(&transaction, next, BatchLimits::default())?;
                let at = Times {
                    committed_at: Some(Micros(transaction.committed_at)),
                    is_at_once: transaction.is_at_once,
                };
                for (position, record) in (next..).zip(part.records()) {
                    rows.push(transaction.id, position, record, at);
                }
                next = part.next_position;
            }
        }
        Ok(Some((snapshot, rows.finish())))
    }
}

/// The rows of `open` transactions: their `committed_at` is null.
fn open_rows(open: &[OpenTransaction]) -> Vec<RecordBatch> {
    let mut rows = PendingRows::default();
    for transaction in open {
        for (position, record) in (0..).zip(&transaction.records) {
            rows.push(transaction.transaction, position, record, Times::default());
        }
    }
    rows.finish()
}

/// When the records of a transaction were committed, and whether that is also when they happened.
#[derive(Clone, Copy, Default)]
struct Times {
    committed_at: Option<Micros>,
    is_at_once: bool,
}

#[derive(Default)]
struct PendingRows {
    builder: EventBatchBuilder,
    batches: Vec<RecordBatch>,
}

impl PendingRows {
    fn push(&mut self, id: TransactionId, position: u32, bytes: &[u8], times: Times) {
        const ROWS: usize = 8192;
        let id = EventId {
            writer: WriterId(id.writer.0),
            transaction: TransactionNumber(id.number),
            position: Position(position),
        };
        let at = times.committed_at;
        match Record::parse(bytes) {
            Ok(mut record) => {
                let time = at.unwrap_or_default().0.to_be_bytes();
                if times.is_at_once {
                    record.set_time(Column::OccurredAt, &time);
                }
                self.builder.append_pending(&record, id, at);
            }
            Err(error) => {
                let stand_in = unreadable_record(bytes, &error, at.unwrap_or_default());
                let record = Record::parse(stand_in.as_bytes());
                let record = record.expect("what was just built reads");
                self.builder.append_pending(&record, id, at);
            }
        }
        if self.builder.len() >= ROWS {
            self.batches.push(self.builder.finish());
        }
    }

    fn finish(mut self) -> Vec<RecordBatch> {
        if !self.builder.is_empty() {
            self.batches.push(self.builder.finish());
        }
        self.batches
    }
}

/// The name of a column, for SQL.
pub(crate) fn quoted(column: Column) -> String {
    format!("\"{}\"", column.name())
}
