//! The draining side of a spool: one process at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use crate::batch::{Batch, BatchLimits, Part, read_payload};
use crate::directory::{Listing, sync_folder};
use crate::error::SpoolError;
use crate::id::{BatchNumber, Position, TransactionId, WriterId};
use crate::kept::{Report, keep};
use crate::merge::Merge;
use crate::progress::{Begun, Progress};
use crate::segment::Window;
use crate::segment_files::SegmentFiles;
use crate::spool::Shared;
use crate::stream::WriterStream;
use crate::transaction::{Doubt, OpenTransaction};

/// So many transactions of one writer are read ahead, to bound the memory of a long backlog.
const READ_AHEAD: usize = 16 * 1024;
/// So many segments are kept open for reading.
const MAX_OPEN_FILES: usize = 64;

/// Collects what all writers have committed, and remembers what was drained.
///
/// It holds the spool's lock until it is dropped.
#[derive(Debug)]
pub struct Consumer {
    spool: Arc<Shared>,
    lock: File,
    process: u32,
    /// The durable state; its writers are as of the last time it was written.
    progress: Progress,
    streams: BTreeMap<WriterId, WriterStream>,
    files: SegmentFiles,
    window: Window,
    generation: u64,
}

/// A transaction of which the outcome is not known here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InDoubt {
    pub transaction: TransactionId,
    pub doubt: Doubt,
    /// The note of its seal, if it is sealed.
    pub note: Option<Vec<u8>>,
    pub record_count: u32,
}

/// The outcome of a transaction that was in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// In microseconds since 1970.
    Committed {
        committed_at: i64,
    },
    Aborted,
}

impl Consumer {
    pub(crate) fn new(spool: Arc<Shared>, lock: File) -> Result<Self, SpoolError> {
        let progress = Progress::read(&spool.directory, spool.id)?;
        let streams = progress
            .writers
            .iter()
            .map(|(writer, state)| (*writer, WriterStream::new(*writer, Some(state))))
            .collect();
        let files = SegmentFiles::new(&spool.directory, MAX_OPEN_FILES);
        Ok(Self {
            spool,
            lock,
            process: std::process::id(),
            progress,
            streams,
            files,
            window: Window::default(),
            generation: 0,
        })
    }

    /// Reads what was appended since the last call; returns how many transactions are ready.
    ///
    /// Reading ahead is bounded, so with a long backlog later calls find more.
    ///
    /// # Errors
    ///
    /// One writer's error does not keep the others' transactions from becoming ready; it
    /// comes again with the next call.
    pub fn poll(&mut self) -> Result<usize, SpoolError> {
        self.check_owner()?;
        let listing = self.spool.directory.list()?;
        remove_unfinished(&listing)?;
        for writer in listing.segments.keys() {
            self.streams.entry(*writer).or_insert_with(|| WriterStream::new(*writer, None));
        }
        let mut result = Ok(());
        for (writer, stream) in &mut self.streams {
            let segments = listing.segments.get(writer).map_or(&[][..], Vec::as_slice);
            let (files, window) = (&mut self.files, &mut self.window);
            let advanced = stream.advance(self.spool.id, files, window, segments, READ_AHEAD);
            result = result.and(advanced.map(drop));
        }
        let kept = self.keep_damages();
        self.apply_resolutions();
        let settled = self.streams.iter().any(|(writer, stream)| {
            let first = listing.segments.get(writer).and_then(|segments| segments.first());
            first.is_some_and(|first| *first < stream.low_water().segment)
        });
        if settled {
            self.write_progress()?;
            self.delete_settled(&listing)?;
        }
        let is_idle = |stream: &WriterStream| {
            stream.is_dead()
                && stream.low_water().offset == 0
                && stream.committed.is_empty()
                && stream.open.is_empty()
                && stream.damages.is_empty()
        };
        self.streams
            .retain(|writer, stream| listing.segments.contains_key(writer) || !is_idle(stream));
        result.and(kept)?;
        Ok(self.streams.values().map(|stream| stream.committed.len()).sum())
    }

