//! Pages of files, ready to be decoded: kept in memory, for files never change.

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use parquet::arrow::async_reader::AsyncFileReader as _;
use parquet::basic::Compression;
use parquet::column::page::{Page, PageReader as _};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::serialized_reader::SerializedPageReader;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use zstd::bulk::Decompressor;
use zstd::zstd_safe;

use crate::error::{Result, StoreError};
use crate::file::DataFile;
use crate::foreign::guarded;
use crate::look_up::footer::{FileReader, Footer};
use crate::store::Store;

/// So many bytes of pages are kept.
const KEPT_BYTES: u64 = 64 << 20;

/// What a kept page takes beside its bytes.
const OVERHEAD: u64 = 256;

thread_local! {
    /// To make one takes longer than to decompress most pages.
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Where a page is: the number of its file's footer, and its first byte in the file.
type Place = (u64, u64);

/// Pages that were read.
pub(crate) struct Pages {
    kept: Cache<Place, Page, PageWeight>,
}

#[derive(Clone)]
struct PageWeight;

impl Weighter<Place, Page> for PageWeight {
    fn weight(&self, _: &Place, page: &Page) -> u64 {
        u64::try_from(page.buffer().len()).unwrap_or(u64::MAX).saturating_add(OVERHEAD)
    }
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").finish_non_exhaustive()
    }
}

impl Default for Pages {
    fn default() -> Self {
        Self { kept: Cache::with_weighter(10_000, KEPT_BYTES, PageWeight) }
    }
}

/// A page that is wanted: a data page, or the dictionary of a column chunk.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) group: usize,
    pub(super) column: usize,
    /// Its bytes in the file, with its header.
    pub(super) bytes: Range<u64>,
}

impl Pages {
    /// The pages that are wanted of a file, in their order; those that are not known are read, with one request
    /// where they are close to one another.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if one does not read, and others as the storage has it.
    pub(super) async fn of(
        &self,
        store: &Store,
        file: &DataFile,
        footer: &Footer,
        wanted: &[Wanted],
    ) -> Result<Vec<Page>> {
        let mut pages: Vec<_> =
            wanted.iter().map(|page| self.kept.get(&(footer.number, page.bytes.start))).collect();
        let missing: Vec<_> = pages
            .iter()
            .zip(wanted)
            .filter(|(page, _)| page.is_none())
            .map(|(_, wanted)| wanted.bytes.clone())
            .collect();
        if !missing.is_empty() {
            let damaged = |error| StoreError::parquet(&store.location(), &file.path, error);
            let mut reader = FileReader::new(&store.objects, file);
            let mut read = reader.get_byte_ranges(missing).await.map_err(damaged)?.into_iter();
            let unknown = pages.iter_mut().zip(wanted).filter(|(page, _)| page.is_none());
            for (page, wanted) in unknown {
                let metadata = &footer.metadata;
                let chunk = metadata.row_group(wanted.group).column(wanted.column);
                let bytes = read.next().unwrap_or_default();
                let decoded = guarded(|| decode(bytes, chunk)).flatten().map_err(damaged)?;
                self.kept.insert((footer.number, wanted.bytes.start), decoded.clone());
                *page = Some(decoded);
            }
        }
        Ok(pages.into_iter().flatten().collect())
    }
}

/// A page of a column chunk out of its bytes.
fn decode(bytes: Bytes, chunk: &ColumnChunkMetaData) -> ParquetResult<Page> {
    let length =
        i64::try_from(bytes.len()).map_err(|error| ParquetError::External(error.into()))?;
    // The library's reader makes a decompressor for each column it reads. It is told that there is
    // nothing to decompress, and gives the page with its bytes as they are.
    let alone = ColumnChunkMetaData::builder(chunk.column_descr_ptr())
        .set_compression(Compression::UNCOMPRESSED)
        .set_num_values(chunk.num_values())
        .set_data_page_offset(0)
        .set_total_compressed_size(length)
        .set_total_uncompressed_size(length)
        .build()?;
    let mut reader = SerializedPageReader::new(Arc::new(bytes), &alone, 0, None)?;
    let page = reader.get_next_page()?;
    let page = page.ok_or_else(|| ParquetError::EOF("there is no page".to_owned()))?;
    match chunk.compression() {
        Compression::UNCOMPRESSED => Ok(page),
        Compression::ZSTD(_) => decompressed(page),
        other => Err(ParquetError::NYI(format!("{other} is not what events are compressed with"))),
    }
}

/// The page with its values decompressed. Its levels never are compressed, in a page of version 2.
fn decompressed(page: Page) -> ParquetResult<Page> {
    match page {
        Page::DataPageV2 {
            buf,
            num_values,
            encoding,
            num_nulls,
            num_rows,
            def_levels_byte_len,
            rep_levels_byte_len,
            is_compressed,
            statistics,
        } => {
            let levels = def_levels_byte_len as usize + rep_levels_byte_len as usize;
            let buf = if is_compressed { decompress(&buf, levels)? } else { buf };
            Ok(Page::DataPageV2 {
                buf,
                num_values,
                encoding,
                num_nulls,
                num_rows,
                def_levels_byte_len,
                rep_levels_byte_len,
                is_compressed: false,
                statistics,
            })
        }
        Page::DictionaryPage { buf, num_values, encoding, is_sorted } => {
            let buf = decompress(&buf, 0)?;
            Ok(Page::DictionaryPage { buf, num_values, encoding, is_sorted })
        }
        Page::DataPage { .. } => {
            Err(ParquetError::NYI("events have no pages of version 1".to_owned()))
        }
    }
}

/// The first bytes as they are, and the rest decompressed.
fn decompress(bytes: &[u8], plain: usize) -> ParquetResult<Bytes> {
    let failed = |error: std::io::Error| ParquetError::External(Box::new(error));
    let (plain, compressed) = bytes
        .split_at_checked(plain)
        .ok_or_else(|| ParquetError::EOF("a page is shorter than its levels".to_owned()))?;
    if compressed.is_empty() {
        return Ok(Bytes::copy_from_slice(plain));
    }
    let size = zstd_safe::get_frame_content_size(compressed).ok().flatten();
    let size = size
        .and_then(|size| i32::try_from(size).ok())
        .and_then(|size| usize::try_from(size).ok())
        .ok_or_else(|| ParquetError::General("a page does not say how long it is".to_owned()))?;
    let mut whole = Vec::with_capacity(plain.len() + size);
    whole.extend_from_slice(plain);
    DECOMPRESSOR.with_borrow_mut(|kept| {
        let mut decompressor = match kept.take() {
            Some(decompressor) => decompressor,
            None => Decompressor::new().map_err(failed)?,
        };
        let mut rest = std::io::Cursor::new(&mut whole);
        rest.set_position(plain.len() as u64);
        let done = decompressor.decompress_to_buffer(compressed, &mut rest);
        *kept = Some(decompressor);
        done.map_err(failed)
    })?;
    Ok(Bytes::from(whole))
}
