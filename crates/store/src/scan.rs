//! Reading files of events as they are, for verification.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Fields, Schema, SchemaRef};
use bytes::Bytes;
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder,
};
use trailkeeper_event::Column;

use crate::error::{Result, StoreError};
use crate::file::DataFile;
use crate::foreign::guarded;
use crate::store::Store;

/// How many rows a batch of a scan has at most: few enough that what is decoded is still in the
/// processor's cache when it is hashed.
const BATCH_ROWS: usize = 1024;

/// The bytes of one file of events, and the batches in it.
///
/// A scan is synchronous: decoding is CPU work, and belongs on a thread of its own.
pub struct FileScan {
    path: String,
    reader: ParquetRecordBatchReader,
    row: u64,
}

impl Store {
    /// Reads a whole file of events. `None` if it is gone.
    ///
    /// # Errors
    ///
    /// If the storage does not read.
    pub async fn read_file(&self, file: &DataFile) -> Result<Option<Bytes>> {
        let location = self.location();
        match self.objects.get(&Path::from(file.path.as_str())).await {
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            found => {
                let found = found.map_err(|error| StoreError::storage(&location, error))?;
                let bytes = found.bytes().await;
                bytes.map(Some).map_err(|error| StoreError::storage(&location, error))
            }
        }
    }
}

impl FileScan {
    /// Starts reading `columns` of the file's bytes, in the order of its rows.
    ///
    /// The types are those of the Parquet file itself, whatever other schema its metadata claims.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if the bytes are not a Parquet file.
    pub fn new(file: &DataFile, bytes: Bytes, columns: &[Column]) -> Result<Self> {
        let damaged = |error| StoreError::file(&file.path, Box::new(error));
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let found = ArrowReaderMetadata::load(&bytes, options).map_err(damaged)?;
        let options = ArrowReaderOptions::new().with_schema(with_views(found.schema()));
        let metadata = ArrowReaderMetadata::try_new(Arc::clone(found.metadata()), options);
        let builder =
            ParquetRecordBatchReaderBuilder::new_with_metadata(bytes, metadata.map_err(damaged)?);
        let names = columns.iter().map(|column| column.name());
        let mask = ProjectionMask::columns(builder.parquet_schema(), names);
        let reader = builder.with_projection(mask).with_batch_size(BATCH_ROWS).build();
        Ok(Self { path: file.path.clone(), reader: reader.map_err(damaged)?, row: 0 })
    }
}

/// The schema with text as views into the pages, which are not copied.
fn with_views(schema: &Schema) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| match field.data_type() {
        DataType::Utf8 => Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8View)),
        _ => Arc::clone(field),
    });
    Arc::new(Schema::new(fields.collect::<Fields>()))
}

impl Iterator for FileScan {
    type Item = Result<(Range<u64>, RecordBatch)>;

    /// The next rows and their numbers in the file, from 0.
    fn next(&mut self) -> Option<Self::Item> {
        let batch = match guarded(|| self.reader.next()) {
            Ok(None) => return None,
            Ok(Some(Ok(batch))) => batch,
            Ok(Some(Err(error))) => return Some(Err(StoreError::file(&self.path, error))),
            Err(error) => return Some(Err(StoreError::file(&self.path, error))),
        };
        let start = self.row;
        self.row += u64::try_from(batch.num_rows()).unwrap_or(0);
        Some(Ok((start..self.row, batch)))
    }
}
