//! The events of one object, without planning a query.
//!
//! Most files are not touched: the bounds in the Delta log and the bloom filters, both in memory,
//! tell that the object is not in them. Of the others only those pages are read whose bounds hold
//! the object's key.

mod footer;
mod group;
mod page;

use std::ops::Range;

use arrow::array::{AsArray, RecordBatch, Scalar, StringArray};
use arrow::compute::filter_record_batch;
use arrow::compute::kernels::cmp::eq;
use arrow::error::ArrowError;
use futures::{StreamExt as _, TryStreamExt as _};
use parquet::arrow::FieldLevels;
use parquet::errors::Result as ParquetResult;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use trailkeeper_event::Column;

pub(crate) use self::footer::Footers;
use self::footer::{Footer, KeyColumn};
use self::group::Group;
pub(crate) use self::page::Pages;
use crate::error::{Result, StoreError};
use crate::file::{Bounds, DataFile};
use crate::foreign::guarded;
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
        let footer = self.footers.of(self, file).await?;
        let Some(column) = &footer.key else { return Ok(Vec::new()) };
        let damaged = |error| StoreError::parquet(&self.location(), &file.path, error);
        // First the keys, where they may be the one: they tell which rows are of the object.
        let mut places = Vec::new();
        for group in 0..footer.metadata.num_row_groups() {
            let rows = rows_that_may_be(&footer.metadata, column, group, key).map_err(damaged)?;
            if !rows.is_empty() {
                places.push((group, rows));
            }
        }
        let keys = self.read(file, &footer, &[column.index], &places, &column.levels).await?;
        let mut found = Vec::new();
        for ((group, rows), keys) in places.into_iter().zip(keys) {
            let rows = rows_that_are(&rows, &keys, key)?;
            if !rows.is_empty() {
                found.push((group, rows));
            }
        }
        let columns: Vec<_> =
            (0..footer.metadata.file_metadata().schema_descr().num_columns()).collect();
        let events = self.read(file, &footer, &columns, &found, &footer.columns).await?;
        Ok(events.into_iter().flatten().collect())
    }

    /// Rows of a file, by row group, and in each ascending.
    async fn read(
        &self,
        file: &DataFile,
        footer: &Footer,
        columns: &[usize],
        places: &[(usize, Vec<Range<usize>>)],
        levels: &FieldLevels,
    ) -> Result<Vec<Vec<RecordBatch>>> {
        let damaged = |error| StoreError::parquet(&self.location(), &file.path, error);
        let mut groups = Vec::with_capacity(places.len());
        let mut wanted = Vec::new();
        for (number, rows) in places {
            let group = Group::new(&footer.metadata, *number, columns, rows);
            let (group, pages) = group.map_err(damaged)?;
            groups.push(group);
            wanted.extend(pages);
        }
        let mut pages = self.pages.of(self, file, footer, &wanted).await?.into_iter();
        let rows = groups.into_iter().map(|group| {
            let own = pages.by_ref().take(group.wanted());
            guarded(|| group.read(own, levels)).flatten().map_err(damaged)
        });
        rows.collect()
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

/// The rows of a row group that are on pages on which the key may be, as ranges that ascend.
fn rows_that_may_be(
    metadata: &ParquetMetaData,
    column: &KeyColumn,
    group: usize,
    key: &str,
) -> ParquetResult<Vec<Range<usize>>> {
    let mut rows: Vec<Range<usize>> = Vec::new();
    if column.blooms.get(group).is_some_and(|bloom| bloom.as_ref().is_some_and(|b| !b.check(key))) {
        return Ok(rows);
    }
    let bounds = metadata.column_index().and_then(|index| index.get(group)?.get(column.index));
    let is_within = |page| match bounds {
        Some(ColumnIndexMetaData::BYTE_ARRAY(bounds)) => {
            match (bounds.min_value(page), bounds.max_value(page)) {
                (Some(min), Some(max)) => min <= key.as_bytes() && key.as_bytes() <= max,
                // A page of nulls.
                _ => false,
            }
        }
        _ => true,
    };
    let total = group::rows_of(metadata.row_group(group));
    for (page, within) in
        group::pages_of(group::locations_of(metadata, group, column.index)?, total)
    {
        match rows.last_mut() {
            _ if !is_within(page) => {}
            Some(last) if last.end == within.start => last.end = within.end,
            _ => rows.push(within),
        }
    }
    Ok(rows)
}

/// Those of `rows` whose key is `key`, as ranges that ascend; `keys` are the keys of `rows`.
fn rows_that_are(
    rows: &[Range<usize>],
    keys: &[RecordBatch],
    key: &str,
) -> Result<Vec<Range<usize>>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut numbers = rows.iter().cloned().flatten();
    for batch in keys {
        let keys = batch.column(0).as_string_opt::<i32>();
        let keys = keys.ok_or_else(|| StoreError::corrupt("object_key is not a text"))?;
        for (is, number) in keys.iter().zip(numbers.by_ref()) {
            if is != Some(key) {
                continue;
            }
            match found.last_mut() {
                Some(last) if last.end == number => last.end += 1,
                _ => found.push(number..number + 1),
            }
        }
    }
    Ok(found)
}
