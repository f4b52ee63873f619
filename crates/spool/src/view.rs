//! Reading beside the consumer, without a lock.

use std::collections::BTreeMap;

use crate::batch::{BatchLimits, Part};
use crate::error::{FrameFault, SpoolError};
use crate::id::{BatchNumber, SegmentIndex, TransactionId, WriterId};
use crate::merge::Merge;
use crate::progress::{Partial, Progress};
use crate::segment::Window;
use crate::segment_files::SegmentFiles;
use crate::spool::Shared;
use crate::stream::{Advanced, WriterStream};
use crate::transaction::Content;

/// How often a view is taken again because the consumer deleted what it was reading.
const MAX_ATTEMPTS: usize = 8;

/// What is committed in the spool and not drained, at one moment.
///
/// To read spool and table together without showing a transaction twice: take the view, then the
/// table's snapshot, and in that the number B of this spool's last batch. If B is
/// [`finished`](Self::finished), show all transactions of the view. If it is
/// [`begun`](Self::begun), leave out what that batch covers
/// ([`ViewTransaction::covered_until`]). Otherwise take the view again.
///
/// The view keeps the segments open that hold its transactions, so that they stay readable after
/// the consumer has deleted them.
#[derive(Debug)]
pub struct SpoolView {
    finished: BatchNumber,
    begun: Option<BatchNumber>,
    transactions: Vec<ViewTransaction>,
    in_doubt: usize,
    files: SegmentFiles,
}

/// A committed transaction that is not drained, or not wholly.
#[derive(Debug, Clone)]
pub struct ViewTransaction {
    pub id: TransactionId,
    /// Microseconds since 1970.
    pub committed_at: i64,
    /// Whether its records happened when it was committed, whatever they say themselves.
    pub is_at_once: bool,
    /// Records below this position are in the table since the finished batch.
    pub first_position: u32,
    /// Records below this position are covered by the begun batch: all, some or none.
    pub covered_until: u32,
    /// How many records the transaction has.
    pub record_count: u32,
    content: Content,
}

/// How much waits to be drained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Backlog {
    pub transactions: u64,
    pub records: u64,
    /// Bytes of the frames that hold them.
    pub bytes: u64,
    pub in_doubt: u64,
    pub oldest_committed_at: Option<i64>,
}

impl SpoolView {
    pub(crate) fn read(spool: &Shared) -> Result<Self, SpoolError> {
        let mut progress = Progress::read(&spool.directory, spool.id)?;
        for _ in 1..MAX_ATTEMPTS {
            let (view, is_whole) = Self::read_with(spool, &progress)?;
            if is_whole {
                return Ok(view);
            }
            let newer = Progress::read(&spool.directory, spool.id)?;
            if newer == progress {
                return Ok(view);
            }
            progress = newer;
        }
        // A segment is deleted after its batch is finished, so the table's number tells the
        // reader that this view is out of date.
        Self::read_with(spool, &progress).map(|(view, _)| view)
    }

    /// The view as of `progress`, and whether all segments were there.
    fn read_with(spool: &Shared, progress: &Progress) -> Result<(Self, bool), SpoolError> {
        let mut files = SegmentFiles::new(&spool.directory, usize::MAX);
        let mut window = Window::default();
        let mut streams = BTreeMap::new();
        let mut is_whole = true;
        let mut in_doubt = 0;
        let mut listing = spool.directory.list()?.segments;
        for writer in progress.writers.keys() {
            listing.entry(*writer).or_default();
        }
        for (writer, segments) in listing {
            let mut stream = WriterStream::new(writer, progress.writers.get(&writer));
            let advanced =
                stream.advance(spool.id, &mut files, &mut window, &segments, usize::MAX)?;
            is_whole &= advanced == Advanced::Read
                && stream.damages.iter().all(|d| d.fault != FrameFault::SegmentMissing);
            in_doubt += resolve(&mut stream, progress);
            files.retain(|owner, index| owner != writer || is_needed(&stream, index));
            streams.insert(writer, stream);
        }
        let transactions = collect(&streams, progress);
        let begun = progress.begun.as_ref().map(|begun| begun.number);
        let view = Self { finished: progress.finished, begun, transactions, in_doubt, files };
        Ok((view, is_whole))
    }

