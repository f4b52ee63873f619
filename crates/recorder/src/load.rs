//! What instances were loaded with, noted as they are loaded.

use std::sync::{Arc, Mutex, PoisonError};

use pyo3::exceptions::{PyException, PyKeyError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple, PyType};

use crate::limit::MAX_DEPTH;
use crate::row::{Layout, frozen_value};
use crate::value::is_unknown;

/// What an instance was loaded with: a value for each field of its layout, `...` for those that were not loaded.
///
/// Not a tuple, for those count among the objects after so many of which Python looks for garbage: a long list of instances
/// would pay for that more than for all else that is done here. No value refers to the instance, so no garbage is missed.
#[pyclass(frozen, module = "trailkeeper._recorder")]
pub(crate) struct Loaded {
    values: Box<[Py<PyAny>]>,
}

#[pymethods]
impl Loaded {
    /// The values.
    pub(crate) fn row<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.values.iter().map(|value| value.bind_borrowed(py)))
    }

    /// A copy of the instance has them as a tuple.
    fn __reduce__<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<(Bound<'py, PyType>, Bound<'py, PyTuple>)> {
        Ok((py.get_type::<PyTuple>(), PyTuple::new(py, [self.row(py)?])?))
    }
}

/// Stands in the place of `Model.from_db`: its method `load`, as a class method.
///
/// Reading is what applications do most, so that nothing but what it cannot do without happens here: the values as the database
/// gave them become an attribute of the instance's `_state`, by the name `attribute`.
#[pyclass(frozen, module = "trailkeeper._recorder")]
pub(crate) struct Loader {
    original: Py<PyAny>,
    plans: Py<PyDict>,
    plan: Py<PyAny>,
    elsewhere: Py<PyAny>,
    failed: Py<PyAny>,
    attribute: Py<PyString>,
    chosen: Mutex<Option<Arc<Chosen>>>,
}

/// The places of the fields that a query loads, where it does not load all. The list of their names is one for all its
/// instances.
struct Chosen {
    names: Py<PyAny>,
    layout: Py<Layout>,
    places: Vec<usize>,
}

#[pymethods]
impl Loader {
    /// `original` is the function behind Django's class method. `plans` is a dict from model to the `Layout` of its
    /// rows, or None for a model whose instances are not noted; `plan(model)` adds what is not in it. `elsewhere(instance, names,
    /// values)` is called for an instance with fields that its layout does not have, `failed(model, error)` where the values
    /// could not be noted.
    #[new]
    fn new(
        original: Py<PyAny>,
        plans: Py<PyDict>,
        plan: Py<PyAny>,
        elsewhere: Py<PyAny>,
        failed: Py<PyAny>,
        attribute: Py<PyString>,
    ) -> Self {
        Self { original, plans, plan, elsewhere, failed, attribute, chosen: Mutex::new(None) }
    }

    /// Loads an instance as `from_db(model, db, field_names, values, ...)` does, and notes the values.
    #[pyo3(signature = (model, db, field_names, values, *more, **options))]
    fn load<'py>(
        &self,
        model: Bound<'py, PyAny>,
        db: Bound<'py, PyAny>,
        field_names: Bound<'py, PyAny>,
        values: Bound<'py, PyAny>,
        more: &Bound<'py, PyTuple>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = model.py();
        let original = self.original.bind(py);
        // Before anybody else has them: some can change in place.
        let noted = self.noted(&model, &field_names, &values);
        let instance = if more.is_empty() && options.is_none() {
            original.call1((&model, db, &field_names, &values))?
        } else {
            let mut arguments = vec![model.clone(), db, field_names.clone(), values.clone()];
            arguments.extend(more.iter());
            original.call(PyTuple::new(py, arguments)?, options)?
        };
        match noted.and_then(|noted| self.note(noted, &instance, &field_names, &values)) {
            // What is not noted is not known later: the application's read goes on.
            Err(error) if error.is_instance_of::<PyException>(py) => {
                self.failed.bind(py).call1((model, error.into_value(py)))?;
            }
            other => other?,
        }
        Ok(instance)
    }
}

/// What is to be noted of an instance.
enum Noted {
    Nothing,
    Values(Loaded),
    /// What only Python can tell.
    Elsewhere,
}

impl Loader {
    fn noted(
        &self,
        model: &Bound<'_, PyAny>,
        names: &Bound<'_, PyAny>,
        values: &Bound<'_, PyAny>,
    ) -> PyResult<Noted> {
        let py = model.py();
        let plans = self.plans.bind(py);
        let plan = match plans.get_item(model)? {
            Some(plan) => plan,
            None => {
                self.plan.bind(py).call1((model,))?;
                plans.get_item(model)?.ok_or_else(|| PyKeyError::new_err("no plan was made"))?
            }
        };
        if plan.is_none() {
            return Ok(Noted::Nothing);
        }
        let plan = plan.cast::<Layout>()?;
        let layout = plan.get();
        if layout.len() == 0 {
            return Ok(Noted::Elsewhere);
        }
        let is_whole = values.len()? == layout.len() && names.len()? == layout.len();
        let mut row = if is_whole {
            owned(values)?
        } else {
            match self.spread(plan, names, values)? {
                Some(row) => row,
                None => return Ok(Noted::Elsewhere),
            }
        };
        for place in layout.mutable() {
            let Some(value) = row.get_mut(*place) else { continue };
            let bound = value.bind(py);
            if is_unknown(bound) || is_scalar(bound) {
                continue;
            }
            *value = match copied(bound, 0)? {
                Some(copy) => copy,
                None => frozen_value(bound.clone())?,
            }
            .unbind();
        }
        Ok(Noted::Values(Loaded { values: row.into_boxed_slice() }))
    }

