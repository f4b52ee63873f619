//! The rows of a query, batch by batch.

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::execution::SendableRecordBatchStream;
use futures::TryStreamExt as _;

use crate::error::{Result, StoreError};
use crate::query::output;

/// The rows of a query as they are found.
///
/// They have the types of [`Rows`](crate::Rows).
pub struct RowStream {
    batches: SendableRecordBatchStream,
    schema: SchemaRef,
    /// Where the store is, for errors.
    location: String,
    limit: Option<usize>,
    rows: usize,
}

impl fmt::Debug for RowStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowStream").field("rows", &self.rows).finish_non_exhaustive()
    }
}

impl RowStream {
    pub(super) fn new(
        batches: SendableRecordBatchStream,
        location: String,
        limit: Option<usize>,
    ) -> Self {
        let schema = output::plain_schema(&batches.schema());
        Self { batches, schema, location, limit, rows: 0 }
    }

    /// The names and types of the columns.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// The next rows, or `None` behind the last ones.
    ///
    /// # Errors
    ///
    /// [`StoreError::TooManyRows`] and [`StoreError::Resources`] beyond the limits of the query,
    /// [`StoreError::Corrupt`] if a file does not read.
    pub async fn next(&mut self) -> Result<Option<RecordBatch>> {
        let next = self.batches.try_next().await;
        let Some(batch) = next.map_err(|error| StoreError::query(&self.location, error))? else {
            return Ok(None);
        };
        self.rows += batch.num_rows();
        if let Some(limit) = self.limit.filter(|limit| self.rows > *limit) {
            return Err(StoreError::TooManyRows { limit });
        }
        output::to_plain(&batch, &self.schema).map(Some)
    }
}
