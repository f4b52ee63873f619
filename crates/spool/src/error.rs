use std::io;
use std::path::{Path, PathBuf};

use crate::id::{BatchNumber, TransactionId};

/// Why an operation on a [`Spool`](crate::Spool) failed.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The operating system refused: the source says why.
    #[error("cannot {action} {}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    /// The disk limit is reached: drain the spool, then append again. Nothing was appended.
    #[error("spool is full: {used} of {limit} bytes in use")]
    Full { used: u64, limit: u64 },
    /// The device has no room: free some, then append again. Nothing was appended.
    #[error("no space left to write {}", path.display())]
    NoSpace { path: PathBuf },
    /// The records do not fit into one frame: append them in smaller chunks.
    #[error("{bytes} bytes do not fit into a frame of at most {limit}")]
    TooLarge { bytes: u64, limit: u64 },
    /// A sync failed, so what was appended since the last one may be lost by a crash of the
    /// machine. The writer goes on in a new segment.
    #[error("cannot sync {}; going on in a new segment", path.display())]
    SyncFailed { path: PathBuf, source: io::Error },
    /// Somebody deleted the segment under its writer: what it held since the last check is lost.
    /// The next append starts a new segment.
    #[error("segment {} was deleted while in use; its undrained records are lost", path.display())]
    SegmentLost { path: PathBuf },
    /// This process is a fork of the owner: drop the inherited value and make a new one.
    #[error("inherited over a fork: make a new one in the child")]
    Forked,
    /// The transaction was not begun by this writer, or is of an identity it has given up.
    #[error("transaction {0} is not of this writer")]
    ForeignTransaction(TransactionId),
    /// The directory is not a spool: correct the path.
    #[error("{} is not a spool", path.display())]
    NotASpool { path: PathBuf },
    /// A newer program wrote this: update this one.
    #[error("{} has format version {found}; this program knows up to {supported}", path.display())]
    NewerVersion { path: PathBuf, found: u32, supported: u32 },
    /// A file of the spool itself is damaged: stop, and restore or investigate it.
    #[error("{} is corrupt: {what}", path.display())]
    Corrupt { path: PathBuf, what: &'static str },
    /// Bytes of a segment that had been read once are different now: stop and investigate.
    #[error("{} is corrupt at byte {offset}", path.display())]
    CorruptSegment { path: PathBuf, offset: u64, source: FrameFault },
    /// The consumer's lock file was removed, so another one may have been elected: open again.
    #[error("{} was removed while in use", path.display())]
    LockLost { path: PathBuf },
    /// A batch is begun: finish or forget it first.
    #[error("batch {0} is begun and not finished")]
    BatchOpen(BatchNumber),
    /// This batch is not the one that is begun.
    #[error("batch {0} is not begun")]
    BatchNotOpen(BatchNumber),
    /// The number has been used: take one above `last`.
    #[error("batch number {number} is not above {last}")]
    BatchNumberUsed { number: BatchNumber, last: BatchNumber },
    /// The batch was taken before another one was finished: take it again.
    #[error("batch is out of date")]
    BatchStale,
    /// The transaction is not in doubt here: read the list again.
    #[error("transaction {0} is not in doubt")]
    NotInDoubt(TransactionId),
}

impl SpoolError {
    /// Wraps an I/O error with what was tried on which path; for `map_err`.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }

    /// Like [`Self::io`], with [`Self::NoSpace`] told apart.
    pub(crate) fn write(path: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::NoSpace { path: path.to_owned() }
            }
            _ => Self::Io { action: "write", path: path.to_owned(), source },
        }
    }
}

/// What does not check in a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameFault {
    #[error("the segment header does not check")]
    SegmentHeader,
    #[error("the segment belongs to another spool, writer or place")]
    ForeignSegment,
    #[error("a frame header does not check")]
    Header,
    #[error("a payload does not match its checksum")]
    Payload,
    #[error("a frame has an unknown kind or a payload of another form")]
    Malformed,
    #[error("a frame is cut short")]
    CutShort,
    #[error("bytes follow the end of the segment")]
    AfterEnd,
    #[error("the end of the segment is missing")]
    EndMissing,
    #[error("the segment is missing")]
    SegmentMissing,
}
