//! Rows of values as capture hands them around: what a statement writes, and what is kept of it.

use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{
    PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PyNone, PyString, PyTuple, PyType,
};

use crate::value::{Classes, Fidelity, is_unknown, write_value};

/// The values that a statement writes, and whether the database computes some of them.
///
/// `values` is a list of tuples that end in a value, as Django's `UpdateQuery` has them; `first` is a tuple of
/// values that stand before them. `...` stands for an expression.
#[pyfunction]
pub(crate) fn written<'py>(
    first: &Bound<'py, PyTuple>,
    values: &Bound<'py, PyAny>,
) -> PyResult<(Bound<'py, PyTuple>, bool)> {
    let py = values.py();
    let mut row: Vec<Bound<'py, PyAny>> = Vec::with_capacity(first.len() + values.len()?);
    row.extend(first.iter());
    let mut has_expression = false;
    for entry in values.try_iter()? {
        let entry = entry?.cast_into::<PyTuple>()?;
        let value = entry.get_item(entry.len().wrapping_sub(1))?;
        if is_expression(&value)? {
            has_expression = true;
            row.push(py.Ellipsis().into_bound(py));
        } else {
            row.push(value);
        }
    }
    Ok((PyTuple::new(py, row)?, has_expression))
}

/// A row in which the values at `places`, which can change in place, stand encoded; `...` for one that cannot be encoded exactly.
#[pyfunction]
pub(crate) fn frozen<'py>(
    values: &Bound<'py, PyTuple>,
    places: &Bound<'py, PyTuple>,
) -> PyResult<Bound<'py, PyTuple>> {
    let py = values.py();
    let mut row: Vec<_> = values.iter().collect();
    for place in places.iter() {
        let Some(value) = row.get_mut(place.extract::<usize>()?) else { continue };
        if value.is_none() || is_unknown(value) || value.is_instance_of::<PyBytes>() {
            continue;
        }
        let mut json = Vec::new();
        *value = match write_value(&mut json, value) {
            Ok(Fidelity::Exact) => PyBytes::new(py, &json).into_any(),
            Err(error) if !error.is_instance_of::<PyException>(py) => return Err(error),
            // Named in `unavailable`: the value is lost, and neither the event nor the statement.
            Ok(Fidelity::Inexact) | Err(_) => py.Ellipsis().into_bound(py),
        };
    }
    PyTuple::new(py, row)
}

/// Whether the database is to compute `value`. The usual types are asked first, for that is quick.
fn is_expression(value: &Bound<'_, PyAny>) -> PyResult<bool> {
    static PLAIN: PyOnceLock<Vec<Py<PyType>>> = PyOnceLock::new();
    let py = value.py();
    let plain = PLAIN.get_or_try_init(py, || -> PyResult<_> {
        let classes = Classes::of(py)?;
        Ok(vec![
            py.get_type::<PyString>().unbind(),
            py.get_type::<PyInt>().unbind(),
            classes.decimal.clone_ref(py),
            py.get_type::<PyNone>().unbind(),
            classes.datetime.clone_ref(py),
            py.get_type::<PyBool>().unbind(),
            classes.date.clone_ref(py),
            classes.uuid.clone_ref(py),
            py.get_type::<PyDict>().unbind(),
            py.get_type::<PyList>().unbind(),
            py.get_type::<PyFloat>().unbind(),
            py.get_type::<PyBytes>().unbind(),
        ])
    })?;
    let class = value.get_type_ptr();
    if plain.iter().any(|plain| std::ptr::eq(plain.as_ptr().cast(), class)) {
        return Ok(false);
    }
    value.hasattr(pyo3::intern!(py, "resolve_expression"))
}
