//! Rows of one row group, decoded from the pages they are on.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::RecordBatch;
use parquet::arrow::FieldLevels;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, RowGroups, RowSelection};
use parquet::column::page::{Page, PageIterator, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::page_index::offset_index::OffsetIndexMetaData;

use crate::look_up::page::Wanted;

/// The pages of one column chunk: each with its rows, and itself where it is wanted. A dictionary has no rows.
#[derive(Clone, Debug, Default)]
struct Chunk {
    pages: VecDeque<Slot>,
}

#[derive(Clone, Debug)]
struct Slot {
    /// How many rows it has; none if it is a dictionary.
    rows: Option<usize>,
    page: Option<Page>,
}

/// A row group of which only those pages are there that are asked for.
pub(super) struct Group {
    metadata: Arc<ParquetMetaData>,
    number: usize,
    /// The numbers of the columns that are read, and their pages.
    chunks: Vec<(usize, Chunk)>,
    /// The pages that are wanted, as indices into `chunks` and their pages.
    wanted: Vec<(usize, usize)>,
    selection: RowSelection,
}

impl Group {
    /// The row group with this number, of which `rows`, which ascend, are read in `columns`; also which pages that
    /// takes.
    ///
    /// # Errors
    ///
    /// If the file says nothing of its pages.
    pub(super) fn new(
        metadata: &Arc<ParquetMetaData>,
        number: usize,
        columns: &[usize],
        rows: &[Range<usize>],
    ) -> Result<(Self, Vec<Wanted>)> {
        let description = metadata.row_group(number);
        let total = rows_of(description);
        let mut group = Self {
            metadata: Arc::clone(metadata),
            number,
            chunks: Vec::new(),
            wanted: Vec::new(),
            selection: RowSelection::from_consecutive_ranges(rows.iter().cloned(), total),
        };
        let mut bytes = Vec::new();
        for &column in columns {
            let locations = locations_of(metadata, number, column)?;
            let mut chunk = Chunk::default();
            let mut want = |chunk: &Chunk, start: i64, end: i64| {
                group.wanted.push((group.chunks.len(), chunk.pages.len()));
                let place = |at: i64| u64::try_from(at).map_err(|_| damaged());
                bytes.push(Wanted { group: number, column, bytes: place(start)?..place(end)? });
                Ok::<_, ParquetError>(())
            };
            if let Some(dictionary) = description.column(column).dictionary_page_offset() {
                let first = locations.page_locations().first().ok_or_else(damaged)?;
                want(&chunk, dictionary, first.offset)?;
                chunk.pages.push_back(Slot { rows: None, page: None });
            }
            for (page, within) in pages_of(locations, total) {
                let is_wanted = rows.iter().any(|rows| overlap(rows, &within));
                if is_wanted {
                    let location = &locations.page_locations()[page];
                    let end = location.offset + i64::from(location.compressed_page_size);
                    want(&chunk, location.offset, end)?;
                }
                chunk.pages.push_back(Slot { rows: Some(within.len()), page: None });
            }
            group.chunks.push((column, chunk));
        }
        Ok((group, bytes))
    }

    /// Decodes the rows; `pages` are those that were wanted.
    ///
    /// # Errors
    ///
    /// If they do not read.
    pub(super) fn read(
        mut self,
        pages: impl Iterator<Item = Page>,
        columns: &FieldLevels,
    ) -> Result<Vec<RecordBatch>> {
        for ((chunk, slot), page) in self.wanted.iter().zip(pages) {
            self.chunks[*chunk].1.pages[*slot].page = Some(page);
        }
        let rows = self.selection.row_count().max(1);
        let selection = Some(self.selection.clone());
        let reader =
            ParquetRecordBatchReader::try_new_with_row_groups(columns, &self, rows, selection)?;
        Ok(reader.collect::<Result<_, _>>()?)
    }

    /// How many pages are wanted.
    pub(super) fn wanted(&self) -> usize {
        self.wanted.len()
    }
}

/// The pages of a column chunk, by number, with their rows.
pub(super) fn pages_of(
    locations: &OffsetIndexMetaData,
    total: usize,
) -> impl Iterator<Item = (usize, Range<usize>)> {
    let start = |page: &parquet::file::page_index::offset_index::PageLocation| {
        usize::try_from(page.first_row_index).unwrap_or(0)
    };
    let locations = locations.page_locations();
    let ends = locations.iter().skip(1).map(start).chain([total]);
    locations.iter().map(start).zip(ends).map(|(start, end)| start..end.max(start)).enumerate()
}

/// Where the pages of a column chunk are.
///
/// # Errors
///
/// If the file does not say it.
pub(super) fn locations_of(
    metadata: &ParquetMetaData,
    group: usize,
    column: usize,
) -> Result<&OffsetIndexMetaData> {
    metadata.offset_index().and_then(|index| index.get(group)?.get(column)).ok_or_else(damaged)
}

pub(super) fn rows_of(group: &RowGroupMetaData) -> usize {
    usize::try_from(group.num_rows()).unwrap_or(0)
}

const fn overlap(left: &Range<usize>, right: &Range<usize>) -> bool {
    left.start < right.end && right.start < left.end
}

fn damaged() -> ParquetError {
    ParquetError::General("it does not say where its pages are".to_owned())
}

impl RowGroups for Group {
    fn num_rows(&self) -> usize {
        rows_of(self.metadata.row_group(self.number))
    }

    fn column_chunks(&self, column: usize) -> Result<Box<dyn PageIterator>> {
        let chunk = self.chunks.iter().find(|(number, _)| *number == column);
        let (_, chunk) = chunk.ok_or_else(damaged)?;
        Ok(Box::new(OneChunk(Some(chunk.clone()))))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(std::iter::once(self.metadata.row_group(self.number)))
    }

    fn metadata(&self) -> &ParquetMetaData {
        &self.metadata
    }
}

struct OneChunk(Option<Chunk>);

impl Iterator for OneChunk {
    type Item = Result<Box<dyn PageReader>>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(Ok(Box::new(self.0.take()?)))
    }
}

impl PageIterator for OneChunk {}

impl Iterator for Chunk {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl PageReader for Chunk {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let Some(slot) = self.pages.pop_front() else { return Ok(None) };
        let missing = || ParquetError::General("a page is asked for that was not read".to_owned());
        slot.page.ok_or_else(missing).map(Some)
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        Ok(self.pages.front().map(|slot| PageMetadata {
            num_rows: slot.rows,
            num_levels: None,
            is_dict: slot.rows.is_none(),
        }))
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.pages.pop_front();
        Ok(())
    }
}
