//! The frames of one writer, from segment to segment, as transactions.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::File;
use std::io;

use crate::error::{FrameFault, SpoolError};
use crate::frame::{Body, Committed, Frame, HEADER_LEN};
use crate::id::{Position, SegmentIndex, SpoolId, TransactionId, WriterId};
use crate::number_set::NumberSet;
use crate::progress::WriterProgress;
use crate::segment::{
    Found, HeaderRead, SEGMENT_HEADER_LEN, SegmentHeader, VERSION, Window, is_zero_to_end,
    read_at_most,
};
use crate::segment_files::{SegmentFiles, is_locked};
use crate::transaction::{Chunk, CommittedTransaction, Content, OpenTransaction};

/// Bytes, or a whole segment, that did not read.
#[derive(Debug, Clone)]
pub(crate) struct Damage {
    pub(crate) at: Position,
    pub(crate) bytes: u64,
    pub(crate) fault: FrameFault,
    pub(crate) is_kept: bool,
    /// Handed to the caller.
    pub(crate) is_taken: bool,
}

/// The reading state of one writer.
#[derive(Debug)]
pub(crate) struct WriterStream {
    pub(crate) writer: WriterId,
    position: Position,
    /// How far this stream was ever read, by an earlier consumer perhaps.
    read_to: Position,
    is_dead: bool,
    pub(crate) open: BTreeMap<u32, OpenTransaction>,
    /// Committed and not drained, in the order of the marks.
    pub(crate) committed: VecDeque<CommittedTransaction>,
    committed_numbers: BTreeSet<u32>,
    /// Settled numbers, each set with a position that all its frames are before.
    settled: VecDeque<(Position, NumberSet)>,
    /// Settled since the last set was put there.
    newly_settled: NumberSet,
    /// Not yet durably reported.
    pub(crate) damages: Vec<Damage>,
    reported: BTreeSet<Position>,
    /// Frames of this writer are lost, so a mark may be all that is left of a transaction.
    is_lossy: bool,
    /// Segments read from since they were last synced.
    pub(crate) unsynced: BTreeSet<SegmentIndex>,
}

/// Where reading a segment stopped.
enum Stop {
    /// Enough transactions are collected.
    Enough,
    Closed,
    End,
    Partial,
    Fault(FrameFault),
}

/// Whether the listing still held while the stream was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Advanced {
    Read,
    /// A listed segment is gone.
    Vanished,
}

impl WriterStream {
    pub(crate) fn new(writer: WriterId, progress: Option<&WriterProgress>) -> Self {
        let (position, settled, reported) = match progress {
            None => (Position::START, VecDeque::new(), BTreeSet::new()),
            Some(progress) => (
                progress.low_water,
                VecDeque::from([(progress.read_to, progress.settled.clone())]),
                progress.reported.clone(),
            ),
        };
        Self {
            writer,
            position,
            read_to: progress.map_or(position, |progress| progress.read_to),
            is_dead: false,
            open: BTreeMap::new(),
            committed: VecDeque::new(),
            committed_numbers: BTreeSet::new(),
            settled,
            newly_settled: NumberSet::default(),
            damages: Vec::new(),
            is_lossy: !reported.is_empty(),
            reported,
            unsynced: BTreeSet::new(),
        }
    }

