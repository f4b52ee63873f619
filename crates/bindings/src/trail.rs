//! `trailkeeper_engine.Trail`.

use std::path::PathBuf;
use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use trailkeeper_engine::{
    OpenTransaction, Statement, Trail, TrailOptions, TransactionId, Verdict, VerifierKey,
};

use crate::drainer::PyDrainer;
use crate::error::to_py;
use crate::row::to_rows;

/// The columns of an answer (name and Arrow type of each), and its rows.
type Answer<'py> = (Vec<(String, String)>, Vec<Bound<'py, PyTuple>>);

/// A trail: the store at `store`, and the spool in the folder `spool`.
#[pyclass(frozen, name = "Trail", module = "trailkeeper_engine")]
pub(crate) struct PyTrail {
    trail: Trail,
}

#[pymethods]
impl PyTrail {
    /// `source` says who writes the events; `key` is the file of the signing key, `checkpoint.key` in the spool by default.
    #[new]
    #[pyo3(signature = (store, spool=None, *, source=None, key=None))]
    fn new(
        py: Python<'_>,
        store: String,
        spool: Option<PathBuf>,
        source: Option<String>,
        key: Option<PathBuf>,
    ) -> PyResult<Self> {
        let mut options = TrailOptions::new(store);
        if let Some(spool) = spool {
            options = options.with_spool(spool);
        }
        if let Some(source) = source {
            options = options.with_source(source);
        }
        if let Some(key) = key {
            options = options.with_key(key);
        }
        let trail = Trail::open(options).map_err(|error| to_py(py, &error))?;
        Ok(Self { trail })
    }

    /// Answers one SELECT over the table `events`.
    ///
    /// `open_transactions` are those of the caller's own connections, as `(writer, number, records)`.
    #[pyo3(signature = (sql, open_transactions=Vec::new()))]
    fn query<'py>(
        &self,
        py: Python<'py>,
        sql: String,
        open_transactions: Vec<(String, u32, Vec<u8>)>,
    ) -> PyResult<Answer<'py>> {
        let open = open_transactions
            .into_iter()
            .map(|(writer, number, records)| open_transaction(&writer, number, &records))
            .collect::<PyResult<Vec<_>>>()?;
        let rows = py
            .detach(|| self.trail.query(Statement::new(sql), &open))
            .map_err(|error| to_py(py, &error))?;
        let columns = rows
            .schema
            .fields()
            .iter()
            .map(|field| (field.name().clone(), field.data_type().to_string()))
            .collect();
        Ok((columns, to_rows(py, &rows.batches)?))
    }

    /// The drainer of the spool, or None if another process has it.
    fn elect_drainer(&self, py: Python<'_>) -> PyResult<Option<PyDrainer>> {
        let elected = py.detach(|| self.trail.elect_drainer());
        Ok(elected.map_err(|error| to_py(py, &error))?.map(PyDrainer::new))
    }

    /// Waits until what was committed before is in the store: at most `timeout` seconds.
    fn flush(&self, py: Python<'_>, timeout: f64) -> PyResult<()> {
        let timeout = Duration::try_from_secs_f64(timeout)
            .map_err(|error| PyValueError::new_err(error.to_string()))?;
        py.detach(|| self.trail.flush(timeout)).map_err(|error| to_py(py, &error))
    }

    /// How large the trail is, as the JSON of `trailkeeper stats --json`.
    fn stats(&self, py: Python<'_>) -> PyResult<String> {
        let stats = py.detach(|| self.trail.stats()).map_err(|error| to_py(py, &error))?;
        Ok(stats.to_json().to_string())
    }

    /// Checks every event: a dict with `verified`, `events`, `root` and `findings`.
    ///
    /// `key` is the verifier key that the caller trusts; the store's own by default.
    #[pyo3(signature = (key=None))]
    fn verify<'py>(&self, py: Python<'py>, key: Option<String>) -> PyResult<Bound<'py, PyDict>> {
        let key: Option<VerifierKey> = key
            .map(|text| text.parse::<VerifierKey>())
            .transpose()
            .map_err(|error| PyValueError::new_err(format!("not a verifier key: {error}")))?;
        let report = py
            .detach(|| self.trail.verify(key.as_ref(), &mut |_| {}))
            .map_err(|error| to_py(py, &error))?;
        let dict = PyDict::new(py);
        dict.set_item("verified", report.verdict == Verdict::Verified)?;
        dict.set_item("events", report.events)?;
        dict.set_item("root", report.root)?;
        let findings: Vec<_> = report.findings.iter().map(ToString::to_string).collect();
        dict.set_item("findings", findings)?;
        Ok(dict)
    }
}

/// Reads an open transaction as the recorder gives it: each record behind its length (u32, little-endian).
fn open_transaction(writer: &str, number: u32, records: &[u8]) -> PyResult<OpenTransaction> {
    let unreadable = || PyValueError::new_err("an open transaction does not read");
    let writer = writer.parse().map_err(|_| unreadable())?;
    let mut list = Vec::new();
    let mut rest = records;
    while let Some((len, after)) = rest.split_first_chunk::<4>() {
        let len = usize::try_from(u32::from_le_bytes(*len)).map_err(|_| unreadable())?;
        let (record, after) = after.split_at_checked(len).ok_or_else(unreadable)?;
        list.push(record.to_vec());
        rest = after;
    }
    if !rest.is_empty() {
        return Err(unreadable());
    }
    Ok(OpenTransaction { transaction: TransactionId { writer, number }, records: list })
}
