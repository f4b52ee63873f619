//! Records on their way out, read again from the segments.

use std::io;
use std::ops::Range;

use crate::error::{FrameFault, SpoolError};
use crate::id::{TransactionId, WriterId};
use crate::input::Input;
use crate::progress::{Coverage, Partial};
use crate::record::Records;
use crate::segment::read_at_most;
use crate::segment_files::SegmentFiles;
use crate::transaction::{Chunk, CommittedTransaction, Content};

/// How much one batch may hold. A single record is handed out whatever its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLimits {
    pub max_records: usize,
    pub max_bytes: usize,
}

impl Default for BatchLimits {
    /// 100,000 records, 64 MiB.
    fn default() -> Self {
        Self { max_records: 100_000, max_bytes: 64 << 20 }
    }
}

impl BatchLimits {
    fn is_reached(&self, records: u32, bytes: usize) -> bool {
        records as usize >= self.max_records.max(1) || bytes >= self.max_bytes
    }
}

/// Payloads as read, and where the wanted records stand in them.
#[derive(Debug, Default)]
struct Payloads {
    bytes: Vec<u8>,
    pieces: Vec<Range<usize>>,
}

impl Payloads {
    fn records(&self, pieces: Range<usize>) -> impl Iterator<Item = &[u8]> {
        let pieces = self.pieces.get(pieces).unwrap_or_default();
        pieces
            .iter()
            .flat_map(|piece| Records::new(self.bytes.get(piece.clone()).unwrap_or_default()))
    }

    /// Reads records from position `from` on, up to the limits but at least one.
    ///
    /// Returns the position after the last one.
    fn read(
        &mut self,
        files: &mut SegmentFiles,
        writer: WriterId,
        content: &Content,
        from: u32,
        limits: BatchLimits,
    ) -> Result<u32, SpoolError> {
        let (mut next, mut bytes) = (from, 0);
        for chunk in content.chunks.iter().filter(|chunk| chunk.end() > from) {
            if next > from && limits.is_reached(next - from, bytes) {
                break;
            }
            let payload = read_payload(files, writer, chunk, &mut self.bytes)?;
            let records_at = payload.start + usize::from(chunk.records_at);
            let mut input = Input(self.bytes.get(records_at..payload.end).unwrap_or_default());
            let len = input.0.len();
            let mut piece_at = 0;
            for position in chunk.first_position..chunk.end() {
                if next > from && limits.is_reached(next - from, bytes) {
                    break;
                }
                let record = input
                    .take_record()
                    .ok_or_else(|| corrupt(files, writer, chunk, FrameFault::Malformed))?;
                if position < next {
                    piece_at = len - input.0.len();
                } else {
                    next = position + 1;
                    bytes += record.len();
                }
            }
            let piece_end = len - input.0.len();
            self.pieces.push(records_at + piece_at..records_at + piece_end);
        }
        Ok(next)
    }
}

/// Reads a payload to the end of `bytes`, and checks that it is still what it was.
pub(crate) fn read_payload(
    files: &mut SegmentFiles,
    writer: WriterId,
    chunk: &Chunk,
    bytes: &mut Vec<u8>,
) -> Result<Range<usize>, SpoolError> {
    let path = || files.directory().segment(writer, chunk.segment);
    let failed = |error: io::Error, path| SpoolError::io("read", path)(error);
    let path = path();
    let file = files.open(writer, chunk.segment).map_err(|error| failed(error, &path))?;
    let start = bytes.len();
    bytes.resize(start + chunk.payload_len as usize, 0);
    let payload = bytes.get_mut(start..).unwrap_or_default();
    let read =
        read_at_most(&file, payload, chunk.payload_at).map_err(|error| failed(error, &path))?;
    if read < payload.len() {
        return Err(corrupt(files, writer, chunk, FrameFault::CutShort));
    }
    if crc32c::crc32c(payload) != chunk.payload_checksum {
        return Err(corrupt(files, writer, chunk, FrameFault::Payload));
    }
    Ok(start..bytes.len())
}

fn corrupt(
    files: &SegmentFiles,
    writer: WriterId,
    chunk: &Chunk,
    source: FrameFault,
) -> SpoolError {
    let path = files.directory().segment(writer, chunk.segment);
    SpoolError::CorruptSegment { path, offset: chunk.payload_at, source }
}

/// Consecutive records of one transaction.
#[derive(Debug)]
pub struct Part {
    payloads: Payloads,
    /// Position of the first record.
    pub first_position: u32,
    /// Position after the last record.
    pub next_position: u32,
}

