//! Bytes that did not read: kept aside, and reported.

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom};
use std::path::PathBuf;

use crate::directory::{Directory, create_file, sync_folder};
use crate::error::{FrameFault, SpoolError};
use crate::id::{Position, WriterId};
use crate::stream::Damage;

/// Something the caller should put on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// Part of a segment did not read. Transactions without mark at that point are in doubt.
    Corrupt {
        writer: WriterId,
        /// Where it starts.
        at: Position,
        /// How many bytes, to the end of the segment, are kept aside.
        bytes: u64,
        fault: FrameFault,
        kept_as: PathBuf,
    },
    /// A segment is missing that should follow what was read.
    Missing { writer: WriterId, at: Position },
}

impl Report {
    pub(crate) fn new(directory: &Directory, writer: WriterId, damage: &Damage) -> Self {
        let Damage { at, bytes, fault, .. } = *damage;
        if fault == FrameFault::SegmentMissing {
            return Self::Missing { writer, at };
        }
        Self::Corrupt { writer, at, bytes, fault, kept_as: directory.kept(writer, at) }
    }
}

/// Copies the bytes from `at` to the end of the segment into `kept/`, durably.
pub(crate) fn keep(
    directory: &Directory,
    writer: WriterId,
    at: Position,
) -> Result<(), SpoolError> {
    let source_path = directory.segment(writer, at.segment);
    let path = directory.kept(writer, at);
    let unfinished = path.with_extension("tmp");
    let mut source = File::open(&source_path).map_err(SpoolError::io("open", &source_path))?;
    source.seek(SeekFrom::Start(at.offset)).map_err(SpoolError::io("read", &source_path))?;
    let mut target = create_file(&unfinished).map_err(SpoolError::io("create", &unfinished))?;
    io::copy(&mut source, &mut target)
        .and_then(|_| target.sync_all())
        .map_err(|error| SpoolError::write(&unfinished, error))?;
    fs::rename(&unfinished, &path).map_err(SpoolError::io("create", &path))?;
    sync_folder(&directory.kept_folder())
}
