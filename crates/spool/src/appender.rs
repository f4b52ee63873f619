//! Appending to the segments of one writer.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::directory::sync_folder;
use crate::error::SpoolError;
use crate::frame::{Kind, push_frame};
use crate::id::{SegmentIndex, WriterId};
use crate::segment::{SEGMENT_HEADER_LEN, SegmentHeader};
use crate::spool::Shared;

/// After so many bytes the directory's use and the segment's existence are checked again.
const CHECK_EVERY: u64 = 1 << 20;
/// So many closed segments wait for a sync; more are synced one by one.
const MAX_RETIRED: usize = 4;
/// A larger frame buffer is given back after its append.
const MAX_IDLE_BUFFER: usize = 4 << 20;
/// How often a segment is made again when its unfinished file is cleaned away.
const MAX_CREATIONS: usize = 16;
/// A longer mark is not kept when its write fails.
const MAX_OWED: usize = 64 << 10;

/// Whether an append counts against the disk limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    Limited,
    /// A mark: the transaction has been admitted before.
    Always,
}

/// The segments of one writer identity.
#[derive(Debug)]
pub(crate) struct Appender {
    spool: Arc<Shared>,
    writer: WriterId,
    process: u32,
    next_index: SegmentIndex,
    segment: Option<OpenSegment>,
    /// Left and not yet synced. The newest one keeps the writer alive until it has a successor.
    retired: Vec<OpenSegment>,
    frames: Vec<u8>,
    /// Marks whose write failed, oldest first: they come before whatever is written next.
    owed: VecDeque<Vec<u8>>,
    /// Whether the last append failed behind its first frame, which stays.
    has_left_frame: bool,
    usage: Usage,
}

/// A segment file under its writer's lock.
#[derive(Debug)]
struct OpenSegment {
    file: File,
    path: PathBuf,
    len: u64,
    checked_at: u64,
}

/// Bytes used by the whole spool, as far as this writer knows.
#[derive(Debug, Default)]
struct Usage {
    counted: Option<u64>,
    appended: u64,
}

impl Appender {
    pub(crate) fn new(spool: Arc<Shared>) -> Result<Self, SpoolError> {
        let root = spool.directory.root();
        let writer = WriterId::random().map_err(SpoolError::io("draw a writer for", root))?;
        Ok(Self {
            spool,
            writer,
            process: std::process::id(),
            next_index: SegmentIndex(0),
            segment: None,
            retired: Vec::new(),
            frames: Vec::new(),
            owed: VecDeque::new(),
            has_left_frame: false,
            usage: Usage::default(),
        })
    }

    pub(crate) fn writer(&self) -> WriterId {
        self.writer
    }

    /// Whether the last append failed and has left its first frame behind.
    pub(crate) fn has_left_frame(&self) -> bool {
        self.has_left_frame
    }

    pub(crate) fn spool(&self) -> &Arc<Shared> {
        &self.spool
    }

    /// Appends one or two frames by one write.
    ///
    /// `build` pushes them and returns the length of the first. When the write fails
    /// half-way, the segment is cut back to a whole frame.
    pub(crate) fn append(
        &mut self,
        admission: Admission,
        build: impl FnOnce(&mut Vec<u8>) -> Result<usize, SpoolError>,
    ) -> Result<(), SpoolError> {
        if self.process != std::process::id() {
            return Err(SpoolError::Forked);
        }
        self.frames.clear();
        let first_len = build(&mut self.frames)?;
        self.has_left_frame = false;
        if self.frames.is_empty() {
            return Ok(());
        }
        self.write_owed()?;
        let frames = std::mem::take(&mut self.frames);
        let appended = self.write(admission, &frames, first_len);
        if frames.capacity() <= MAX_IDLE_BUFFER {
            self.frames = frames;
        }
        appended
    }

    /// Appends a mark. If that fails it is owed, and written before whatever comes next.
    ///
    /// `build` pushes the mark, and `shorter` what to owe in its place if it is too long to be kept.
    pub(crate) fn append_mark(
        &mut self,
        build: impl Fn(&mut Vec<u8>) -> Result<(), SpoolError>,
        shorter: impl FnOnce(&mut Vec<u8>) -> Result<(), SpoolError>,
    ) -> Result<(), SpoolError> {
        let appended = self.append(Admission::Always, |out| {
            build(out)?;
            Ok(out.len())
        });
        if appended.is_err() && self.process == std::process::id() {
            let mut mark = Vec::new();
            if build(&mut mark).is_err() || mark.len() > MAX_OWED {
                mark.clear();
                shorter(&mut mark)?;
            }
            self.owed.push_back(mark);
        }
        appended
    }