impl Part {
    pub(crate) fn read(
        files: &mut SegmentFiles,
        writer: WriterId,
        content: &Content,
        first_position: u32,
        limits: BatchLimits,
    ) -> Result<Self, SpoolError> {
        let mut payloads = Payloads::default();
        let next_position = payloads.read(files, writer, content, first_position, limits)?;
        Ok(Self { payloads, first_position, next_position })
    }

    pub fn records(&self) -> impl Iterator<Item = &[u8]> {
        self.payloads.records(0..self.payloads.pieces.len())
    }
}

/// Committed transactions in the order in which they go into the table.
///
/// Only the last one may go on in the next batch.
#[derive(Debug, Default)]
pub struct Batch {
    payloads: Payloads,
    entries: Vec<Entry>,
    record_count: usize,
    /// Which state of the consumer it was taken from.
    pub(crate) generation: u64,
}

#[derive(Debug)]
struct Entry {
    id: TransactionId,
    committed_at: i64,
    is_at_once: bool,
    first_position: u32,
    next_position: u32,
    is_last_part: bool,
    pieces: Range<usize>,
}

/// A transaction, or part of one, in a [`Batch`].
#[derive(Debug, Clone, Copy)]
pub struct BatchTransaction<'a> {
    pub id: TransactionId,
    /// Microseconds since 1970.
    pub committed_at: i64,
    /// Whether its records happened when it was committed, whatever they say themselves.
    pub is_at_once: bool,
    /// Position of the first record here; above 0 it is the rest of a partly drained transaction.
    pub first_position: u32,
    /// Position after the last record here.
    pub next_position: u32,
    /// Whether the transaction ends here.
    pub is_last_part: bool,
    payloads: &'a Payloads,
    pieces: (usize, usize),
}

impl<'a> BatchTransaction<'a> {
    pub fn records(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.payloads.records(self.pieces.0..self.pieces.1)
    }
}

impl Batch {
    /// Fills a batch from `transactions`; the first may be drained up to `partial`.
    pub(crate) fn read<'a>(
        files: &mut SegmentFiles,
        transactions: impl Iterator<Item = (WriterId, &'a CommittedTransaction)>,
        partial: Option<Partial>,
        limits: BatchLimits,
    ) -> Result<Self, SpoolError> {
        let mut batch = Self::default();
        for (writer, transaction) in transactions {
            let CommittedTransaction { number, content, .. } = transaction;
            let id = TransactionId { writer, number: *number };
            let first_position = partial
                .filter(|partial| partial.transaction == id)
                .map_or(0, |partial| partial.next_position);
            let records = (content.len().saturating_sub(first_position)) as usize;
            let bytes = usize::try_from(content.byte_len()).unwrap_or(usize::MAX);
            let has_room = batch.record_count + records <= limits.max_records
                && batch.payloads.bytes.len().saturating_add(bytes) <= limits.max_bytes;
            // A transaction is split only when it is alone too large.
            if !batch.is_empty() && !has_room {
                break;
            }
            let first_piece = batch.payloads.pieces.len();
            // Whole, if there is room for it: record by record otherwise.
            let own = if has_room {
                BatchLimits { max_records: usize::MAX, max_bytes: usize::MAX }
            } else {
                limits
            };
            let next_position = batch.payloads.read(files, writer, content, first_position, own)?;
            let is_last_part = next_position >= content.len();
            batch.record_count += (next_position - first_position) as usize;
            batch.entries.push(Entry {
                id,
                committed_at: transaction.committed_at,
                is_at_once: transaction.is_at_once,
                first_position,
                next_position,
                is_last_part,
                pieces: first_piece..batch.payloads.pieces.len(),
            });
            if !is_last_part {
                break;
            }
        }
        Ok(batch)
    }

    pub fn transactions(&self) -> impl ExactSizeIterator<Item = BatchTransaction<'_>> {
        self.entries.iter().map(|entry| BatchTransaction {
            id: entry.id,
            committed_at: entry.committed_at,
            is_at_once: entry.is_at_once,
            first_position: entry.first_position,
            next_position: entry.next_position,
            is_last_part: entry.is_last_part,
            payloads: &self.payloads,
            pieces: (entry.pieces.start, entry.pieces.end),
        })
    }

    /// How many records there are in all.
    #[must_use]
    pub fn record_count(&self) -> usize {
        self.record_count
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn coverage(&self) -> Coverage {
        let mut coverage = Coverage::default();
        for entry in &self.entries {
            if entry.is_last_part {
                coverage.drained.entry(entry.id.writer).or_default().insert(entry.id.number);
            } else {
                let (transaction, next_position) = (entry.id, entry.next_position);
                coverage.partial = Some(Partial { transaction, next_position });
            }
        }
        coverage
    }
}
