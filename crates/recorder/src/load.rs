//! What instances were loaded with, noted as they are loaded.

use std::sync::{Arc, Mutex, PoisonError};

use pyo3::exceptions::{PyException, PyKeyError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};

use crate::limit::MAX_DEPTH;
use crate::row::{Layout, frozen_value};
use crate::value::is_unknown;

/// Takes what instances are loaded with, for the wrapper of `Model.from_db`.
///
/// That is a tuple: a value for each field of the model's layout, `...` for those that were not loaded. It is not among the objects
/// that Python looks through for garbage: a long list of instances would pay for that. No value refers to the instance, so no
/// garbage is missed.
///
/// Reading is what applications do most, so that nothing but what it cannot do without happens here. The wrapper is Python's: a
/// call from there to Django's function costs less than one from here.
#[pyclass(frozen, module = "trailkeeper._recorder")]
pub(crate) struct Loader {
    plans: Py<PyDict>,
    plan: Py<PyAny>,
    failed: Py<PyAny>,
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
    /// `plans` is a dict from model to the `Layout` of its rows, or None for a model whose instances are not noted;
    /// `plan(model)` adds what is not in it. `failed(model, error)` is called where the values could not be noted.
    #[new]
    fn new(plans: Py<PyDict>, plan: Py<PyAny>, failed: Py<PyAny>) -> Self {
        Self { plans, plan, failed, chosen: Mutex::new(None) }
    }

    /// The values that Django is about to load an instance of `model` with: before anybody else has them, for some can change in
    /// place. None if nothing is to be noted, `...` if there are fields among `names` that the model's layout does not have.
    #[pyo3(signature = (model, names, values, /))]
    fn take<'py>(
        &self,
        model: &Bound<'py, PyAny>,
        names: &Bound<'py, PyAny>,
        values: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = model.py();
        match self.taken(model, names, values) {
            Ok(Taken::Nothing) => Ok(py.None().into_bound(py)),
            Ok(Taken::Elsewhere) => Ok(py.Ellipsis().into_bound(py)),
            Ok(Taken::Values(row)) => Ok(row.into_any()),
            // What is not noted is not known later: the application's read goes on.
            Err(error) if error.is_instance_of::<PyException>(py) => {
                self.failed.bind(py).call1((model, error.into_value(py)))?;
                Ok(py.None().into_bound(py))
            }
            Err(error) => Err(error),
        }
    }
}

/// What there is to note of an instance.
enum Taken<'py> {
    Nothing,
    Values(Bound<'py, PyTuple>),
    /// What only Python can tell.
    Elsewhere,
}

impl Loader {
    fn taken<'py>(
        &self,
        model: &Bound<'py, PyAny>,
        names: &Bound<'py, PyAny>,
        values: &Bound<'py, PyAny>,
    ) -> PyResult<Taken<'py>> {
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
            return Ok(Taken::Nothing);
        }
        let plan = plan.cast::<Layout>()?;
        let layout = plan.get();
        if layout.len() == 0 {
            return Ok(Taken::Elsewhere);
        }
        let is_whole = values.len()? == layout.len() && names.len()? == layout.len();
        let list = if !is_whole {
            match self.spread(plan, names, values)? {
                Some(whole) => PyList::new(py, whole)?,
                None => return Ok(Taken::Elsewhere),
            }
        } else if let Ok(list) = values.cast_exact::<PyList>() {
            list.clone()
        } else if let Ok(tuple) = values.cast_exact::<PyTuple>() {
            if layout.mutable().is_empty() {
                return Ok(Taken::Values(tuple.clone()));
            }
            tuple.to_list()
        } else {
            PyList::new(py, values.try_iter()?.collect::<PyResult<Vec<_>>>()?)?
        };
        Ok(Taken::Values(row_of(&list, layout.mutable())?))
    }

    /// A whole row with the values that were loaded; None if one of them has no place in it.
    fn spread<'py>(
        &self,
        layout: &Bound<'py, Layout>,
        names: &Bound<'py, PyAny>,
        values: &Bound<'py, PyAny>,
    ) -> PyResult<Option<Vec<Bound<'py, PyAny>>>> {
        let py = layout.py();
        let Some(chosen) = self.chosen(layout, names)? else { return Ok(None) };
        if chosen.places.len() != values.len()? {
            return Ok(None);
        }
        let mut row = vec![py.Ellipsis().into_bound(py); layout.get().len()];
        for (place, value) in chosen.places.iter().zip(values.try_iter()?) {
            if let Some(unknown) = row.get_mut(*place) {
                *unknown = value?;
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
}

/// The values, those at the places `mutable` as nobody else can change them.
fn row_of<'py>(values: &Bound<'py, PyList>, mutable: &[usize]) -> PyResult<Bound<'py, PyTuple>> {
    let mut kept = Vec::new();
    for place in mutable {
        let value = values.get_item(*place)?;
        if is_unknown(&value) || is_scalar(&value) {
            continue;
        }
        let copy = match copied(&value, 0)? {
            Some(copy) => copy,
            None => frozen_value(value.clone())?,
        };
        kept.push((*place, copy, value));
    }
    // The list may be the caller's. Nobody sees it so, for none of Python's code runs meanwhile.
    for (place, copy, _) in &kept {
        values.set_item(*place, copy)?;
    }
    let row = values.to_tuple();
    for (place, _, value) in kept {
        values.set_item(place, value)?;
    }
    // SAFETY: a tuple is an object that can be collected, it is new, and this thread holds the interpreter. Python does the same
    // with each tuple in which it finds nothing to collect.
    unsafe { pyo3::ffi::PyObject_GC_UnTrack(row.as_ptr().cast()) };
    Ok(row)
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
