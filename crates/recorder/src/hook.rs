//! What the application says of a change before it becomes an event.

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes};

use crate::state::{Shape, States};
use crate::value::{Fidelity, write_value};

/// A callable that is asked about each change of a model.
///
/// It gets the action, the object's id and label, the database, and the columns `changed`, `before`, `after` and
/// `unavailable` as JSON, each `None` where there is none. It gives `False` for a change that is not to be recorded, the JSON
/// of `data` as bytes, or `None`. What it raises is the caller's.
pub(crate) struct Hook {
    callable: Py<PyAny>,
}

/// What becomes of a change.
pub(crate) enum Decision {
    Record,
    /// Recorded with this as `data`, as canonical JSON.
    Enrich(Vec<u8>),
    /// It is not recorded; that there was one is.
    Veto,
}

impl Hook {
    pub(crate) fn new(callable: Py<PyAny>) -> Self {
        Self { callable }
    }

    /// Asks about a change of which the states are encoded.
    pub(crate) fn ask(
        &self,
        py: Python<'_>,
        (shape, object_id, label, database): (Shape, Option<&str>, Option<&str>, &str),
        states: &States,
    ) -> PyResult<Decision> {
        let [changed, before, after, unavailable] =
            states.columns(shape).map(|column| column.map(|json| PyBytes::new(py, &json)));
        let arguments =
            (shape.action(), object_id, label, database, changed, before, after, unavailable);
        let answer = self.callable.bind(py).call1(arguments)?;
        if let Ok(data) = answer.cast::<PyBytes>() {
            return Ok(Decision::Enrich(data.as_bytes().to_vec()));
        }
        let is_vetoed = answer.cast::<PyBool>().is_ok_and(|answer| !answer.is_true());
        Ok(if is_vetoed { Decision::Veto } else { Decision::Record })
    }
}

/// A value as canonical JSON; None if that would not stand for it exactly.
#[pyfunction]
pub(crate) fn canonical<'py>(
    py: Python<'py>,
    value: &Bound<'py, PyAny>,
) -> PyResult<Option<Bound<'py, PyBytes>>> {
    let mut json = Vec::new();
    let fidelity = write_value(&mut json, value)?;
    Ok((fidelity == Fidelity::Exact).then(|| PyBytes::new(py, &json)))
}