    /// Reads on, until the end or until `limit` transactions wait to be drained.
    ///
    /// `segments` is a listing of this writer's segments, older than this call.
    pub(crate) fn advance(
        &mut self,
        spool: SpoolId,
        files: &mut SegmentFiles,
        window: &mut Window,
        segments: &[SegmentIndex],
        limit: usize,
    ) -> Result<Advanced, SpoolError> {
        let mut is_unlocked = false;
        loop {
            let index = self.position.segment;
            let next = segments.iter().find(|listed| **listed > index).copied();
            if !segments.contains(&index) {
                match next {
                    Some(next) => {
                        self.add_damage(0, FrameFault::SegmentMissing);
                        self.position = Position::start_of(next);
                        continue;
                    }
                    None if self.position.offset > 0 => {
                        self.add_damage(0, FrameFault::SegmentMissing);
                        self.leave_segment();
                    }
                    None => {}
                }
                self.settle_dead();
                return Ok(Advanced::Read);
            }
            self.is_dead = false;
            let path = files.directory().segment(self.writer, index);
            let file = match files.open(self.writer, index) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return Ok(Advanced::Vanished);
                }
                Err(source) => return Err(SpoolError::io("open", &path)(source)),
            };
            window.clear();
            let before = self.position;
            let stop = match self.read_segment(spool, &file, window, limit) {
                Ok(stop) => stop,
                Err(ReadError::Io(source)) => return Err(SpoolError::io("read", &path)(source)),
                Err(ReadError::NewerVersion(found)) => {
                    return Err(SpoolError::NewerVersion { path, found, supported: VERSION });
                }
            };
            if self.position != before {
                self.unsynced.insert(index);
            }
            if matches!(stop, Stop::Enough) {
                return Ok(Advanced::Read);
            }
            if next.is_none() && !is_unlocked {
                if is_locked(&file).map_err(SpoolError::io("lock", &path))?
                    || files.directory().segment(self.writer, index.next()).exists()
                {
                    return Ok(Advanced::Read);
                }
                // Dead. What it wrote after it was read, and before it died, is still to come.
                is_unlocked = true;
                continue;
            }
            is_unlocked = false;
            let fault = match stop {
                Stop::Enough | Stop::Closed => None,
                Stop::End => next.map(|_| FrameFault::EndMissing),
                Stop::Partial => next.map(|_| FrameFault::CutShort),
                Stop::Fault(fault) => Some(fault),
            };
            if let Some(fault) = fault {
                let metadata = file.metadata().map_err(SpoolError::io("read", &path))?;
                self.add_damage(metadata.len().saturating_sub(self.position.offset), fault);
            }
            files.close(self.writer, index);
            self.leave_segment();
        }
    }

    /// Reads frames from the position to where they end.
    fn read_segment(
        &mut self,
        spool: SpoolId,
        file: &File,
        window: &mut Window,
        limit: usize,
    ) -> Result<Stop, ReadError> {
        if self.position.offset == 0 {
            let mine = SegmentHeader { spool, writer: self.writer, index: self.position.segment };
            if let Some(stop) = read_header(file, mine)? {
                return Ok(stop);
            }
            self.position.offset = SEGMENT_HEADER_LEN as u64;
        }
        while self.committed.len() < limit {
            match window.frame_at(file, self.position.offset)? {
                Found::Frame(Frame { body: Body::Closed, .. }) => {
                    // Not stepped over: the position keeps saying that the segment is closed.
                    let end = self.position.offset + HEADER_LEN as u64;
                    let is_end = file.metadata()?.len() == end;
                    return Ok(if is_end {
                        Stop::Closed
                    } else {
                        Stop::Fault(FrameFault::AfterEnd)
                    });
                }
                Found::Frame(frame) => {
                    self.apply(&frame);
                    self.position.offset += frame.len() as u64;
                }
                Found::End => return Ok(Stop::End),
                Found::Partial => return Ok(Stop::Partial),
                Found::Fault(fault) => return Ok(Stop::Fault(fault)),
            }
        }
        Ok(Stop::Enough)
    }

    /// Does what the frame at the position says.
    fn apply(&mut self, frame: &Frame) {
        let number = frame.transaction;
        if self.committed_numbers.contains(&number) || self.is_settled(number) {
            return;
        }
        let chunk = |records_at, first_position, count| Chunk {
            segment: self.position.segment,
            payload_at: self.position.offset + HEADER_LEN as u64,
            payload_len: frame.payload_len,
            payload_checksum: frame.payload_checksum,
            records_at,
            first_position,
            count,
        };
        match frame.body {
            Body::Prepared { first_position, count } => {
                let chunk = chunk(8, first_position, count);
                let transaction = self.open_transaction(number);
                transaction.is_damaged |= transaction.content.push(chunk).is_err();
            }
            Body::Truncated { position } => {
                let transaction = self.open_transaction(number);
                transaction.is_damaged |= transaction.content.truncate(position).is_err();
            }
            Body::Sealed => {
                let seal = chunk(0, 0, 0);
                self.open_marked(number).seal = Some(seal);
            }
            Body::Uncertain => self.open_marked(number).is_uncertain = true,
            Body::Committed { committed_at, form: Committed::Replaced { count } } => {
                let content = Content::of(chunk(13, 0, count));
                self.commit(number, committed_at, Some(content));
            }
            Body::Committed { committed_at, form } => {
                let transaction = self.open_marked(number);
                if transaction.is_damaged {
                    transaction.committed_at = Some(committed_at);
                } else {
                    transaction.is_at_once = form == Committed::AtOnce;
                    self.commit(number, committed_at, None);
                }
            }
            Body::Complete { committed_at, count } => {
                let content = Content::of(chunk(12, 0, count));
                self.commit(number, committed_at, Some(content));
            }
            Body::Aborted => self.abort(number),
            Body::Closed => {}
        }
    }

    fn open_transaction(&mut self, number: u32) -> &mut OpenTransaction {
        let position = self.position;
        self.open.entry(number).or_insert_with(|| OpenTransaction::new(position))
    }

    /// As [`Self::open_transaction`]; one that starts so has lost its chunks if any are lost.
    fn open_marked(&mut self, number: u32) -> &mut OpenTransaction {
        let is_damaged = self.is_lossy && !self.open.contains_key(&number);
        let transaction = self.open_transaction(number);
        transaction.is_damaged |= is_damaged;
        transaction
    }

    /// Queues a transaction to be drained, with its own records or with `replacement`.
    pub(crate) fn commit(&mut self, number: u32, committed_at: i64, replacement: Option<Content>) {
        let position = self.position;
        let (first_at, prepared, is_at_once) = match self.open.remove(&number) {
            Some(open) => (open.first_at, open.content, open.is_at_once),
            None => (position, Content::default(), false),
        };
        let content = replacement.unwrap_or(prepared);
        if content.len() == 0 {
            self.newly_settled.insert(number);
            return;
        }
        self.committed_numbers.insert(number);
        self.committed.push_back(CommittedTransaction {
            number,
            committed_at,
            is_at_once,
            first_at,
            content,
        });
    }

    pub(crate) fn abort(&mut self, number: u32) {
        self.open.remove(&number);
        self.newly_settled.insert(number);
    }

    fn is_settled(&self, number: u32) -> bool {
        self.newly_settled.contains(number)
            || self.settled.iter().any(|(_, numbers)| numbers.contains(number))
    }

    /// Records that what stands at the position does not read.
    fn add_damage(&mut self, bytes: u64, fault: FrameFault) {
        let at = self.position;
        self.is_lossy = true;
        self.open.values_mut().for_each(|transaction| transaction.is_damaged = true);
        if !self.reported.contains(&at) {
            let is_kept = fault == FrameFault::SegmentMissing;
            self.damages.push(Damage { at, bytes, fault, is_kept, is_taken: false });
        }
    }

    fn leave_segment(&mut self) {
        self.position = Position::start_of(self.position.segment.next());
    }

    /// The writer is dead and all is read: what it had not sealed was never committed.
    fn settle_dead(&mut self) {
        self.is_dead = true;
        let aborted: Vec<u32> = self
            .open
            .iter()
            .filter(|(_, transaction)| transaction.doubt(true).is_none())
            .map(|(number, _)| *number)
            .collect();
        aborted.into_iter().for_each(|number| self.abort(number));
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.is_dead
    }

    pub(crate) fn id_of(&self, number: u32) -> TransactionId {
        TransactionId { writer: self.writer, number }
    }

    /// Takes drained transactions out; doing it again changes nothing.
    pub(crate) fn settle(&mut self, drained: &NumberSet) {
        self.committed.retain(|transaction| !drained.contains(transaction.number));
        self.committed_numbers.retain(|number| !drained.contains(*number));
        self.newly_settled.insert_all(drained);
    }

    /// The reports of these positions are durable.
    pub(crate) fn settle_reports(&mut self, reported: &BTreeSet<Position>) {
        self.damages.retain(|damage| !reported.contains(&damage.at));
        self.reported.extend(reported);
    }

    /// Everything before it is settled, and its corruption reported.
    pub(crate) fn low_water(&self) -> Position {
        let open = self.open.values().map(|transaction| transaction.first_at);
        let committed = self.committed.iter().map(|transaction| transaction.first_at);
        let damages = self.damages.iter().map(|damage| damage.at);
        open.chain(committed).chain(damages).min().map_or(self.position, |at| at.min(self.position))
    }

    /// What is to be remembered of this stream.
    pub(crate) fn progress(&mut self) -> WriterProgress {
        let low_water = self.low_water();
        self.read_to = self.read_to.max(self.position);
        if !self.newly_settled.is_empty() {
            self.settled.push_back((self.read_to, std::mem::take(&mut self.newly_settled)));
        }
        while self.settled.front().is_some_and(|(end, _)| *end <= low_water) {
            self.settled.pop_front();
        }
        let mut settled = NumberSet::default();
        self.settled.iter().for_each(|(_, numbers)| settled.insert_all(numbers));
        let (read_to, reported) = (self.read_to, self.reported.clone());
        WriterProgress { low_water, read_to, settled, reported }
    }
}

enum ReadError {
    Io(io::Error),
    NewerVersion(u32),
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// `None` when the segment's header is whole and is `mine`.
fn read_header(file: &File, mine: SegmentHeader) -> Result<Option<Stop>, ReadError> {
    let mut bytes = [0; SEGMENT_HEADER_LEN];
    if read_at_most(file, &mut bytes, 0)? < bytes.len() {
        return Ok(Some(Stop::Partial));
    }
    match SegmentHeader::decode(bytes) {
        Some(HeaderRead::Header(header)) if header == mine => Ok(None),
        Some(HeaderRead::Header(_)) => Ok(Some(Stop::Fault(FrameFault::ForeignSegment))),
        Some(HeaderRead::NewerVersion(found)) => Err(ReadError::NewerVersion(found)),
        None if is_zero_to_end(file, 0)? => Ok(Some(Stop::Partial)),
        None => Ok(Some(Stop::Fault(FrameFault::SegmentHeader))),
    }
}