    /// Reads the next batch; it stays ready until [`finish_batch`](Self::finish_batch).
    ///
    /// The transactions are in the order of their commits, each writer's in the order of its
    /// marks. A transaction beyond the limits is handed out in parts.
    ///
    /// # Errors
    ///
    /// [`SpoolError::BatchOpen`] while a batch is begun.
    pub fn ready(&mut self, limits: BatchLimits) -> Result<Batch, SpoolError> {
        if let Some(number) = self.begun_batch() {
            return Err(SpoolError::BatchOpen(number));
        }
        let partial = self.progress.partial;
        let merge = Merge::new(&self.streams, partial);
        let mut batch = Batch::read(&mut self.files, merge, partial, limits)?;
        batch.generation = self.generation;
        Ok(batch)
    }

    /// The corruption found since the last call. The next batch that is begun makes these
    /// reports durable; if it is forgotten, they come again after the consumer is opened again.
    pub fn take_reports(&mut self) -> Vec<Report> {
        let mut reports = Vec::new();
        for (writer, stream) in &mut self.streams {
            for damage in stream.damages.iter_mut().filter(|d| d.is_kept && !d.is_taken) {
                damage.is_taken = true;
                reports.push(Report::new(&self.spool.directory, *writer, damage));
            }
        }
        reports
    }

    /// The highest number ever begun; 0 if none was.
    #[must_use]
    pub fn last_batch(&self) -> BatchNumber {
        self.progress.last_batch
    }

    /// The last batch known to be in the table; 0 if none is.
    #[must_use]
    pub fn finished_batch(&self) -> BatchNumber {
        self.progress.finished
    }

    /// The batch that was begun and neither finished nor forgotten, perhaps by a process that
    /// has died since. Ask the table for its number, then finish it or forget it.
    #[must_use]
    pub fn begun_batch(&self) -> Option<BatchNumber> {
        self.progress.begun.as_ref().map(|begun| begun.number)
    }

    /// Remembers durably what goes into the table under `number`.
    ///
    /// The caller then commits the batch and its number to the table in one step, and calls
    /// [`finish_batch`](Self::finish_batch). After a crash between the two,
    /// [`begun_batch`](Self::begun_batch) gives the number back. The batch may be empty.
    ///
    /// # Errors
    ///
    /// [`SpoolError::BatchNumberUsed`], [`SpoolError::BatchOpen`], [`SpoolError::BatchStale`].
    pub fn begin_batch(&mut self, number: BatchNumber, batch: &Batch) -> Result<(), SpoolError> {
        self.check_owner()?;
        if let Some(number) = self.begun_batch() {
            return Err(SpoolError::BatchOpen(number));
        }
        if number <= self.last_batch() {
            return Err(SpoolError::BatchNumberUsed { number, last: self.last_batch() });
        }
        if batch.generation != self.generation {
            return Err(SpoolError::BatchStale);
        }
        let mut coverage = batch.coverage();
        // An unfinished transaction stays the first until it is done.
        coverage.partial = coverage.partial.or(self.progress.partial.filter(|_| batch.is_empty()));
        for (writer, stream) in &self.streams {
            let taken = stream.damages.iter().filter(|damage| damage.is_taken);
            let positions: BTreeSet<Position> = taken.map(|damage| damage.at).collect();
            if !positions.is_empty() {
                coverage.reported.insert(*writer, positions);
            }
        }
        self.progress.last_batch = number;
        self.progress.begun = Some(Begun { number, coverage });
        // On failure the number stays used: it may have reached the disk.
        self.write_progress().inspect_err(|_| self.progress.begun = None)
    }

