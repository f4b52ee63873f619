//! What instances were loaded with, noted as they are loaded.

use std::sync::{Arc, Mutex, PoisonError};

use pyo3::exceptions::{PyException, PyKeyError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};

use crate::limit::MAX_DEPTH;
use crate::row::{Layout, frozen_value};
use crate::value::is_unknown;

/// Stands in the place of `Model.from_db`: its method `load`, as a class method.
///
/// Reading is what applications do most, so that nothing but what it cannot do without happens here. The tuple of the values as
/// the database gave them becomes an attribute of the instance's `_state`, by the name `attribute`; `...` stands for those that
/// were not loaded. Where no value can change in place, it is the tuple that Django makes the instance of, and costs no copy.
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
        mut values: Bound<'py, PyAny>,
        more: &Bound<'py, PyTuple>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = model.py();
        let original = self.original.bind(py);
        let row = self.row(&model, &field_names, &values);
        if let Ok(Row::Same(row)) = &row {
            values = row.clone().into_any();
        }
        let instance = if more.is_empty() && options.is_none() {
            original.call1((&model, db, &field_names, &values))?
        } else {
            let mut arguments = vec![model.clone(), db, field_names.clone(), values.clone()];
            arguments.extend(more.iter());
            original.call(PyTuple::new(py, arguments)?, options)?
        };
        match row.and_then(|row| self.note(row, &instance, &field_names, &values)) {
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
enum Row<'py> {
    /// Nothing.
    Untracked,
    /// The values themselves.
    Same(Bound<'py, PyTuple>),
    /// Others: copies of what can change in place, and the places of what was not loaded.
    Own(Bound<'py, PyTuple>),
    /// What only Python can tell.
    Elsewhere,
}

impl Loader {
    fn row<'py>(
        &self,
        model: &Bound<'py, PyAny>,
        names: &Bound<'py, PyAny>,
        values: &Bound<'py, PyAny>,
    ) -> PyResult<Row<'py>> {
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
            return Ok(Row::Untracked);
        }
        let plan = plan.cast::<Layout>()?;
        let layout = plan.get();
        if layout.len() == 0 {
            return Ok(Row::Elsewhere);
        }
        let is_whole = values.len()? == layout.len() && names.len()? == layout.len();
        if is_whole && layout.mutable().is_empty() {
            return Ok(Row::Same(as_tuple(values)?));
        }
        let row = if is_whole {
            match values.cast::<PyList>() {
                Ok(list) => list.get_slice(0, list.len()),
                Err(_) => as_tuple(values)?.to_list(),
            }
        } else {
            match self.spread(plan, names, values)? {
                Some(row) => row,
                None => return Ok(Row::Elsewhere),
            }
        };
        for place in layout.mutable() {
            let value = row.get_item(*place)?;
            if is_unknown(&value) || is_scalar(&value) {
                continue;
            }
            let own = match copied(&value, 0)? {
                Some(copy) => copy,
                None => frozen_value(value)?,
            };
            row.set_item(*place, own)?;
        }
        Ok(Row::Own(row.to_tuple()))
    }

    /// A whole row with the values that were loaded; None if one of them has no place in it.
    fn spread<'py>(
        &self,
        layout: &Bound<'py, Layout>,
        names: &Bound<'py, PyAny>,
        values: &Bound<'py, PyAny>,
    ) -> PyResult<Option<Bound<'py, PyList>>> {
        let py = layout.py();
        let Some(chosen) = self.chosen(layout, names)? else { return Ok(None) };
        if chosen.places.len() != values.len()? {
            return Ok(None);
        }
        let unknown = py.Ellipsis().into_bound(py);
        let row = PyList::new(py, std::iter::repeat_n(unknown, layout.get().len()))?;
        for (place, value) in chosen.places.iter().zip(values.try_iter()?) {
            row.set_item(*place, value?)?;
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
        row: Row<'_>,
        instance: &Bound<'_, PyAny>,
        names: &Bound<'_, PyAny>,
        values: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let py = instance.py();
        match row {
            Row::Untracked => Ok(()),
            // Not by its `__dict__`, which Python need not make otherwise.
            Row::Same(row) | Row::Own(row) => {
                instance.getattr(pyo3::intern!(py, "_state"))?.setattr(self.attribute.bind(py), row)
            }
            Row::Elsewhere => {
                self.elsewhere.bind(py).call1((instance, names, values))?;
                Ok(())
            }
        }
    }
}

/// The values as a tuple, which a tuple is already.
fn as_tuple<'py>(values: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyTuple>> {
    if let Ok(list) = values.cast::<PyList>() {
        return Ok(list.to_tuple());
    }
    match values.cast_exact::<PyTuple>() {
        Ok(tuple) => Ok(tuple.clone()),
        Err(_) => PyTuple::new(values.py(), values.try_iter()?.collect::<PyResult<Vec<_>>>()?),
    }
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
