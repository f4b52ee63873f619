//! The one writer of a process.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use trailkeeper_spool::{Options, Spool, SpoolError, Writer};

use crate::error::to_py;

/// Appends to the spool in `directory`, which is made if it is not there.
///
/// A forked child needs a recorder of its own: see the `trailkeeper-spool` crate.
#[pyclass(frozen, module = "trailkeeper._recorder")]
pub(crate) struct Recorder {
    writer: Mutex<Writer>,
    spool: Spool,
}

#[pymethods]
impl Recorder {
    /// `disk_limit` bounds the bytes of all segments in the spool.
    #[new]
    fn new(directory: PathBuf, disk_limit: u64) -> PyResult<Self> {
        let options = Options { disk_limit, ..Options::default() };
        let spool = Spool::open(&directory, options).map_err(to_py)?;
        let writer = spool.writer().map_err(to_py)?;
        Ok(Self { writer: Mutex::new(writer), spool })
    }

    /// The writer's name: 16 hex digits.
    #[getter]
    fn writer(&self) -> String {
        self.lock().id().to_string()
    }

    /// The bytes that the spool's segments take.
    fn usage(&self) -> PyResult<u64> {
        self.spool.usage().map_err(to_py)
    }

    /// Whether some process drains the spool.
    fn has_consumer(&self) -> PyResult<bool> {
        Ok(self.spool.elect_consumer().map_err(to_py)?.is_none())
    }

    /// Writes the outcomes of transactions that could not be written when they were known.
    fn write_owed(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.lock().write_owed()).map_err(to_py)
    }

    /// Makes what this process has appended survive a power cut.
    fn sync(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.lock().sync()).map_err(to_py)
    }
}

impl Recorder {
    /// Runs `append` with the process's writer.
    pub(crate) fn with_writer<T>(
        &self,
        append: impl FnOnce(&mut Writer) -> Result<T, SpoolError>,
    ) -> PyResult<T> {
        append(&mut self.lock()).map_err(to_py)
    }

    // A panic while the lock is held leaves the writer as its last append left it.
    fn lock(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