    /// The table has the batch: it is not handed out again, and segments that hold nothing else
    /// are deleted. After an error it can be repeated.
    ///
    /// # Errors
    ///
    /// [`SpoolError::BatchNotOpen`] for another number than the one begun.
    pub fn finish_batch(&mut self, number: BatchNumber) -> Result<(), SpoolError> {
        self.check_owner()?;
        let begun = self.take_begun(number)?;
        let before = (self.progress.finished, self.progress.partial);
        for (writer, drained) in &begun.coverage.drained {
            if let Some(stream) = self.streams.get_mut(writer) {
                stream.settle(drained);
            }
        }
        for (writer, positions) in &begun.coverage.reported {
            if let Some(stream) = self.streams.get_mut(writer) {
                stream.settle_reports(positions);
            }
        }
        self.progress.resolutions.retain(|id, _| !begun.coverage.contains(*id));
        self.progress.finished = number;
        self.progress.partial = begun.coverage.partial;
        self.generation += 1;
        if let Err(error) = self.write_progress() {
            (self.progress.finished, self.progress.partial) = before;
            self.progress.begun = Some(begun);
            return Err(error);
        }
        self.delete_settled(&self.spool.directory.list()?)
    }

    /// The table does not have the batch and never will: its transactions are ready again.
    ///
    /// # Errors
    ///
    /// [`SpoolError::BatchNotOpen`] for another number than the one begun.
    pub fn forget_batch(&mut self, number: BatchNumber) -> Result<(), SpoolError> {
        self.check_owner()?;
        let begun = self.take_begun(number)?;
        self.generation += 1;
        self.write_progress().inspect_err(|_| self.progress.begun = Some(begun))
    }

    /// The transactions whose outcome has to be found out elsewhere, by writer and number.
    ///
    /// # Errors
    ///
    /// [`SpoolError::CorruptSegment`] when the note of a seal reads no longer.
    pub fn in_doubt(&mut self) -> Result<Vec<InDoubt>, SpoolError> {
        let mut list = Vec::new();
        for (writer, stream) in &self.streams {
            for (number, transaction) in &stream.open {
                let Some(doubt) = transaction.doubt(stream.is_dead()) else { continue };
                let note = match &transaction.seal {
                    None => None,
                    Some(seal) => {
                        let mut note = Vec::new();
                        read_payload(&mut self.files, *writer, seal, &mut note)?;
                        Some(note)
                    }
                };
                let record_count = transaction.content.len();
                let transaction = stream.id_of(*number);
                list.push(InDoubt { transaction, doubt, note, record_count });
            }
        }
        Ok(list)
    }

    /// Records of a transaction in doubt, from a position on.
    ///
    /// # Errors
    ///
    /// [`SpoolError::NotInDoubt`] when it is not, or no longer.
    pub fn in_doubt_records(
        &mut self,
        transaction: TransactionId,
        first_position: u32,
        limits: BatchLimits,
    ) -> Result<Part, SpoolError> {
        let open = doubtful(&self.streams, transaction)?;
        let files = &mut self.files;
        Part::read(files, transaction.writer, &open.content, first_position, limits)
    }

    /// Settles a transaction in doubt, durably before it takes effect. A mark that its writer
    /// appends later is ignored.
    ///
    /// # Errors
    ///
    /// [`SpoolError::NotInDoubt`] when it is not, or no longer.
    pub fn resolve(
        &mut self,
        transaction: TransactionId,
        resolution: Resolution,
    ) -> Result<(), SpoolError> {
        self.check_owner()?;
        doubtful(&self.streams, transaction)?;
        let mut progress = self.current_progress();
        match resolution {
            Resolution::Committed { committed_at } => {
                progress.resolutions.insert(transaction, committed_at);
            }
            Resolution::Aborted => {
                if let Some(state) = progress.writers.get_mut(&transaction.writer) {
                    state.settled.insert(transaction.number);
                }
            }
        }
        progress.write(&self.spool.directory)?;
        self.progress = progress;
        match (resolution, self.streams.get_mut(&transaction.writer)) {
            (Resolution::Aborted, Some(stream)) => stream.abort(transaction.number),
            _ => self.apply_resolutions(),
        }
        Ok(())
    }

