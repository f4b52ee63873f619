//! Open segment files, reused while they are being read.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io;
use std::sync::Arc;

use crate::directory::Directory;
use crate::id::{SegmentIndex, WriterId};

/// Segments opened for reading, at most `limit` of them.
#[derive(Debug)]
pub(crate) struct SegmentFiles {
    directory: Directory,
    open: BTreeMap<(WriterId, SegmentIndex), Arc<File>>,
    limit: usize,
}

impl SegmentFiles {
    pub(crate) fn new(directory: &Directory, limit: usize) -> Self {
        Self { directory: directory.clone(), open: BTreeMap::new(), limit }
    }

    pub(crate) fn directory(&self) -> &Directory {
        &self.directory
    }

    pub(crate) fn open(&mut self, writer: WriterId, index: SegmentIndex) -> io::Result<Arc<File>> {
        if let Some(file) = self.open.get(&(writer, index)) {
            return Ok(Arc::clone(file));
        }
        let file = Arc::new(File::open(self.directory.segment(writer, index))?);
        if self.open.len() >= self.limit {
            self.open.clear();
        }
        self.open.insert((writer, index), Arc::clone(&file));
        Ok(file)
    }

    pub(crate) fn close(&mut self, writer: WriterId, index: SegmentIndex) {
        self.open.remove(&(writer, index));
    }

    pub(crate) fn retain(&mut self, mut wanted: impl FnMut(WriterId, SegmentIndex) -> bool) {
        self.open.retain(|(writer, index), _| wanted(*writer, *index));
    }
}

/// Whether a writer holds the segment. The shared lock of the probe disturbs no other probe.
pub(crate) fn is_locked(file: &File) -> io::Result<bool> {
    match file.try_lock_shared() {
        Ok(()) => file.unlock().map(|()| false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}
