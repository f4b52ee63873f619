//! The rows of several files as one sequence, in ascending `object_key` and, of one object, `seq`.
//!
//! The events of an object are neighbours in it, so that they are on one page or two. A file that is in this order is
//! read batch by batch while it is merged. Another one is held in memory: its batches are sorted one by one,
//! and merged like files.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::sync::Arc;

use arrow::array::{Array as _, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::compute::{
    SortColumn, SortOptions, interleave_record_batch, lexsort_to_indices, take_record_batch,
};
use arrow::datatypes::Int64Type;
use bytes::Bytes;
use parquet::arrow::arrow_reader::{
    ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::file::metadata::{ParquetMetaData, SortingColumn};
use trailkeeper_event::{Column, arrow_schema};

use crate::error::{Result, StoreError};
use crate::file::DataFile;
use crate::foreign::guarded;

/// So many rows are decoded, and given, at a time: fewer if that would be more than so many bytes.
const BATCH_ROWS: u64 = 1024;
const BATCH_BYTES: u64 = 32 << 20;

/// By which columns the rows of a merged file are in order, as its row groups say it.
pub(crate) fn sorting_columns() -> Result<Vec<SortingColumn>> {
    let columns = [Column::ObjectKey, Column::Seq].into_iter().map(|column| {
        let index = arrow_schema().index_of(column.name())?;
        let column_idx = i32::try_from(index).map_err(StoreError::internal)?;
        Ok(SortingColumn { column_idx, descending: false, nulls_first: true })
    });
    columns.collect()
}

/// Merges files; gives the rows batch by batch.
pub(crate) struct Merge {
    inputs: Vec<Input>,
    /// The next row of each input that has one.
    heads: BinaryHeap<Reverse<Head>>,
    /// How many rows are given at a time.
    rows: usize,
    ledger: Ledger,
}

/// Rows in order: those of a file, or of a batch of a file that is in none.
struct Input {
    /// The number of the file in the run.
    file: usize,
    batch: RecordBatch,
    rest: Option<ParquetRecordBatchReader>,
}

/// A row of an input, to be compared with those of others.
struct Head {
    keys: StringArray,
    seqs: Int64Array,
    row: usize,
    input: usize,
}

impl Merge {
    /// Begins to merge the files of a run, which are given with their bytes.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if one is not a Parquet file of events.
    pub(crate) fn new(files: &[(&DataFile, Bytes)]) -> Result<Self> {
        let mut merge = Self {
            inputs: Vec::new(),
            heads: BinaryHeap::new(),
            rows: usize::MAX,
            ledger: Ledger::new(files.iter().map(|(file, _)| *file))?,
        };
        let sorting = sorting_columns()?;
        for (number, (file, bytes)) in files.iter().enumerate() {
            let damaged = |error| StoreError::file(&file.path, Box::new(error));
            let options = ArrowReaderOptions::new()
                .with_skip_arrow_metadata(true)
                .with_schema(arrow_schema());
            let builder =
                ParquetRecordBatchReaderBuilder::try_new_with_options(bytes.clone(), options)
                    .map_err(damaged)?;
            let rows = batch_rows(builder.metadata());
            merge.rows = merge.rows.min(rows);
            let is_sorted = is_sorted_by(builder.metadata(), &sorting);
            let mut rest = builder.with_batch_size(rows).build().map_err(damaged)?;
            if is_sorted {
                if let Some(batch) = next_batch(&mut rest, &file.path)? {
                    merge.add(Input { file: number, batch, rest: Some(rest) })?;
                }
            } else {
                while let Some(batch) = next_batch(&mut rest, &file.path)? {
                    merge.add(Input { file: number, batch: sort(&batch)?, rest: None })?;
                }
            }
        }
        Ok(merge)
    }

    fn add(&mut self, input: Input) -> Result<()> {
        self.heads.push(Reverse(Head::new(&input.batch, self.inputs.len())?));
        self.inputs.push(input);
        Ok(())
    }

    /// The next rows, or `None` behind the last ones.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if a file does not read, or does not have the rows that the log says.
    pub(crate) fn next(&mut self) -> Result<Option<RecordBatch>> {
        // What the rows are taken from, and of each input where among these its batch stands.
        let mut sources: Vec<RecordBatch> = Vec::new();
        let mut places = vec![None; self.inputs.len()];
        let mut taken = Vec::new();
        while taken.len() < self.rows {
            let Some(mut head) = self.heads.peek_mut() else { break };
            let (number, row) = (head.0.input, head.0.row);
            let input = &mut self.inputs[number];
            self.ledger.count(input.file, head.0.seq())?;
            let place = *places[number].get_or_insert_with(|| {
                sources.push(input.batch.clone());
                sources.len() - 1
            });
            taken.push((place, row));
            match head.0.follower() {
                Some(Ordering::Less) => head.0.row += 1,
                Some(_) => return Err(self.ledger.not_as_logged(input.file)),
                None => {
                    places[number] = None;
                    let path = self.ledger.path(input.file);
                    let batch =
                        input.rest.as_mut().map(|rest| next_batch(rest, path)).transpose()?;
                    match batch.flatten() {
                        Some(batch) => {
                            let next = Head::new(&batch, number)?;
                            if head.0.cmp(&next) != Ordering::Less {
                                return Err(self.ledger.not_as_logged(input.file));
                            }
                            input.batch = batch;
                            head.0 = next;
                        }
                        None => drop(PeekMut::pop(head)),
                    }
                }
            }
        }
        if taken.is_empty() {
            self.ledger.close()?;
            return Ok(None);
        }
        let sources: Vec<_> = sources.iter().collect();
        Ok(Some(interleave_record_batch(&sources, &taken)?))
    }
}

impl Head {
    fn new(batch: &RecordBatch, input: usize) -> Result<Self> {
        let column = |column: Column| {
            batch.column_by_name(column.name()).ok_or_else(|| {
                StoreError::internal(format!("a batch has no column {}", column.name()))
            })
        };
        let keys = column(Column::ObjectKey)?.as_string_opt::<i32>();
        let seqs = column(Column::Seq)?.as_primitive_opt::<Int64Type>();
        match (keys, seqs.filter(|seqs| seqs.null_count() == 0)) {
            (Some(keys), Some(seqs)) => {
                Ok(Self { keys: keys.clone(), seqs: seqs.clone(), row: 0, input })
            }
            _ => Err(StoreError::corrupt("a row has no seq")),
        }
    }

    fn seq(&self) -> i64 {
        self.seqs.value(self.row)
    }

    fn place(&self, row: usize) -> (Option<&str>, i64) {
        (self.keys.is_valid(row).then(|| self.keys.value(row)), self.seqs.value(row))
    }

    /// How this row stands to the next one of its batch; `None` if it is the last one.
    fn follower(&self) -> Option<Ordering> {
        let next = self.row + 1;
        (next < self.seqs.len()).then(|| self.place(self.row).cmp(&self.place(next)))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Head {}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> Ordering {
        self.place(self.row).cmp(&other.place(other.row))
    }
}

/// Holds what comes out of the files against what the log says of them.
struct Ledger {
    /// Of each `seq` between the bounds of the run, whether its row has come.
    seen: Vec<bool>,
    first: u64,
    files: Vec<Account>,
}

/// What the log says of a file, and how many of its rows have come.
struct Account {
    path: String,
    bounds: (u64, u64),
    rows: u64,
    counted: u64,
}

impl Ledger {
    fn new<'a>(files: impl Iterator<Item = &'a DataFile>) -> Result<Self> {
        let accounts = files.map(|file| {
            let known = file.seq_bounds().zip(file.rows());
            let (bounds, rows) =
                known.ok_or_else(|| StoreError::internal("a run has no bounds"))?;
            Ok(Account { path: file.path.clone(), bounds, rows, counted: 0 })
        });
        let files = accounts.collect::<Result<Vec<_>>>()?;
        let first = files.iter().map(|file| file.bounds.0).min().unwrap_or(0);
        let last = files.iter().map(|file| file.bounds.1).max().unwrap_or(0);
        let span = usize::try_from(last - first).map_err(StoreError::internal)?;
        Ok(Self { seen: vec![false; span + 1], first, files })
    }

    /// Counts a row of a file of the run.
    fn count(&mut self, file: usize, seq: i64) -> Result<()> {
        let account = &mut self.files[file];
        account.counted += 1;
        let place = u64::try_from(seq)
            .ok()
            .filter(|seq| (account.bounds.0..=account.bounds.1).contains(seq))
            .and_then(|seq| usize::try_from(seq - self.first).ok())
            .and_then(|place| self.seen.get_mut(place));
        match place {
            Some(seen) if !*seen => *seen = true,
            _ => return Err(self.not_as_logged(file)),
        }
        Ok(())
    }

    /// Ends the account: all rows must have come.
    fn close(&self) -> Result<()> {
        match self.files.iter().position(|file| file.counted != file.rows) {
            Some(file) => Err(self.not_as_logged(file)),
            None => Ok(()),
        }
    }

    fn path(&self, file: usize) -> &str {
        &self.files[file].path
    }

    fn not_as_logged(&self, file: usize) -> StoreError {
        let path = self.path(file);
        StoreError::corrupt(format!("the file {path} does not have the rows that the log says"))
    }
}

/// How many rows of a file are decoded at a time.
fn batch_rows(metadata: &ParquetMetaData) -> usize {
    let most = metadata.row_groups().iter().map(|group| {
        let row = group.total_byte_size().max(1) / group.num_rows().max(1);
        BATCH_BYTES / u64::try_from(row).unwrap_or(1).max(1)
    });
    usize::try_from(most.min().unwrap_or(BATCH_ROWS).clamp(1, BATCH_ROWS)).unwrap_or(1)
}

fn is_sorted_by(metadata: &ParquetMetaData, sorting: &Vec<SortingColumn>) -> bool {
    metadata.row_groups().iter().all(|group| group.sorting_columns() == Some(sorting))
}

fn next_batch(rows: &mut ParquetRecordBatchReader, path: &str) -> Result<Option<RecordBatch>> {
    loop {
        let batch = guarded(|| rows.next()).map_err(|error| StoreError::file(path, error))?;
        let batch = batch.transpose().map_err(|error| StoreError::file(path, error))?;
        if batch.as_ref().is_none_or(|batch| batch.num_rows() > 0) {
            return Ok(batch);
        }
    }
}

fn sort(batch: &RecordBatch) -> Result<RecordBatch> {
    let options = SortOptions { descending: false, nulls_first: true };
    let columns = [Column::ObjectKey, Column::Seq].into_iter().map(|column| {
        let values = batch.column(arrow_schema().index_of(column.name())?);
        Ok(SortColumn { values: Arc::clone(values), options: Some(options) })
    });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    Ok(take_record_batch(batch, &lexsort_to_indices(&columns, None)?)?)
}
