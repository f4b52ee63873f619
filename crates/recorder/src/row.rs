//! Rows of values as capture hands them around: what a statement writes, and what is kept of it.

use std::collections::HashMap;

use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{
    PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PyNone, PyString, PyTuple, PyType,
};

use crate::value::{Classes, Fidelity, is_unknown, write_value};

/// Where the values of a table stand in its rows.
///
/// `attnames` are the attributes of an instance in the order of the fields; `key` is the place of the primary key, or
/// None if that has several fields; `mutable` are the places of the values that can change in place, `generated` those that the
/// database computes.
#[pyclass(frozen, module = "trailkeeper._recorder")]
pub(crate) struct Layout {
    places: HashMap<String, usize>,
    key: Option<usize>,
    mutable: Vec<usize>,
    generated: Vec<usize>,
}

#[pymethods]
impl Layout {
    #[new]
    fn new(
        attnames: Vec<String>,
        key: Option<usize>,
        mutable: Vec<usize>,
        generated: Vec<usize>,
    ) -> Self {
        let places = attnames.into_iter().enumerate().map(|(place, name)| (name, place)).collect();
        Self { places, key, mutable, generated }
    }

    /// The row that a save writes, the row as it is known then, and whether the database computes some of it.
    ///
    /// In the first `NotImplemented` stands for what is not written, in both `...` for what is not known. `before` is the row as it
    /// was known; `values` is the list of tuples of field, model and value that Django's `Model._do_update` sends.
    #[pyo3(name = "written")]
    fn written_py<'py>(
        &self,
        before: Option<&Bound<'py, PyTuple>>,
        key: &Bound<'py, PyAny>,
        values: &Bound<'py, PyList>,
    ) -> PyResult<(Bound<'py, PyTuple>, Bound<'py, PyTuple>, bool)> {
        let Written { sent, known, is_computed } = self.written(before, key, values)?;
        Ok((sent, known, is_computed))
    }
}

/// What a save writes.
pub(crate) struct Written<'py> {
    /// The row as it is sent, `NotImplemented` for what is not.
    pub(crate) sent: Bound<'py, PyTuple>,
    /// The row as it is known then.
    pub(crate) known: Bound<'py, PyTuple>,
    /// Whether the database computes some of it.
    pub(crate) is_computed: bool,
}

impl Layout {
    /// See the method of this name in Python.
    pub(crate) fn written<'py>(
        &self,
        before: Option<&Bound<'py, PyTuple>>,
        key: &Bound<'py, PyAny>,
        values: &Bound<'py, PyList>,
    ) -> PyResult<Written<'py>> {
        let py = values.py();
        let unknown = || py.Ellipsis().into_bound(py);
        let mut is_computed = !self.generated.is_empty();
        let mut sent = |entry: &Bound<'py, PyTuple>| {
            let value = entry.get_item(entry.len().wrapping_sub(1))?;
            let is_sent = !is_expression(&value)?;
            is_computed |= !is_sent;
            Ok::<_, PyErr>(if is_sent { value } else { unknown() })
        };
        let mut row: Vec<Bound<'py, PyAny>> = Vec::with_capacity(self.places.len());
        let mut written = Vec::new();
        if self.key == Some(0) && values.len() + 1 == self.places.len() {
            // All fields but the key, in the order of the model: the usual save.
            row.push(key.clone());
            for entry in values.iter() {
                row.push(sent(entry.cast()?)?);
            }
        } else {
            match before {
                Some(before) if before.len() == self.places.len() => row.extend(before.iter()),
                _ => row.resize_with(self.places.len(), unknown),
            }
            written.resize(self.places.len(), false);
            for entry in values.iter() {
                let entry = entry.cast::<PyTuple>()?;
                let name = entry.get_borrowed_item(0)?.getattr(pyo3::intern!(py, "attname"))?;
                let place = self.places.get(name.cast::<PyString>()?.to_str()?);
                if let Some(place) = place {
                    row[*place] = sent(entry)?;
                    written[*place] = true;
                }
            }
            for place in &self.generated {
                row[*place] = unknown();
                written[*place] = true;
            }
            if let Some(place) = self.key {
                row[place] = key.clone();
                written[place] = true;
            }
        }
        freeze(py, &mut row, &self.mutable)?;
        let kept = PyTuple::new(py, &row)?;
        if written.iter().all(|is_written| *is_written) {
            return Ok(Written { sent: kept.clone(), known: kept, is_computed });
        }
        let unwritten = py.NotImplemented();
        for (value, _) in row.iter_mut().zip(written).filter(|(_, is_written)| !is_written) {
            *value = unwritten.bind(py).clone();
        }
        Ok(Written { sent: PyTuple::new(py, row)?, known: kept, is_computed })
    }

    /// How many values a row has.
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// The place of an attribute's value.
    pub(crate) fn place(&self, attname: &str) -> Option<usize> {
        self.places.get(attname).copied()
    }

    /// The places of the values that can change in place.
    pub(crate) fn mutable(&self) -> &[usize] {
        &self.mutable
    }
}

/// A row in which the values at `places`, which can change in place, stand encoded, files by their names; `...` for one that
/// cannot be encoded exactly.
#[pyfunction]
pub(crate) fn frozen<'py>(
    values: &Bound<'py, PyTuple>,
    places: &Bound<'py, PyTuple>,
) -> PyResult<Bound<'py, PyTuple>> {
    let py = values.py();
    let mut row: Vec<_> = values.iter().collect();
    freeze(py, &mut row, &places.extract::<Vec<usize>>()?)?;
    PyTuple::new(py, row)
}

fn freeze<'py>(py: Python<'py>, row: &mut [Bound<'py, PyAny>], places: &[usize]) -> PyResult<()> {
    for place in places {
        if let Some(value) = row.get_mut(*place) {
            let taken = std::mem::replace(value, py.Ellipsis().into_bound(py));
            *value = frozen_value(taken)?;
        }
    }
    Ok(())
}

/// A value encoded, so that it stays what it is; `...` if it cannot be encoded exactly.
pub(crate) fn frozen_value(value: Bound<'_, PyAny>) -> PyResult<Bound<'_, PyAny>> {
    let py = value.py();
    if value.is_none()
        || is_unknown(&value)
        || value.is_instance_of::<PyBytes>()
        || value.is_exact_instance_of::<PyString>()
    {
        return Ok(value);
    }
    if value.is_instance(file_class(py)?)? {
        // Its name is what is stored, and another one when the next file is saved.
        let name = value.getattr(pyo3::intern!(py, "name"))?;
        return Ok(if name.is_truthy()? {
            name.str()?.into_any()
        } else {
            PyString::new(py, "").into_any()
        });
    }
    let mut json = Vec::new();
    match write_value(&mut json, &value) {
        Ok(Fidelity::Exact) => Ok(PyBytes::new(py, &json).into_any()),
        Err(error) if !error.is_instance_of::<PyException>(py) => Err(error),
        // Named in `unavailable`: the value is lost, and neither the event nor the statement.
        Ok(Fidelity::Inexact) | Err(_) => Ok(py.Ellipsis().into_bound(py).into_any()),
    }
}

/// The class of the values of file fields.
fn file_class(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let class = CLASS.get_or_try_init(py, || -> PyResult<_> {
        Ok(py.import("django.db.models.fields.files")?.getattr("FieldFile")?.unbind())
    })?;
    Ok(class.bind(py))
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
    // A choice is a text or a number of a class of its own.
    if value.is_instance_of::<PyString>() || value.is_instance_of::<PyInt>() {
        return Ok(false);
    }
    value.hasattr(pyo3::intern!(py, "resolve_expression"))
}
