//! What has been drained: the one file the consumer owns.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::directory::{Directory, replace_file};
use crate::error::SpoolError;
use crate::id::{BatchNumber, Position, SpoolId, TransactionId, WriterId};
use crate::number_set::NumberSet;
use crate::progress_codec;

/// The state of the drain, as it is on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) spool: SpoolId,
    /// Highest number ever begun.
    pub(crate) last_batch: BatchNumber,
    pub(crate) finished: BatchNumber,
    pub(crate) partial: Option<Partial>,
    pub(crate) writers: BTreeMap<WriterId, WriterProgress>,
    /// Transactions that were in doubt and are committed, with the time.
    pub(crate) resolutions: BTreeMap<TransactionId, i64>,
    pub(crate) begun: Option<Begun>,
}

/// A transaction that is drained up to a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Partial {
    pub(crate) transaction: TransactionId,
    pub(crate) next_position: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WriterProgress {
    /// Every frame before it belongs to a settled transaction.
    pub(crate) low_water: Position,
    /// No frame of a transaction in `settled` is at it or after it.
    pub(crate) read_to: Position,
    pub(crate) settled: NumberSet,
    /// Where corruption was found and has been reported.
    pub(crate) reported: BTreeSet<Position>,
}

/// A batch that may or may not be in the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Begun {
    pub(crate) number: BatchNumber,
    pub(crate) coverage: Coverage,
}

/// What a batch takes out of the spool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Coverage {
    pub(crate) partial: Option<Partial>,
    pub(crate) drained: BTreeMap<WriterId, NumberSet>,
    pub(crate) reported: BTreeMap<WriterId, BTreeSet<Position>>,
}

impl Coverage {
    pub(crate) fn contains(&self, transaction: TransactionId) -> bool {
        self.drained
            .get(&transaction.writer)
            .is_some_and(|numbers| numbers.contains(transaction.number))
    }
}

impl Progress {
    pub(crate) fn new(spool: SpoolId) -> Self {
        Self {
            spool,
            last_batch: BatchNumber(0),
            finished: BatchNumber(0),
            partial: None,
            writers: BTreeMap::new(),
            resolutions: BTreeMap::new(),
            begun: None,
        }
    }

    /// Reads the file; a missing one is corruption, because it is made with the spool.
    pub(crate) fn read(directory: &Directory, spool: SpoolId) -> Result<Self, SpoolError> {
        let path = directory.progress();
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(SpoolError::Corrupt { path, what: "it is missing" });
            }
            Err(source) => return Err(SpoolError::io("read", &path)(source)),
        };
        let progress = progress_codec::decode(&path, &bytes)?;
        if progress.spool != spool {
            return Err(SpoolError::Corrupt { path, what: "it belongs to another spool" });
        }
        Ok(progress)
    }

    /// Makes this the durable state.
    pub(crate) fn write(&self, directory: &Directory) -> Result<(), SpoolError> {
        replace_file(&directory.progress(), &progress_codec::encode(self))
    }
}
