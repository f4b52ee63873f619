//! Events as Parquet bytes.

use std::collections::HashMap;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::{max, max_string, min, min_string};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::schema::types::ColumnPath;
use trailkeeper_event::{Column, ColumnType, arrow_schema};

use crate::error::{Result, StoreError};
use crate::file::{Bounds, STATS_COLUMNS, encode_stats};
use crate::merge::sorting_columns;

/// Texts that differ from row to row: compressed, since a dictionary of them saves nothing and
/// would have to be read whole for one row.
const WIDE: [Column; 7] = [
    Column::HttpPath,
    Column::ObjectLabel,
    Column::Related,
    Column::Before,
    Column::After,
    Column::Unavailable,
    Column::Data,
];

/// Other texts that are compressed. The rest is not: opening a decompressor costs more than decoding
/// such a page.
const COMPRESSED: [Column; 2] = [Column::ObjectKey, Column::RequestId];

/// The columns by whose bounds pages are skipped. Bounds of others would cost more than they save.
const PAGE_BOUNDS: [Column; 10] = [
    Column::Seq,
    Column::Writer,
    Column::TransactionNumber,
    Column::OccurredAt,
    Column::CommittedAt,
    Column::RecordedAt,
    Column::RequestId,
    Column::Model,
    Column::ObjectId,
    Column::ObjectKey,
];

/// Numbers that rise or repeat: stored as differences.
const DELTA: [Column; 7] = [
    Column::Seq,
    Column::TransactionNumber,
    Column::Position,
    Column::OccurredAt,
    Column::CommittedAt,
    Column::RecordedAt,
    Column::DurationUs,
];

/// In which order the rows of a file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileOrder {
    /// In that of their `seq`, as they come.
    BySeq,
    /// In that of their objects, as a merge makes it.
    ByObject,
}

/// How event files are written: small pages and row groups, so that one object's history decodes
/// little.
fn properties(order: FileOrder) -> Result<WriterProperties> {
    let path = |column: Column| ColumnPath::from(column.name());
    let zstd = Compression::ZSTD(ZstdLevel::try_new(3)?);
    let mut builder = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_2_0)
        .set_created_by(concat!("trailkeeper ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_max_row_group_row_count(Some(16_384))
        .set_data_page_row_count_limit(512)
        // Limits are only looked at between these.
        .set_write_batch_size(256)
        .set_compression(Compression::UNCOMPRESSED)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_column_index_truncate_length(None)
        .set_statistics_truncate_length(None);
    for column in PAGE_BOUNDS {
        builder = builder.set_column_statistics_enabled(path(column), EnabledStatistics::Page);
    }
    for column in COMPRESSED {
        builder = builder.set_column_compression(path(column), zstd);
    }
    for column in WIDE {
        builder = builder
            .set_column_compression(path(column), zstd)
            .set_column_dictionary_enabled(path(column), false)
            .set_column_statistics_enabled(path(column), EnabledStatistics::None);
    }
    for column in DELTA {
        builder = builder
            .set_column_dictionary_enabled(path(column), false)
            .set_column_encoding(path(column), Encoding::DELTA_BINARY_PACKED);
    }
    for column in [Column::ObjectKey, Column::ObjectId] {
        builder = builder
            .set_column_dictionary_enabled(path(column), false)
            .set_column_encoding(path(column), Encoding::DELTA_BYTE_ARRAY);
    }
    if order == FileOrder::ByObject {
        // By object, sessions no longer stand together: a dictionary is as large as the column, and would be
        // decoded whole for one row.
        let session = path(Column::Session);
        builder = builder
            .set_sorting_columns(Some(sorting_columns()?))
            .set_column_compression(session.clone(), zstd)
            .set_column_dictionary_enabled(session, false);
    }
    Ok(builder.set_column_bloom_filter_enabled(path(Column::ObjectKey), true).build())
}

/// A file of events before it is put into the store.
pub(crate) struct EncodedFile {
    pub(crate) bytes: Vec<u8>,
    pub(crate) stats: String,
    pub(crate) rows: usize,
}

/// Encodes events of one month.
pub(crate) fn encode(batches: &[RecordBatch]) -> Result<EncodedFile> {
    let mut encoder = FileEncoder::new(FileOrder::BySeq)?;
    for batch in batches {
        encoder.push(batch)?;
    }
    encoder.finish()
}

/// Encodes a file batch by batch: what it holds is the encoded file, and one row group on its way.
pub(crate) struct FileEncoder {
    writer: ArrowWriter<Vec<u8>>,
    rows: usize,
    bounds: HashMap<Column, Bounds>,
    nulls: HashMap<Column, usize>,
}

impl FileEncoder {
    pub(crate) fn new(order: FileOrder) -> Result<Self> {
        let properties = properties(order)?;
        let writer = ArrowWriter::try_new(Vec::new(), arrow_schema(), Some(properties))?;
        let nulls = STATS_COLUMNS.iter().map(|column| (*column, 0)).collect();
        Ok(Self { writer, rows: 0, bounds: HashMap::new(), nulls })
    }

    pub(crate) fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        self.writer.write(batch)?;
        self.rows += batch.num_rows();
        for column in STATS_COLUMNS {
            let array = batch.column_by_name(column.name()).ok_or_else(|| {
                StoreError::internal(format!("a batch has no column {}", column.name()))
            })?;
            *self.nulls.entry(column).or_default() += array.null_count();
            if let Some(found) = bounds_of(column, array.as_ref()) {
                let merged = merge(self.bounds.remove(&column), found);
                self.bounds.insert(column, merged);
            }
        }
        Ok(())
    }

    pub(crate) fn finish(self) -> Result<EncodedFile> {
        let stats = encode_stats(self.rows, &self.bounds, &self.nulls);
        Ok(EncodedFile { bytes: self.writer.into_inner()?, stats, rows: self.rows })
    }
}

fn bounds_of(column: Column, array: &dyn Array) -> Option<Bounds> {
    match column.column_type() {
        ColumnType::Text => {
            let array = array.as_string_opt::<i32>()?;
            Some(Bounds::Text(min_string(array)?.to_owned(), max_string(array)?.to_owned()))
        }
        ColumnType::Int => {
            let array = array.as_primitive_opt::<Int64Type>()?;
            Some(Bounds::Int(min(array)?, max(array)?))
        }
        ColumnType::Time => {
            let array = array.as_primitive_opt::<TimestampMicrosecondType>()?;
            Some(Bounds::Int(min(array)?, max(array)?))
        }
        ColumnType::Bytes => None,
    }
}

fn merge(known: Option<Bounds>, found: Bounds) -> Bounds {
    match (known, found) {
        (Some(Bounds::Int(a, b)), Bounds::Int(c, d)) => Bounds::Int(a.min(c), b.max(d)),
        (Some(Bounds::Text(a, b)), Bounds::Text(c, d)) => Bounds::Text(a.min(c), b.max(d)),
        (_, found) => found,
    }
}
