//! Events as a Parquet file of their own, outside of the table.

use std::io::Write;

use arrow::array::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use trailkeeper_event::arrow_schema;

use crate::error::{Result, StoreError};

/// A row group ends at so many rows or bytes, whichever comes first: it is in memory until then.
const GROUP_ROWS: usize = 1 << 17;
const GROUP_BYTES: usize = 64 << 20;

/// A Parquet file with the columns of the table, for any reader of Parquet.
pub struct EventFile<W: Write + Send> {
    writer: ArrowWriter<W>,
}

impl<W: Write + Send> EventFile<W> {
    /// Begins a file in `out`.
    ///
    /// # Errors
    ///
    /// [`StoreError::Output`] if it cannot be written.
    pub fn new(out: W) -> Result<Self> {
        let properties = WriterProperties::builder()
            .set_created_by(concat!("trailkeeper ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .set_max_row_group_bytes(Some(GROUP_BYTES))
            .build();
        let writer = ArrowWriter::try_new(out, arrow_schema(), Some(properties));
        Ok(Self { writer: writer.map_err(failed)? })
    }

    /// Appends events: a batch that has the columns of the table, in any order and among others.
    ///
    /// # Errors
    ///
    /// [`StoreError::Output`] if they cannot be written.
    pub fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        let schema = arrow_schema();
        let columns = schema.fields().iter().map(|field| {
            batch.column_by_name(field.name()).cloned().ok_or_else(|| {
                StoreError::internal(format!("a batch has no column {}", field.name()))
            })
        });
        let rows = RecordBatch::try_new(schema.clone(), columns.collect::<Result<_>>()?)?;
        self.writer.write(&rows).map_err(failed)
    }

    /// Ends the file, and gives back where it was written.
    ///
    /// # Errors
    ///
    /// [`StoreError::Output`] if it cannot be written.
    pub fn finish(self) -> Result<W> {
        self.writer.into_inner().map_err(failed)
    }
}

fn failed(error: ParquetError) -> StoreError {
    match error {
        ParquetError::External(source) => match source.downcast() {
            Ok(source) => StoreError::Output(*source),
            Err(source) => StoreError::internal(source),
        },
        other => StoreError::internal(other),
    }
}
