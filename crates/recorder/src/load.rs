//! What instances were loaded with, noted as they are loaded.

use pyo3::exceptions::{PyException, PyKeyError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};

use crate::limit::MAX_DEPTH;
use crate::row::{Layout, freeze};

/// Stands in the place of `Model.from_db`, as a class method.
///
/// Reading is what applications do most, so that nothing but what it cannot do without happens here: the tuple of the values as
/// the database gave them is put into the instance's `_state`, under the name `attribute`.
#[pyclass(frozen, module = "trailkeeper._recorder")]
pub(crate) struct Loader {
    original: Py<PyAny>,
    plans: Py<PyDict>,
    plan: Py<PyAny>,
    partly: Py<PyAny>,
    failed: Py<PyAny>,
    attribute: Py<PyString>,
}

#[pymethods]
impl Loader {
    /// `original` is the function behind Django's class method. `plans` is a dict from model to the `Layout` of its
    /// rows, or None for a model whose instances are not noted; `plan(model)` adds what is not in it. `partly(instance, names, values)` is
    /// called for an instance that was loaded with other fields than those of its layout, `failed(model, error)` where the values
    /// could not be noted.
    #[new]
    fn new(
        original: Py<PyAny>,
        plans: Py<PyDict>,
        plan: Py<PyAny>,
        partly: Py<PyAny>,
        failed: Py<PyAny>,
        attribute: Py<PyString>,
    ) -> Self {
        Self { original, plans, plan, partly, failed, attribute }
    }

    /// Loads an instance as `from_db(model, db, field_names, values, ...)` does, and notes the values.
    #[pyo3(signature = (*args, **kwargs))]
    fn __call__<'py>(
        &self,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = args.py();
        let instance = self.original.bind(py).call(args, kwargs)?;
        match self.note(args, &instance) {
            // What is not noted is not known later: the application's read goes on.
            Err(error) if error.is_instance_of::<PyException>(py) => {
                let model = instance.get_type();
                self.failed.bind(py).call1((model, error.into_value(py)))?;
            }
            other => other?,
        }
        Ok(instance)
    }
}

impl Loader {
    fn note(&self, args: &Bound<'_, PyTuple>, instance: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = args.py();
        let (model, names, values) = (args.get_item(0)?, args.get_item(2)?, args.get_item(3)?);
        let plans = self.plans.bind(py);
        let plan = match plans.get_item(&model)? {
            Some(plan) => plan,
            None => {
                self.plan.bind(py).call1((&model,))?;
                plans.get_item(&model)?.ok_or_else(|| PyKeyError::new_err("no plan was made"))?
            }
        };
        if plan.is_none() {
            return Ok(());
        }
        let layout = plan.cast::<Layout>()?.get();
        let is_whole = values.len()? == layout.len() && names.len()? == layout.len();
        if !is_whole {
            self.partly.bind(py).call1((instance, names, values))?;
            return Ok(());
        }
        let row = if layout.mutable().is_empty() {
            match values.cast::<PyList>() {
                Ok(list) => list.to_tuple(),
                Err(_) => values
                    .try_iter()?
                    .collect::<PyResult<Vec<_>>>()
                    .and_then(|row| PyTuple::new(py, row))?,
            }
        } else {
            let mut row = values.try_iter()?.collect::<PyResult<Vec<_>>>()?;
            for place in layout.mutable() {
                match row.get_mut(*place) {
                    Some(value) => match copied(value, 0)? {
                        Some(copy) => *value = copy,
                        None => freeze(py, &mut row, &[*place])?,
                    },
                    None => continue,
                }
            }
            PyTuple::new(py, row)?
        };
        let state = instance.getattr(pyo3::intern!(py, "_state"))?;
        let attributes = state.getattr(pyo3::intern!(py, "__dict__"))?;
        attributes.cast::<PyDict>()?.set_item(self.attribute.bind(py), row)
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
