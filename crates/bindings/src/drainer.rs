//! `trailkeeper_engine.Drainer`.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};
use trailkeeper_engine::{
    BatchLimits, Clock as _, Drainer, FILE_GRACE, InDoubtTransaction, Resolution, SystemClock,
};

use crate::error::to_py;

/// After a batch of fewer events, no more were waiting when it was taken.
const SMALL_BATCH: u64 = 8192;
/// How often files are looked for that were replaced long ago.
const VACUUM_INTERVAL: Duration = Duration::from_secs(60 * 60);

/// The elected drainer of a spool. It stays elected until `close`, or until it is collected.
#[pyclass(frozen, name = "Drainer", module = "trailkeeper_engine")]
pub(crate) struct PyDrainer {
    drainer: Mutex<Option<Drainer>>,
    vacuumed: Mutex<Option<Instant>>,
}

impl PyDrainer {
    pub(crate) fn new(drainer: Drainer) -> Self {
        Self { drainer: Mutex::new(Some(drainer)), vacuumed: Mutex::new(None) }
    }

    /// Whether it is time to look for files to delete; from now on it is not.
    fn is_vacuum_due(&self) -> bool {
        let mut last = self.vacuumed.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = last.is_none_or(|last| last.elapsed() > VACUUM_INTERVAL);
        if is_due {
            *last = Some(Instant::now());
        }
        is_due
    }

    fn lock(&self) -> MutexGuard<'_, Option<Drainer>> {
        self.drainer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `call` with the drainer, other threads of the interpreter going on.
    fn with<T: Send>(
        &self,
        py: Python<'_>,
        call: impl FnOnce(&mut Drainer) -> trailkeeper_engine::Result<T> + Send,
    ) -> PyResult<T> {
        py.detach(|| self.lock().as_mut().map(call))
            .ok_or_else(|| PyValueError::new_err("the drainer is closed"))?
            .map_err(|error| to_py(py, &error))
    }
}

#[pymethods]
impl PyDrainer {
    /// Brings what is committed into the store.
    ///
    /// It ends with the first small batch, so that writers who go on and on do not keep it.
    ///
    /// Gives a dict with `events`, `transactions`, `batches`, `in_doubt` and `reports`.
    fn drain<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let (mut events, mut transactions, mut batches) = (0, 0, 0);
        let mut reports = Vec::new();
        let in_doubt = loop {
            let report = self.with(py, |drainer| drainer.drain_once(BatchLimits::default()))?;
            events += report.events;
            transactions += report.transactions;
            batches += report.batches;
            reports.extend(report.reports);
            if report.events < SMALL_BATCH {
                break report.in_doubt;
            }
        };
        let dict = PyDict::new(py);
        dict.set_item("events", events)?;
        dict.set_item("transactions", transactions)?;
        dict.set_item("batches", batches)?;
        dict.set_item("in_doubt", in_doubt)?;
        dict.set_item("reports", reports)?;
        Ok(dict)
    }

    /// Makes what all processes have appended to the spool survive a crash of the machine.
    fn sync(&self, py: Python<'_>) -> PyResult<()> {
        self.with(py, Drainer::sync)
    }

    /// Merges files of the store if some are worth it, and once in a while deletes those that were replaced long ago.
    ///
    /// It does one merge at most, so that what has come in meanwhile need not wait long; tells whether there may be more to do.
    fn tidy(&self, py: Python<'_>) -> PyResult<bool> {
        let Some(trail) = py.detach(|| self.lock().as_ref().map(Drainer::trail)) else {
            return Err(PyValueError::new_err("the drainer is closed"));
        };
        py.detach(|| {
            let has_merged = trail.compact_a_little()?;
            if self.is_vacuum_due() {
                trail.vacuum(FILE_GRACE)?;
            }
            Ok(has_merged)
        })
        .map_err(|error| to_py(py, &error))
    }

    /// The transactions of which the spool does not know whether they were committed.
    fn in_doubt<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let found = self.with(py, Drainer::in_doubt)?;
        PyList::new(py, found.into_iter().map(|found| PyInDoubt { found }))
    }

    /// Settles a transaction in doubt: `verdict` is `committed`, `aborted` or `unknown`.
    fn resolve(&self, py: Python<'_>, doubt: &PyInDoubt, verdict: &str) -> PyResult<()> {
        let resolution = match verdict {
            "committed" => Resolution::Committed { committed_at: SystemClock.now().0 },
            "aborted" => Resolution::Aborted,
            "unknown" => Resolution::Unknown,
            _ => return Err(PyValueError::new_err(format!("no verdict is called {verdict}"))),
        };
        let transaction = doubt.found.transaction;
        self.with(py, |drainer| drainer.resolve(transaction, resolution))
    }

    /// Gives up the election.
    fn close(&self, py: Python<'_>) {
        py.detach(|| *self.lock() = None);
    }
}

/// A transaction in doubt.
#[pyclass(frozen, name = "InDoubt", module = "trailkeeper_engine")]
pub(crate) struct PyInDoubt {
    found: InDoubtTransaction,
}

#[pymethods]
impl PyInDoubt {
    /// Its writer: 16 hex digits.
    #[getter]
    fn writer(&self) -> String {
        self.found.transaction.writer.to_string()
    }

    /// Its number among the transactions of the writer.
    #[getter]
    fn number(&self) -> u32 {
        self.found.transaction.number
    }

    /// What its writer left with it, or None.
    #[getter]
    fn note<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        self.found.note.as_deref().map(|note| PyBytes::new(py, note))
    }

    /// Its records, as far as they fit into one batch.
    #[getter]
    fn records<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        PyList::new(py, self.found.records.iter().map(|record| PyBytes::new(py, record)))
    }
}