    /// Writes the marks that are owed.
    pub(crate) fn write_owed(&mut self) -> Result<(), SpoolError> {
        while let Some(mark) = self.owed.pop_front() {
            if let Err(error) = self.write(Admission::Always, &mark, mark.len()) {
                self.owed.push_front(mark);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Writes whole frames, the first of which has `first_len` bytes, to the segment there is room for them in.
    fn write(
        &mut self,
        admission: Admission,
        frames: &[u8],
        first_len: usize,
    ) -> Result<(), SpoolError> {
        let len = frames.len() as u64;
        if admission == Admission::Limited {
            if let Err(refusal) = self.admit(len) {
                self.let_go()?;
                return Err(refusal);
            }
            let segment_size = self.spool.options.segment_size;
            if self.segment.as_ref().is_some_and(|segment| segment.is_full(len, segment_size)) {
                self.rotate()?;
            }
        }
        if self.segment.is_none() {
            self.start_segment()?;
        }
        let segment = self.segment.as_mut().expect("started above");
        if segment.len - segment.checked_at >= CHECK_EVERY {
            segment.checked_at = segment.len;
            self.check_not_lost()?;
        }
        let segment = self.segment.as_mut().expect("checked above");
        let before = segment.len;
        let written = segment.write(frames, first_len);
        self.usage.appended += segment.len - before;
        let Err(failure) = written else { return Ok(()) };
        let error = SpoolError::write(&segment.path, failure.source);
        self.has_left_frame = segment.len > before;
        if failure.is_dirty {
            // Nothing may follow bytes that could not be cut off.
            self.retired.extend(self.segment.take());
        }
        Err(error)
    }

    /// Makes everything appended so far survive a crash of the machine.
    pub(crate) fn sync(&mut self) -> Result<(), SpoolError> {
        if self.process != std::process::id() {
            return Err(SpoolError::Forked);
        }
        self.write_owed()?;
        if self.segment.is_some() {
            self.check_not_lost()?;
        }
        let failed = self
            .retired
            .iter()
            .chain(&self.segment)
            .find_map(|segment| Some((segment.file.sync_data().err()?, segment.path.clone())));
        if let Some((source, path)) = failed {
            // What the kernel still holds of it is unknown: go on elsewhere.
            self.close_segment();
            self.retired.drain(..self.retired.len().saturating_sub(1));
            return Err(SpoolError::SyncFailed { path, source });
        }
        if self.segment.is_some() {
            self.retired.clear();
        }
        if self.segment.is_some() || !self.retired.is_empty() {
            sync_folder(self.spool.directory.writers())?;
        }
        Ok(())
    }

    /// Refuses an append of `len` bytes that would pass the disk limit.
    fn admit(&mut self, len: u64) -> Result<(), SpoolError> {
        let limit = self.spool.options.disk_limit;
        let fits = |usage: &Usage| {
            usage.counted.is_some_and(|counted| counted + usage.appended + len <= limit)
        };
        if self.usage.appended < CHECK_EVERY && fits(&self.usage) {
            return Ok(());
        }
        // Counted again before refusing: the consumer may have deleted segments.
        let used = self.spool.directory.usage()?;
        self.usage = Usage { counted: Some(used), appended: 0 };
        if fits(&self.usage) { Ok(()) } else { Err(SpoolError::Full { used, limit }) }
    }

    /// Fails, and leaves the segment, if somebody has deleted it.
    fn check_not_lost(&mut self) -> Result<(), SpoolError> {
        let Some(segment) = &self.segment else { return Ok(()) };
        let metadata = segment.file.metadata().map_err(SpoolError::io("check", &segment.path))?;
        if metadata.nlink() > 0 {
            return Ok(());
        }
        let path = segment.path.clone();
        self.segment = None;
        Err(SpoolError::SegmentLost { path })
    }

    /// Closes the segment; the next append starts a new one.
    fn rotate(&mut self) -> Result<(), SpoolError> {
        self.check_not_lost()?;
        if let Some(segment) = &mut self.segment {
            segment.write_closed().map_err(|error| SpoolError::write(&segment.path, error))?;
            self.retired.extend(self.segment.take());
        }
        while self.retired.len() > MAX_RETIRED {
            let oldest = self.retired.remove(0);
            if let Err(source) = oldest.file.sync_data() {
                return Err(SpoolError::SyncFailed { path: oldest.path, source });
            }
        }
        Ok(())
    }

    /// Goes on in a new segment, so that the consumer can delete the one that is full of drained records.
    ///
    /// The new one is started at once: without a segment, this writer would look dead.
    fn let_go(&mut self) -> Result<(), SpoolError> {
        let has_records =
            self.segment.as_ref().is_some_and(|segment| segment.len > SEGMENT_HEADER_LEN as u64);
        if has_records {
            self.rotate()?;
            self.start_segment()?;
        }
        Ok(())
    }

    /// Leaves the segment, closed if that can be written.
    fn close_segment(&mut self) {
        if let Some(mut segment) = self.segment.take() {
            // Without it the reader keeps and reports the end of the segment: nothing is hidden.
            let _ = segment.write_closed();
            self.retired.push(segment);
        }
    }

    /// Makes the next segment. It is locked before it has its name, so no one ever sees a
    /// living writer's segment unlocked.
    fn start_segment(&mut self) -> Result<(), SpoolError> {
        let header =
            SegmentHeader { spool: self.spool.id, writer: self.writer, index: self.next_index };
        let path = self.spool.directory.writers().join(header.file_name());
        let unfinished = path.with_extension("tmp");
        for _ in 0..MAX_CREATIONS {
            match create_segment(&unfinished, &path, &header) {
                Ok(file) => {
                    let len = SEGMENT_HEADER_LEN as u64;
                    self.usage.appended += len;
                    self.segment = Some(OpenSegment { file, path, len, checked_at: len });
                    self.next_index = self.next_index.next();
                    return Ok(());
                }
                // The consumer took the file for one left by a dead process: once more.
                Err(error) if error.kind() == io::ErrorKind::NotFound && unfinished_gone(&path) => {
                }
                Err(error) => {
                    let _ = fs::remove_file(&unfinished);
                    return Err(SpoolError::write(&path, error));
                }
            }
        }
        Err(SpoolError::io("create", &path)(io::ErrorKind::NotFound.into()))
    }
}

/// Whether a missing file, not a missing folder, explains a failed creation.
fn unfinished_gone(path: &Path) -> bool {
    path.parent().is_some_and(Path::exists)
}

fn create_segment(unfinished: &Path, path: &Path, header: &SegmentHeader) -> io::Result<File> {
    let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(unfinished)?;
    file.lock()?;
    file.set_len(0)?;
    file.write_all(&header.encode())?;
    fs::rename(unfinished, path)?;
    Ok(file)
}

impl Drop for Appender {
    /// Closes the segment in order, so that readers need not wait for the process to end.
    fn drop(&mut self) {
        // A forked child must not write into its parent's segment.
        if self.process == std::process::id() && self.check_not_lost().is_ok() {
            // Without its mark, a sealed transaction is in doubt from now on.
            let _ = self.write_owed();
            self.close_segment();
        }
    }
}

/// A write that failed, and whether bytes of it remain.
struct WriteFailure {
    source: io::Error,
    is_dirty: bool,
}

impl OpenSegment {
    fn is_full(&self, more: u64, segment_size: u64) -> bool {
        self.len > SEGMENT_HEADER_LEN as u64 && self.len + more > segment_size
    }

    /// Appends `bytes`, or on failure nothing, or the first frame of `first_len` bytes.
    ///
    /// A whole first frame stays because the consumer may have read it already; it is
    /// harmless without its seal.
    fn write(&mut self, bytes: &[u8], first_len: usize) -> Result<(), WriteFailure> {
        let mut written = 0;
        while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
            let source = match (&self.file).write(rest) {
                Ok(0) => io::ErrorKind::WriteZero.into(),
                Ok(count) => {
                    written += count;
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => error,
            };
            let keep = if written >= first_len { first_len } else { 0 };
            self.len += keep as u64;
            let is_dirty = written > keep && self.file.set_len(self.len).is_err();
            return Err(WriteFailure { source, is_dirty });
        }
        self.len += written as u64;
        Ok(())
    }

    fn write_closed(&mut self) -> io::Result<()> {
        let mut frame = Vec::new();
        push_frame(&mut frame, Kind::Closed, 0, &[]).map_err(io::Error::other)?;
        self.write(&frame, frame.len()).map_err(|failure| failure.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Options, RecordBuffer, Spool};

    #[test]
    fn a_forked_child_neither_appends_nor_closes() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path(), Options::default()).unwrap();
        let mut writer = spool.writer().unwrap();
        let transaction = writer.begin().unwrap();
        let mut records = RecordBuffer::new();
        records.push(b"of the parent").unwrap();
        writer.append_complete(transaction, 1, &records).unwrap();
        let used = spool.usage().unwrap();
        writer.appender_mut().process = 0;
        let refused = writer.append_complete(transaction, 1, &records);
        assert!(matches!(refused, Err(SpoolError::Forked)));
        assert!(matches!(writer.sync(), Err(SpoolError::Forked)));
        drop(writer);
        assert_eq!(spool.usage().unwrap(), used);
    }

    #[test]
    fn a_segment_given_up_is_followed_by_another_and_reads_whole() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path(), Options::default()).unwrap();
        let mut writer = spool.writer().unwrap();
        let mut records = RecordBuffer::new();
        records.push(b"record").unwrap();
        for at in 0..3 {
            let transaction = writer.begin().unwrap();
            writer.append_complete(transaction, at, &records).unwrap();
            // What a failed sync does.
            writer.appender_mut().close_segment();
        }
        let mut consumer = spool.elect_consumer().unwrap().unwrap();
        assert_eq!(consumer.poll().unwrap(), 3);
        assert_eq!(consumer.take_reports(), []);
        assert_eq!(
            writer
                .appender_mut()
                .spool
                .directory
                .list()
                .unwrap()
                .segments
                .values()
                .flatten()
                .count(),
            3
        );
    }
}
