//! Why the engine could not do what it was asked, and what the caller should do.

use std::path::PathBuf;

use trailkeeper_merkle::MerkleError;
use trailkeeper_spool::SpoolError;
use trailkeeper_store::StoreError;

/// The result of an operation on a trail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What the caller should do about an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Correct the request.
    Invalid,
    /// Stop looking.
    NotFound,
    /// Reread, or settle who owns what, then retry.
    Conflict,
    /// Retry later.
    Unavailable,
    /// Alert a person, never retry.
    Corrupt,
    /// Report a defect.
    Internal,
}

/// Why an operation on a [`Trail`](crate::Trail) failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed: see its message.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The spool failed: see its message.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// Tiles, a proof or a note do not read: what is stored is not what was written.
    #[error(transparent)]
    Merkle(#[from] MerkleError),
    /// The trail was opened without a spool: name one.
    #[error("this needs a spool, and none is set")]
    NoSpool,
    /// A file beside the store could not be read or written.
    #[error("cannot {action} {}", path.display())]
    Io { action: &'static str, path: PathBuf, source: std::io::Error },
    /// Restore the key file, or point the setting at another store.
    #[error(
        "the store at {location} belongs to {source_name} and is signed with the key {key}; \
         restore that key as {}, or use another store", path.display()
    )]
    ForeignStore { location: String, source_name: String, key: String, path: PathBuf },
    /// Restore the store, or move the key file away to begin a new trail.
    #[error(
        "the key in {} signs for {name}, and the store at {location} is {expected}; restore the store that was there, \
         or move the key file away to begin a new trail", path.display()
    )]
    OtherStore { location: String, name: String, expected: String, path: PathBuf },
    /// The key file is not one: restore it.
    #[error("the key file {} does not read", path.display())]
    Key { path: PathBuf, source: MerkleError },
    /// The identity of the store is not what was written: stop and investigate.
    #[error("identity.json of the store at {location} does not read")]
    Identity { location: String },
    /// The signed checkpoint and the table contradict each other: verify the trail and investigate.
    /// Events stay in the spool.
    #[error("nothing is drained: {reason}; run `trailkeeper verify`")]
    Checkpoint { reason: String },
    /// The rows of the table do not give the tree it claims: verify the trail and investigate.
    /// Events stay in the spool.
    #[error(
        "the events of the table do not give the root hash in its log; run `trailkeeper verify`"
    )]
    Tree,
    /// Others commit all the time: retry later.
    #[error("{attempts} commits in a row lost against other drainers")]
    Contended { attempts: usize },
    /// What was committed before the call is not all in the store yet: retry, or look for a drainer
    /// that fails.
    #[error("{transactions} transactions wait to be drained after {seconds} s")]
    Timeout { transactions: usize, seconds: u64 },
    /// What is exported cannot be written: make room, or choose another place.
    #[error("the events cannot be written out")]
    Output(#[source] std::io::Error),
    /// There is nothing to prove events by: export them without proofs, or let the drainer sign first.
    #[error("there is no proof: {reason}")]
    NoProof { reason: String },
    /// An event is not the one that was signed: verify the trail and investigate.
    #[error("the event with seq {seq} is not the one in the signed tree; run `trailkeeper verify`")]
    NotInTree { seq: u64 },
    /// The place for the copy is not free: choose another one.
    #[error("nothing is copied to {location}: {reason}")]
    CopyTarget { location: String, reason: &'static str },
    /// A file of events that the table names is not there: verify the trail and investigate.
    #[error("the file {path} is missing in the store; run `trailkeeper verify`")]
    MissingFile { path: String },
    /// The process was forked after this trail was used: open it again in the child.
    #[error("the trail was opened before a fork: open it again in this process")]
    Forked,
    /// The request cannot be answered: correct it.
    #[error("{0}")]
    Invalid(String),
    /// A defect of this program: report it.
    #[error("internal error: {0}")]
    Internal(String),
}

impl Error {
    /// What the caller should do.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Store(error) => store_kind(error),
            Self::Spool(error) => spool_kind(error),
            Self::NoSpool | Self::CopyTarget { .. } | Self::Invalid(_) => ErrorKind::Invalid,
            Self::ForeignStore { .. } | Self::OtherStore { .. } => ErrorKind::Conflict,
            Self::Io { .. }
            | Self::Contended { .. }
            | Self::Timeout { .. }
            | Self::Output(_)
            | Self::NoProof { .. } => ErrorKind::Unavailable,
            Self::Merkle(_)
            | Self::Key { .. }
            | Self::Identity { .. }
            | Self::Checkpoint { .. }
            | Self::NotInTree { .. }
            | Self::MissingFile { .. }
            | Self::Tree => ErrorKind::Corrupt,
            Self::Forked | Self::Internal(_) => ErrorKind::Internal,
        }
    }

    pub(crate) fn io(
        action: &'static str,
        path: &std::path::Path,
    ) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }
}

const fn store_kind(error: &StoreError) -> ErrorKind {
    match error {
        StoreError::Location { .. }
        | StoreError::NotAFolder { .. }
        | StoreError::NotATrail { .. }
        | StoreError::Format { .. }
        | StoreError::Settings { .. }
        | StoreError::Query { .. }
        | StoreError::TooManyRows { .. } => ErrorKind::Invalid,
        StoreError::Missing { .. } | StoreError::NoBucket { .. } => ErrorKind::NotFound,
        StoreError::ReadOnly { .. }
        | StoreError::NoCredentials { .. }
        | StoreError::Refused { .. }
        | StoreError::Region { .. }
        | StoreError::Full { .. }
        | StoreError::Unavailable { .. }
        | StoreError::Output(_)
        | StoreError::Resources { .. } => ErrorKind::Unavailable,
        StoreError::Corrupt { .. } => ErrorKind::Corrupt,
        StoreError::Internal { .. } => ErrorKind::Internal,
    }
}

const fn spool_kind(error: &SpoolError) -> ErrorKind {
    match error {
        SpoolError::NotASpool { .. }
        | SpoolError::NewerVersion { .. }
        | SpoolError::TooLarge { .. } => ErrorKind::Invalid,
        SpoolError::NotInDoubt(_) => ErrorKind::NotFound,
        SpoolError::LockLost { .. } => ErrorKind::Conflict,
        SpoolError::Io { .. }
        | SpoolError::Full { .. }
        | SpoolError::NoSpace { .. }
        | SpoolError::SyncFailed { .. }
        | SpoolError::SegmentLost { .. } => ErrorKind::Unavailable,
        SpoolError::Corrupt { .. } | SpoolError::CorruptSegment { .. } => ErrorKind::Corrupt,
        SpoolError::Forked
        | SpoolError::ForeignTransaction(_)
        | SpoolError::BatchOpen(_)
        | SpoolError::BatchNotOpen(_)
        | SpoolError::BatchNumberUsed { .. }
        | SpoolError::BatchStale => ErrorKind::Internal,
    }
}
