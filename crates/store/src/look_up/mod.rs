//! The events of one object, without planning a query.
//!
//! Most files are not touched: the bounds in the Delta log and the bloom filters, both in memory,
//! tell that the object is not in them. Of the others only those pages are read whose bounds hold
//! the object's key.

mod footer;

use arrow::array::{RecordBatch, Scalar, StringArray};
use arrow::compute::filter_record_batch;
use arrow::compute::kernels::cmp::eq;
use arrow::error::ArrowError;
use futures::{StreamExt as _, TryStreamExt as _};
use parquet::arrow::arrow_reader::{ArrowPredicateFn, RowFilter, RowSelection, RowSelector};
use parquet::arrow::{ParquetRecordBatchStreamBuilder, ProjectionMask};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use trailkeeper_event::Column;

pub(crate) use self::footer::Footers;
use self::footer::{FileReader, Footer};
use crate::error::{Result, StoreError};
use crate::file::{Bounds, DataFile};
use crate::snapshot::Snapshot;
use crate::store::Store;

/// So many files are read at a time.
const CONCURRENT_FILES: usize = 8;

impl Store {
    /// The events whose `object_key` is `key`, in the table's own columns and in no order; `None` if
    /// they are more than `limit`.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if a file does not read, and others as the storage has it.
    pub(crate) async fn events_of(
        &self,
        snapshot: &Snapshot,
        key: &str,
        limit: usize,
    ) -> Result<Option<Vec<RecordBatch>>> {
        let files = snapshot.files().iter().filter(|file| may_hold(file, key));
        let mut reads = futures::stream::iter(files.map(|file| self.events_in(file, key)))
            .buffered(CONCURRENT_FILES);
        let mut found = Vec::new();
        let mut rows = 0;
        while let Some(batches) = reads.try_next().await? {
            rows += batches.iter().map(RecordBatch::num_rows).sum::<usize>();
            if rows > limit {
                return Ok(None);
            }
            found.extend(batches);
        }
        Ok(Some(found))
    }

    async fn events_in(&self, file: &DataFile, key: &str) -> Result<Vec<RecordBatch>> {
        let footer = self.footers.of(&self.objects, file).await?;
        let Some(column) = footer.key_column else { return Ok(Vec::new()) };
        let (groups, selection) = places(&footer, column, key);
        if groups.is_empty() {
            return Ok(Vec::new());
        }
        let damaged = |error| StoreError::parquet(&file.path, error);
        let metadata = footer.metadata.clone();
        let mask = ProjectionMask::leaves(metadata.parquet_schema(), [column]);
        let wanted = Scalar::new(StringArray::from(vec![key]));
        let is_wanted =
            ArrowPredicateFn::new(mask, move |batch: RecordBatch| eq(batch.column(0), &wanted));
        let reader = FileReader::new(&self.objects, file);
        let stream = ParquetRecordBatchStreamBuilder::new_with_metadata(reader, metadata)
            .with_row_groups(groups)
            .with_row_selection(selection)
            .with_row_filter(RowFilter::new(vec![Box::new(is_wanted)]))
            .build()
            .map_err(damaged)?;
        stream.try_collect().await.map_err(damaged)
    }
}

/// The rows of `batches` whose `object_key` is `key`.
///
/// # Errors
///
/// If a batch has no such column.
pub(crate) fn rows_of(batches: &[RecordBatch], key: &str) -> Result<Vec<RecordBatch>> {
    let wanted = Scalar::new(StringArray::from(vec![key]));
    let found = batches.iter().map(|batch| {
        let keys = batch
            .column_by_name(Column::ObjectKey.name())
            .ok_or_else(|| ArrowError::SchemaError("a batch has no object_key".to_owned()))?;
        filter_record_batch(batch, &eq(keys, &wanted)?)
    });
    Ok(found.collect::<Result<_, ArrowError>>()?)
}

fn may_hold(file: &DataFile, key: &str) -> bool {
    match file.bounds.get(&Column::ObjectKey) {
        Some(Bounds::Text(min, max)) => min.as_str() <= key && key <= max.as_str(),
        _ => true,
    }
}

/// The row groups in which the key may be, and the rows of their pages in which it may be.
fn places(footer: &Footer, column: usize, key: &str) -> (Vec<usize>, RowSelection) {
    let metadata = footer.metadata.metadata();
    let mut groups = Vec::new();
    let mut selectors = Vec::new();
    for (group, description) in metadata.row_groups().iter().enumerate() {
        if let Some(Some(bloom)) = footer.key_blooms.get(group)
            && !bloom.check(key)
        {
            continue;
        }
        let rows = usize::try_from(description.num_rows()).unwrap_or(0);
        let pages = pages(footer, group, column, rows, key);
        if pages.iter().any(|page| !page.skip) {
            groups.push(group);
            selectors.extend(pages);
        }
    }
    (groups, RowSelection::from(selectors))
}

/// The rows of a row group page by page; all of them where its pages have no bounds.
fn pages(footer: &Footer, group: usize, column: usize, rows: usize, key: &str) -> Vec<RowSelector> {
    let metadata = footer.metadata.metadata();
    let bounds = metadata.column_index().and_then(|index| index.get(group)?.get(column));
    let offsets = metadata.offset_index().and_then(|index| index.get(group)?.get(column));
    let (Some(ColumnIndexMetaData::BYTE_ARRAY(bounds)), Some(offsets)) = (bounds, offsets) else {
        return vec![RowSelector::select(rows)];
    };
    let starts: Vec<_> = offsets
        .page_locations()
        .iter()
        .map(|page| usize::try_from(page.first_row_index).unwrap_or(0))
        .collect();
    let ends = starts.iter().skip(1).copied().chain([rows]);
    let is_within = |page| match (bounds.min_value(page), bounds.max_value(page)) {
        (Some(min), Some(max)) => min <= key.as_bytes() && key.as_bytes() <= max,
        // A page of nulls.
        _ => false,
    };
    let pages = starts.iter().zip(ends).enumerate().map(|(page, (start, end))| {
        let rows = end.saturating_sub(*start);
        if is_within(page) { RowSelector::select(rows) } else { RowSelector::skip(rows) }
    });
    pages.collect()
}