    /// A whole row with the values that were loaded; None if one of them has no place in it.
    fn spread(
        &self,
        layout: &Bound<'_, Layout>,
        names: &Bound<'_, PyAny>,
        values: &Bound<'_, PyAny>,
    ) -> PyResult<Option<Vec<Py<PyAny>>>> {
        let py = layout.py();
        let Some(chosen) = self.chosen(layout, names)? else { return Ok(None) };
        let values = owned(values)?;
        if chosen.places.len() != values.len() {
            return Ok(None);
        }
        let mut row: Vec<_> = (0..layout.get().len()).map(|_| py.Ellipsis()).collect();
        for (place, value) in chosen.places.iter().zip(values) {
            if let Some(unknown) = row.get_mut(*place) {
                *unknown = value;
            }
        }
        Ok(Some(row))
    }

    /// The places of the fields with these names; None if one of them has none.
    fn chosen(
        &self,
        layout: &Bound<'_, Layout>,
        names: &Bound<'_, PyAny>,
    ) -> PyResult<Option<Arc<Chosen>>> {
        // Nothing of Python's is called under the lock: that could wait for a thread which waits for it.
        let last = self.chosen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(last) = last
            && last.names.is(names)
            && last.layout.is(layout)
        {
            return Ok(Some(last));
        }
        let mut places = Vec::new();
        for name in names.try_iter()? {
            match layout.get().place(name?.cast::<PyString>()?.to_str()?) {
                Some(place) => places.push(place),
                None => return Ok(None),
            }
        }
        // Django takes the values for those of the fields in the order of the model.
        places.sort_unstable();
        let (names, layout) = (names.clone().unbind(), layout.clone().unbind());
        let chosen = Arc::new(Chosen { names, layout, places });
        let mut kept = self.chosen.lock().unwrap_or_else(PoisonError::into_inner);
        let before = kept.replace(Arc::clone(&chosen));
        drop(kept);
        drop(before);
        Ok(Some(chosen))
    }

    fn note(
        &self,
        noted: Noted,
        instance: &Bound<'_, PyAny>,
        names: &Bound<'_, PyAny>,
        values: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let py = instance.py();
        match noted {
            Noted::Nothing => Ok(()),
            // Not by its `__dict__`, which Python need not make otherwise.
            Noted::Values(loaded) => instance
                .getattr(pyo3::intern!(py, "_state"))?
                .setattr(self.attribute.bind(py), Bound::new(py, loaded)?),
            Noted::Elsewhere => {
                self.elsewhere.bind(py).call1((instance, names, values))?;
                Ok(())
            }
        }
    }
}

/// The values, one by one.
fn owned(values: &Bound<'_, PyAny>) -> PyResult<Vec<Py<PyAny>>> {
    if let Ok(list) = values.cast::<PyList>() {
        return Ok(list.iter().map(Bound::unbind).collect());
    }
    if let Ok(tuple) = values.cast::<PyTuple>() {
        return Ok(tuple.iter().map(Bound::unbind).collect());
    }
    values.try_iter()?.map(|value| Ok(value?.unbind())).collect()
}

/// A copy of a value of JSON that shares nothing that can change in place; None for anything else.
fn copied<'py>(value: &Bound<'py, PyAny>, depth: usize) -> PyResult<Option<Bound<'py, PyAny>>> {
    if is_scalar(value) {
        return Ok(Some(value.clone()));
    }
    if depth > MAX_DEPTH {
        return Ok(None);
    }
    if let Ok(object) = value.cast_exact::<PyDict>() {
        let copy = object.copy()?;
        for (key, member) in object.iter().filter(|(_, member)| !is_scalar(member)) {
            let Some(member) = copied(&member, depth + 1)? else { return Ok(None) };
            copy.set_item(key, member)?;
        }
        return Ok(Some(copy.into_any()));
    }
    if let Ok(list) = value.cast_exact::<PyList>() {
        let copy = list.get_slice(0, list.len());
        for (place, member) in list.iter().enumerate().filter(|(_, member)| !is_scalar(member)) {
            let Some(member) = copied(&member, depth + 1)? else { return Ok(None) };
            copy.set_item(place, member)?;
        }
        return Ok(Some(copy.into_any()));
    }
    Ok(None)
}

fn is_scalar(value: &Bound<'_, PyAny>) -> bool {
    value.is_none()
        || value.is_exact_instance_of::<PyString>()
        || value.is_exact_instance_of::<PyInt>()
        || value.is_exact_instance_of::<PyBool>()
        || value.is_exact_instance_of::<PyFloat>()
}
