//! Events as a stream: as many as there are, in bounded memory.

use std::sync::Arc;

use arrow::array::RecordBatch;
use trailkeeper_store::{Limits, Query, RowStream, Snapshot, Store};

use crate::error::Result;
use crate::filter::EventFilter;
use crate::read::Statement;
use crate::trail::Trail;

/// The events that match a filter, batch by batch.
///
/// First those in the store, in the order of their `seq`: the files of the table are read one
/// after the other, and those that cannot hold what is asked for are not opened. Then those that the
/// spool held when the stream was made.
pub(crate) struct EventStream {
    trail: Trail,
    store: Arc<Store>,
    snapshot: Arc<Snapshot>,
    statement: Statement,
    /// How many more events are wanted.
    left: usize,
    /// The next file of the snapshot; behind the last one come the pending rows.
    next: usize,
    pending: Vec<RecordBatch>,
    rows: Option<RowStream>,
}

impl Trail {
    /// The events that match `filter` up to its limit, whatever order it names.
    pub(crate) fn stream(&self, filter: &EventFilter) -> Result<EventStream> {
        let store = self.store()?;
        let (snapshot, pending) = self.consistent(&store)?;
        Ok(EventStream {
            trail: self.clone(),
            store,
            snapshot,
            statement: filter.matching(),
            left: filter.limit.unwrap_or(usize::MAX),
            next: 0,
            pending,
            rows: None,
        })
    }
}

impl EventStream {
    /// The next events, or `None` behind the last ones.
    pub(crate) fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        while self.left > 0 {
            if let Some(rows) = &mut self.rows
                && let Some(batch) = self.trail.wait(rows.next())??
            {
                let batch = batch.slice(0, batch.num_rows().min(self.left));
                self.left -= batch.num_rows();
                return Ok(Some(batch));
            }
            self.rows = self.open_next()?;
            if self.rows.is_none() {
                return Ok(None);
            }
        }
        Ok(None)
    }

    /// The rows of the next file, or the pending ones.
    fn open_next(&mut self) -> Result<Option<RowStream>> {
        let file = self.snapshot.files().get(self.next);
        let pending = match file {
            None if self.pending.is_empty() => return Ok(None),
            None => std::mem::take(&mut self.pending),
            Some(_) => Vec::new(),
        };
        self.next += 1;
        let Statement { mut sql, parameters, .. } = self.statement.clone();
        if file.is_some() {
            sql.push_str(" ORDER BY seq");
        }
        let query = Query { sql, parameters, pending, limits: Limits::default() };
        Ok(Some(self.trail.wait(self.store.query_stream(file, query))??))
    }
}