    /// The last batch that the consumer knows to be in the table; 0 if none is.
    #[must_use]
    pub fn finished(&self) -> BatchNumber {
        self.finished
    }

    /// The batch that is on its way into the table.
    #[must_use]
    pub fn begun(&self) -> Option<BatchNumber> {
        self.begun
    }

    /// In the order in which they will be drained.
    #[must_use]
    pub fn transactions(&self) -> &[ViewTransaction] {
        &self.transactions
    }

    /// Records of a transaction of this view, from a position on.
    ///
    /// # Errors
    ///
    /// [`SpoolError::CorruptSegment`] when the bytes are no longer those that were checked.
    pub fn records(
        &mut self,
        transaction: &ViewTransaction,
        first_position: u32,
        limits: BatchLimits,
    ) -> Result<Part, SpoolError> {
        let writer = transaction.id.writer;
        Part::read(&mut self.files, writer, &transaction.content, first_position, limits)
    }

    /// How many transactions wait for their outcome to be found out.
    #[must_use]
    pub fn in_doubt(&self) -> usize {
        self.in_doubt
    }

    #[must_use]
    pub fn backlog(&self) -> Backlog {
        let mut backlog = Backlog { in_doubt: self.in_doubt as u64, ..Backlog::default() };
        for transaction in &self.transactions {
            backlog.transactions += 1;
            backlog.records +=
                u64::from(transaction.record_count.saturating_sub(transaction.first_position));
            backlog.bytes += transaction.content.byte_len();
            let oldest = backlog.oldest_committed_at.unwrap_or(i64::MAX);
            backlog.oldest_committed_at = Some(oldest.min(transaction.committed_at));
        }
        backlog
    }
}

/// Whether a committed transaction of the stream has records in a segment.
fn is_needed(stream: &WriterStream, index: SegmentIndex) -> bool {
    let mut chunks = stream.committed.iter().flat_map(|transaction| &transaction.content.chunks);
    chunks.any(|chunk| chunk.segment == index)
}

/// Applies what the consumer has resolved; returns how many stay in doubt.
fn resolve(stream: &mut WriterStream, progress: &Progress) -> usize {
    let is_dead = stream.is_dead();
    let doubtful: Vec<u32> = stream
        .open
        .iter()
        .filter(|(_, transaction)| transaction.doubt(is_dead).is_some())
        .map(|(number, _)| *number)
        .collect();
    let mut in_doubt = 0;
    for number in doubtful {
        match progress.resolutions.get(&stream.id_of(number)) {
            Some(committed_at) => stream.commit(number, *committed_at, None),
            None => in_doubt += 1,
        }
    }
    in_doubt
}

fn collect(
    streams: &BTreeMap<WriterId, WriterStream>,
    progress: &Progress,
) -> Vec<ViewTransaction> {
    let coverage = progress.begun.as_ref().map(|begun| &begun.coverage);
    let position_in = |partial: Option<Partial>, id| {
        partial.filter(|partial| partial.transaction == id).map_or(0, |p| p.next_position)
    };
    Merge::new(streams, progress.partial)
        .map(|(writer, committed)| {
            let id = TransactionId { writer, number: committed.number };
            let record_count = committed.content.len();
            let covered_until = match coverage {
                Some(coverage) if coverage.contains(id) => record_count,
                Some(coverage) => position_in(coverage.partial, id),
                None => 0,
            };
            ViewTransaction {
                id,
                committed_at: committed.committed_at,
                is_at_once: committed.is_at_once,
                first_position: position_in(progress.partial, id),
                covered_until,
                record_count,
                content: committed.content.clone(),
            }
        })
        .collect()
}
