//! What is known of a file before a row of it is read: kept in memory, for files never change.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::arrow::{
    FieldLevels, ParquetRecordBatchStreamBuilder, ProjectionMask, parquet_to_arrow_field_levels,
};
use parquet::bloom_filter::Sbbf;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use trailkeeper_event::{Column, arrow_schema};

use crate::error::{Result, StoreError};
use crate::file::DataFile;
use crate::store::Store;

/// So many bytes of footers are kept. That of 100,000 events takes some 300 KB.
const KEPT_BYTES: u64 = 64 << 20;

/// So much of a file's end is read at first: its footer and page index in most files.
const END_BYTES: usize = 128 << 10;

/// What the two forms of a file's columns take, measured.
const COLUMN_BYTES: usize = 16 << 10;

/// The metadata of a file, and the bloom filters of its `object_key`, one for each row group.
pub(super) struct Footer {
    /// Stands for the file: a footer that is read again has another one.
    pub(super) number: u64,
    pub(super) metadata: Arc<ParquetMetaData>,
    /// How all columns are decoded.
    pub(super) columns: FieldLevels,
    /// Where `object_key` is; none if the file does not have it.
    pub(super) key: Option<KeyColumn>,
}

/// What a file has of `object_key`.
pub(super) struct KeyColumn {
    /// Which column it is.
    pub(super) index: usize,
    /// How it is decoded.
    pub(super) levels: FieldLevels,
    /// Its bloom filters, one for each row group.
    pub(super) blooms: Vec<Option<Sbbf>>,
}

/// Footers of files that were looked into.
pub(crate) struct Footers {
    kept: Cache<String, Arc<Footer>, FooterWeight>,
    next: AtomicU64,
}

#[derive(Clone)]
struct FooterWeight;

impl Weighter<String, Arc<Footer>> for FooterWeight {
    fn weight(&self, path: &String, footer: &Arc<Footer>) -> u64 {
        let blooms = footer.key.iter().flat_map(|key| &key.blooms).flatten();
        let blooms: usize = blooms.map(|bloom| bloom.num_blocks() * 32).sum();
        let bytes = footer.metadata.memory_size() + blooms + COLUMN_BYTES + path.len();
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }
}

impl fmt::Debug for Footers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Footers").finish_non_exhaustive()
    }
}

impl Default for Footers {
    fn default() -> Self {
        Self {
            kept: Cache::with_weighter(1_000, KEPT_BYTES, FooterWeight),
            next: AtomicU64::new(0),
        }
    }
}

impl Footers {
    /// The footer of `file`.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if it does not read, and others as the storage has it.
    pub(super) async fn of(&self, store: &Store, file: &DataFile) -> Result<Arc<Footer>> {
        if let Some(footer) = self.kept.get(&file.path) {
            return Ok(footer);
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let footer = read(FileReader::new(&store.objects, file), number).await;
        let damaged = |error| StoreError::parquet(&store.location(), &file.path, error);
        let footer = Arc::new(footer.map_err(damaged)?);
        self.kept.insert(file.path.clone(), Arc::clone(&footer));
        Ok(footer)
    }
}

async fn read(mut reader: FileReader, number: u64) -> ParquetResult<Footer> {
    let options = ArrowReaderOptions::new()
        .with_skip_arrow_metadata(true)
        .with_schema(arrow_schema())
        .with_page_index_policy(PageIndexPolicy::Optional);
    let metadata = ArrowReaderMetadata::load_async(&mut reader, options).await?;
    let schema = metadata.parquet_schema().clone();
    let levels = |mask| parquet_to_arrow_field_levels(&schema, mask, Some(arrow_schema().fields()));
    let footer = Footer {
        number,
        metadata: Arc::clone(metadata.metadata()),
        columns: levels(ProjectionMask::all())?,
        key: None,
    };
    let is_key = |name: &str| name == Column::ObjectKey.name();
    let Some(index) = schema.columns().iter().position(|column| is_key(column.name())) else {
        return Ok(footer);
    };
    let groups = metadata.metadata().num_row_groups();
    let mut blooms = Vec::with_capacity(groups);
    let mut builder = ParquetRecordBatchStreamBuilder::new_with_metadata(reader, metadata);
    for group in 0..groups {
        blooms.push(builder.get_row_group_column_bloom_filter(group, index).await?);
    }
    let levels = levels(ProjectionMask::leaves(&schema, [index]))?;
    Ok(Footer { key: Some(KeyColumn { index, levels, blooms }), ..footer })
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

impl FileReader {
    /// That these bytes are in the file: a damaged one may say that its pages are anywhere.
    fn check(&self, range: &Range<u64>) -> ParquetResult<()> {
        if range.start <= range.end && range.end <= self.size {
            return Ok(());
        }
        Err(ParquetError::EOF(format!("it has no bytes from {} to {}", range.start, range.end)))
    }
}

impl AsyncFileReader for FileReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, ParquetResult<Bytes>> {
        async move {
            self.check(&range)?;
            self.objects.get_range(&self.path, range).await.map_err(external)
        }
        .boxed()
    }

    fn get_byte_ranges(
        &mut self,
        ranges: Vec<Range<u64>>,
    ) -> BoxFuture<'_, ParquetResult<Vec<Bytes>>> {
        async move {
            ranges.iter().try_for_each(|range| self.check(range))?;
            self.objects.get_ranges(&self.path, &ranges).await.map_err(external)
        }
        .boxed()
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
