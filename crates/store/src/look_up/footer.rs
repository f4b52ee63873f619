//! What is known of a file before a row of it is read: kept in memory, for files never change.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use parquet::arrow::ParquetRecordBatchStreamBuilder;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::bloom_filter::Sbbf;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use trailkeeper_event::{Column, arrow_schema};

use crate::error::{Result, StoreError};
use crate::file::DataFile;

/// So many bytes of footers are kept. That of 100,000 events takes some 300 KB.
const KEPT_BYTES: usize = 64 << 20;

/// So much of a file's end is read at first: its footer and page index in most files.
const END_BYTES: usize = 128 << 10;

/// The metadata of a file, and the bloom filters of its `object_key`, one for each row group.
pub(super) struct Footer {
    pub(super) metadata: ArrowReaderMetadata,
    pub(super) key_blooms: Vec<Option<Sbbf>>,
    /// Which of the file's columns is `object_key`; none if there is none.
    pub(super) key_column: Option<usize>,
}

impl Footer {
    fn size(&self) -> usize {
        let blooms = self.key_blooms.iter().flatten().map(|bloom| bloom.num_blocks() * 32);
        self.metadata.metadata().memory_size() + blooms.sum::<usize>()
    }
}

/// Footers of files that were looked into.
#[derive(Default)]
pub(crate) struct Footers {
    kept: Mutex<Kept>,
}

impl fmt::Debug for Footers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Footers").finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Kept {
    by_path: HashMap<String, Entry>,
    bytes: usize,
    uses: u64,
}

struct Entry {
    footer: Arc<Footer>,
    bytes: usize,
    last_use: u64,
}

impl Footers {
    /// The footer of `file`.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if it does not read, and others as the storage has it.
    pub(super) async fn of(
        &self,
        objects: &Arc<dyn ObjectStore>,
        file: &DataFile,
    ) -> Result<Arc<Footer>> {
        if let Some(footer) = self.known(&file.path) {
            return Ok(footer);
        }
        let footer = read(FileReader::new(objects, file)).await;
        let footer = Arc::new(footer.map_err(|error| StoreError::parquet(&file.path, error))?);
        self.keep(&file.path, Arc::clone(&footer));
        Ok(footer)
    }

    fn known(&self, path: &str) -> Option<Arc<Footer>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.uses += 1;
        let now = kept.uses;
        let entry = kept.by_path.get_mut(path)?;
        entry.last_use = now;
        Some(Arc::clone(&entry.footer))
    }

    /// Keeps a footer, and lets go of those that were not used for the longest time.
    fn keep(&self, path: &str, footer: Arc<Footer>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = Entry { bytes: footer.size(), last_use: kept.uses, footer };
        kept.bytes += entry.bytes;
        if let Some(before) = kept.by_path.insert(path.to_owned(), entry) {
            kept.bytes -= before.bytes;
        }
        while kept.bytes > KEPT_BYTES && kept.by_path.len() > 1 {
            let oldest = kept.by_path.iter().min_by_key(|(_, entry)| entry.last_use);
            let Some(path) = oldest.map(|(path, _)| path.clone()) else { break };
            if let Some(gone) = kept.by_path.remove(&path) {
                kept.bytes -= gone.bytes;
            }
        }
    }
}

async fn read(mut reader: FileReader) -> ParquetResult<Footer> {
    let options = ArrowReaderOptions::new()
        .with_skip_arrow_metadata(true)
        .with_schema(arrow_schema())
        .with_page_index_policy(PageIndexPolicy::Optional);
    let metadata = ArrowReaderMetadata::load_async(&mut reader, options).await?;
    let columns = metadata.parquet_schema().columns();
    let key_column = columns.iter().position(|column| column.name() == Column::ObjectKey.name());
    let groups = metadata.metadata().num_row_groups();
    let mut key_blooms = Vec::with_capacity(groups);
    if let Some(column) = key_column {
        let mut builder =
            ParquetRecordBatchStreamBuilder::new_with_metadata(reader, metadata.clone());
        for group in 0..groups {
            key_blooms.push(builder.get_row_group_column_bloom_filter(group, column).await?);
        }
    }
    Ok(Footer { metadata, key_blooms, key_column })
}

/// Reads parts of one file.
pub(super) struct FileReader {
    objects: Arc<dyn ObjectStore>,
    path: Path,
    size: u64,
}

impl FileReader {
    pub(super) fn new(objects: &Arc<dyn ObjectStore>, file: &DataFile) -> Self {
        let path = Path::from(file.path.as_str());
        Self { objects: Arc::clone(objects), path, size: file.size }
    }
}

impl AsyncFileReader for FileReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, ParquetResult<Bytes>> {
        async move { self.objects.get_range(&self.path, range).await.map_err(external) }.boxed()
    }

    fn get_byte_ranges(
        &mut self,
        ranges: Vec<Range<u64>>,
    ) -> BoxFuture<'_, ParquetResult<Vec<Bytes>>> {
        async move { self.objects.get_ranges(&self.path, &ranges).await.map_err(external) }.boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, ParquetResult<Arc<ParquetMetaData>>> {
        async move {
            let size = self.size;
            let reader = ParquetMetaDataReader::new()
                .with_page_index_policy(PageIndexPolicy::Optional)
                .with_prefetch_hint(Some(END_BYTES));
            Ok(Arc::new(reader.load_and_finish(self, size).await?))
        }
        .boxed()
    }
}

fn external(error: object_store::Error) -> ParquetError {
    ParquetError::External(Box::new(error))
}