    /// Makes everything read so far survive a crash of the machine, for all writers.
    ///
    /// # Errors
    ///
    /// [`SpoolError::SyncFailed`] when the device may have lost some of it.
    pub fn sync_all(&mut self) -> Result<(), SpoolError> {
        self.check_owner()?;
        let mut has_synced = false;
        for (writer, stream) in &mut self.streams {
            while let Some(index) = stream.unsynced.first().copied() {
                let path = self.spool.directory.segment(*writer, index);
                match self.files.open(*writer, index) {
                    Ok(file) => file
                        .sync_data()
                        .map_err(|source| SpoolError::SyncFailed { path, source })?,
                    // Drained and deleted.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(source) => return Err(SpoolError::io("open", &path)(source)),
                }
                stream.unsynced.pop_first();
                has_synced = true;
            }
        }
        if has_synced { sync_folder(self.spool.directory.writers()) } else { Ok(()) }
    }

    fn check_owner(&self) -> Result<(), SpoolError> {
        if self.process != std::process::id() {
            return Err(SpoolError::Forked);
        }
        let path = self.spool.directory.lock();
        let metadata = self.lock.metadata().map_err(SpoolError::io("check", &path))?;
        if metadata.nlink() == 0 { Err(SpoolError::LockLost { path }) } else { Ok(()) }
    }

    fn take_begun(&mut self, number: BatchNumber) -> Result<Begun, SpoolError> {
        self.progress
            .begun
            .take_if(|begun| begun.number == number)
            .ok_or(SpoolError::BatchNotOpen(number))
    }

    /// Copies what does not read to a safe place, once.
    fn keep_damages(&mut self) -> Result<(), SpoolError> {
        for (writer, stream) in &mut self.streams {
            for damage in stream.damages.iter_mut().filter(|damage| !damage.is_kept) {
                keep(&self.spool.directory, *writer, damage.at)?;
                damage.is_kept = true;
            }
        }
        Ok(())
    }

    /// Queues the transactions in doubt that have been resolved as committed.
    fn apply_resolutions(&mut self) {
        for (transaction, committed_at) in &self.progress.resolutions {
            let Some(stream) = self.streams.get_mut(&transaction.writer) else { continue };
            let is_dead = stream.is_dead();
            let open = stream.open.get(&transaction.number);
            if open.is_some_and(|open| open.doubt(is_dead).is_some()) {
                stream.commit(transaction.number, *committed_at, None);
            }
        }
    }

    fn current_progress(&mut self) -> Progress {
        let mut progress = self.progress.clone();
        let streams = self.streams.iter_mut();
        progress.writers = streams.map(|(writer, stream)| (*writer, stream.progress())).collect();
        progress
    }

    fn write_progress(&mut self) -> Result<(), SpoolError> {
        self.progress = self.current_progress();
        self.progress.write(&self.spool.directory)
    }

    /// Deletes the segments that the durable progress has left behind.
    fn delete_settled(&mut self, listing: &Listing) -> Result<(), SpoolError> {
        for (writer, segments) in &listing.segments {
            let Some(state) = self.progress.writers.get(writer) else { continue };
            for index in segments.iter().filter(|index| **index < state.low_water.segment) {
                self.files.close(*writer, *index);
                let path = self.spool.directory.segment(*writer, *index);
                remove_file(&path).map_err(SpoolError::io("delete", &path))?;
            }
        }
        Ok(())
    }
}

fn doubtful(
    streams: &BTreeMap<WriterId, WriterStream>,
    transaction: TransactionId,
) -> Result<&OpenTransaction, SpoolError> {
    streams
        .get(&transaction.writer)
        .and_then(|stream| {
            let open = stream.open.get(&transaction.number)?;
            open.doubt(stream.is_dead()).map(|_| open)
        })
        .ok_or(SpoolError::NotInDoubt(transaction))
}

/// Removes segments whose writer died while making them; one that is alive makes its anew.
fn remove_unfinished(listing: &Listing) -> Result<(), SpoolError> {
    for path in &listing.unfinished {
        let Ok(file) = File::open(path) else { continue };
        if file.try_lock().is_ok() {
            remove_file(path).map_err(SpoolError::io("delete", path))?;
        }
    }
    Ok(())
}

/// Removes a file; that it is gone already is as good.
fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
