//! The update of one instance by `Model.save()` in autocommit: what applications do most.
//!
//! It does what `capture/saves.py` does, in one call before the statement and one after it: a save has emptied the processor's
//! caches of everything that is not part of it, and each call of a Python function is felt there. What is out of the ordinary
//! is left to Python.

use pyo3::exceptions::{PyAttributeError, PyException, PyTypeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyInt, PyList, PyString, PyTuple};

use crate::context::Context;
use crate::recorder::Recorder;
use crate::row::{Layout, Written};
use crate::schema::Schema;
use crate::state::Shape;
use crate::transaction::{Change, Transaction};
use crate::value::{Classes, lossy_text, write_uuid};

/// How instances of a model are saved whose rows stand in one table, under a key that is plain text.
#[pyclass(frozen, module = "trailkeeper._recorder")]
pub(crate) struct SavePlan {
    schema: Py<Schema>,
    layout: Py<Layout>,
    has_label: bool,
}

#[pymethods]
impl SavePlan {
    /// `has_label` tells whether events say how the instance shows itself.
    #[new]
    fn new(schema: Py<Schema>, layout: Py<Layout>, has_label: bool) -> Self {
        Self { schema, layout, has_label }
    }
}

/// Records saves.
///
/// Each argument belongs to Python: `untouched` is a dict from model and alias of a database, of those that store rows as they are
/// sent, to an object whose attribute `save` is a `SavePlan` or None; `spool`, `disabling` and `layers` are the namespaces of these modules; `losses` and `settings`
/// are the objects of these names; `refuse` stands where a connection makes its cursors, while an instance says how it shows
/// itself; `unlabelled(tracker, error)` is told why it could not.
#[pyclass(frozen, module = "trailkeeper._recorder")]
pub(crate) struct Saver {
    untouched: Py<PyDict>,
    spool: Py<PyDict>,
    disabling: Py<PyDict>,
    layers: Py<PyDict>,
    losses: Py<PyAny>,
    settings: Py<PyAny>,
    refuse: Py<PyAny>,
    unlabelled: Py<PyAny>,
}

#[pymethods]
impl Saver {
    #[new]
    #[allow(clippy::too_many_arguments, reason = "each is a part of the application it works with")]
    fn new(
        untouched: Py<PyDict>,
        spool: Py<PyDict>,
        disabling: Py<PyDict>,
        layers: Py<PyDict>,
        losses: Py<PyAny>,
        settings: Py<PyAny>,
        refuse: Py<PyAny>,
        unlabelled: Py<PyAny>,
    ) -> Self {
        Self { untouched, spool, disabling, layers, losses, settings, refuse, unlabelled }
    }

    /// Writes what the statement of `compiler` is about to do as prepared, if it is a save as most are; else gives None, and nothing
    /// was done.
    fn begin<'py>(&self, py: Python<'py>, compiler: &Bound<'py, PyAny>) -> PyResult<Option<Save>> {
        let query = compiler.getattr(intern!(py, "query"))?;
        let Some(saving) = attributes_of(&query)?.get_item(intern!(py, "_trailkeeper_saving"))?
        else {
            return Ok(None);
        };
        let connection = compiler.getattr(intern!(py, "connection"))?;
        let attributes = attributes_of(&connection)?;
        let Some(capture) = attributes.get_item(intern!(py, "_trailkeeper_capture"))? else {
            return Ok(None);
        };
        let key = (query.getattr(intern!(py, "model"))?, connection.getattr(intern!(py, "alias"))?);
        let Some(tracker) = self.untouched.bind(py).get_item(key)? else { return Ok(None) };
        let plan = tracker.getattr(intern!(py, "save"))?;
        if plan.is_none() || !is_autocommit(&attributes)? || !self.is_usual(py, &capture)? {
            return Ok(None);
        }
        let Some(recorder) = self.recorder(py)? else { return Ok(None) };
        let plan = plan.cast_into::<SavePlan>()?;
        let plan = plan.get();
        let [instance, key, values] = three(saving.cast::<PyTuple>()?)?;
        let state = instance.getattr(intern!(py, "_state"))?;
        let Some(before) = known_of(&state)? else { return Ok(None) };
        let Some(object_id) = id_of(&key)? else { return Ok(None) };
        let Written { sent, known, is_computed } =
            plan.layout.get().written(Some(&before), &key, values.cast::<PyList>()?)?;
        if is_computed {
            return Ok(None);
        }
        let label = self.label(plan, &tracker, &instance, &attributes)?;
        let alias = compiler.getattr(intern!(py, "using"))?.cast_into::<PyString>()?;
        let mut transaction = Transaction::new(recorder);
        transaction.push_change(&Change {
            schema: plan.schema.get(),
            context: self.context(py)?.get(),
            shape: Shape::Update,
            object_id: Some(&lossy_text(&object_id).0),
            label: label.as_ref(),
            before: Some(&before),
            after: Some(&sent),
            database: alias.to_str()?,
        })?;
        if !transaction.is_empty() {
            let note = capture.getattr(intern!(py, "note"))?;
            transaction.prepare(note.cast::<PyBytes>()?.as_bytes())?;
        }
        capture.setattr(intern!(py, "updating"), compiler)?;
        let name = intern!(py, "_trailkeeper_compiler");
        let outer = attributes.get_item(name)?;
        attributes.set_item(name, compiler)?;
        Ok(Some(Save {
            transaction,
            state: state.unbind(),
            known: known.unbind(),
            attributes: attributes.unbind(),
            outer: outer.map(Bound::unbind),
            capture: capture.unbind(),
        }))
    }
}

impl Saver {
    /// Whether nothing is going on that only Python knows how to take into account.
    fn is_usual(&self, py: Python<'_>, capture: &Bound<'_, PyAny>) -> PyResult<bool> {
        let blocks = self.disabling.bind(py).get_item(intern!(py, "open_blocks"))?;
        Ok(blocks.is_some_and(|count| is_zero(&count))
            && is_zero(&self.losses.bind(py).getattr(intern!(py, "count"))?)
            && capture.getattr(intern!(py, "updating"))?.is_none()
            && !capture.getattr(intern!(py, "is_manual"))?.is_truthy()?
            && !self.settings.bind(py).getattr(intern!(py, "syncs_commits"))?.is_truthy()?)
    }

    /// The process's recorder, if it has one.
    fn recorder(&self, py: Python<'_>) -> PyResult<Option<Py<Recorder>>> {
        let found = self.spool.bind(py).get_item(intern!(py, "_recorder"))?;
        let found = found.filter(|recorder| !recorder.is_none());
        Ok(found.map(Bound::cast_into::<Recorder>).transpose()?.map(Bound::unbind))
    }

    /// The context of an event that happens now.
    fn context<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, Context>> {
        let layers = self.layers.bind(py);
        let variable = named(layers, intern!(py, "_layer"))?;
        let mut layer = variable.call_method0(intern!(py, "get"))?;
        if layer.is_none() {
            layer = named(layers, intern!(py, "_process_layer"))?;
        }
        if let Some(context) = self.cached_context(&layer)? {
            return Ok(context);
        }
        Ok(layer.call_method0(intern!(py, "encoded"))?.cast_into()?)
    }

    /// What a layer has encoded, if it is certain to be as it was; see `Layer.encoded`.
    fn cached_context<'py>(
        &self,
        layer: &Bound<'py, PyAny>,
    ) -> PyResult<Option<Bound<'py, Context>>> {
        let py = layer.py();
        let cached = layer.getattr(intern!(py, "_cache"))?;
        if cached.is_none() || !layer.getattr(intern!(py, "_request"))?.is_none() {
            return Ok(None);
        }
        let tenant = layer.getattr(intern!(py, "_tenant"))?;
        if !tenant.is_truthy()? && !self.settings.bind(py).getattr(intern!(py, "tenant"))?.is_none()
        {
            return Ok(None);
        }
        // Without a request, only the tenant and the recorder can have changed.
        let key = layer.getattr(intern!(py, "_key"))?.cast_into::<PyTuple>()?;
        let generation = named(self.spool.bind(py), intern!(py, "generation"))?;
        let is_fresh =
            key.get_borrowed_item(4)?.is(&tenant) && key.get_borrowed_item(5)?.eq(generation)?;
        Ok(if is_fresh { Some(cached.cast_into()?) } else { None })
    }

    /// How the instance shows itself, as `labels.label_of` says it.
    fn label<'py>(
        &self,
        plan: &SavePlan,
        tracker: &Bound<'py, PyAny>,
        instance: &Bound<'py, PyAny>,
        connection: &Bound<'py, PyDict>,
    ) -> PyResult<Option<Bound<'py, PyString>>> {
        if !plan.has_label {
            return Ok(None);
        }
        let py = instance.py();
        let makers = [intern!(py, "cursor"), intern!(py, "chunked_cursor")];
        // Tools that watch queries give a connection cursors of their own.
        let own = [connection.get_item(makers[0])?, connection.get_item(makers[1])?];
        for maker in makers {
            connection.set_item(maker, &self.refuse)?;
        }
        let text = instance.str();
        for (maker, own) in makers.into_iter().zip(own) {
            match own {
                Some(own) => connection.set_item(maker, own)?,
                None if connection.contains(maker)? => connection.del_item(maker)?,
                None => {}
            }
        }
        match text {
            Err(error) if error.is_instance_of::<PyException>(py) => {
                self.unlabelled.bind(py).call1((tracker, error.into_value(py)))?;
                Ok(None)
            }
            text => text.map(Some),
        }
    }
}

/// A save between its two calls.
#[pyclass(module = "trailkeeper._recorder")]
pub(crate) struct Save {
    transaction: Transaction,
    /// The `_state` of the instance, and what is noted there when the row is written.
    state: Py<PyAny>,
    known: Py<PyTuple>,
    /// The attributes of the connection, with the compiler that is at work there, and the one that was before.
    attributes: Py<PyDict>,
    outer: Option<Py<PyAny>>,
    capture: Py<PyAny>,
}

#[pymethods]
impl Save {
    /// Records that the statement has given `result`: a number of rows, or rows.
    fn end(&mut self, py: Python<'_>, result: &Bound<'_, PyAny>) -> PyResult<()> {
        self.leave(py)?;
        if !result.is_truthy()? {
            return self.transaction.abort();
        }
        self.state.bind(py).setattr(intern!(py, "_trailkeeper_snapshot"), &self.known)?;
        self.transaction.commit_at_once()
    }

    /// Marks it as not done: the statement has failed.
    fn abort(&mut self, py: Python<'_>) -> PyResult<()> {
        self.leave(py)?;
        self.transaction.abort()
    }

    /// Marks it as one of which nobody knows whether it was done.
    fn uncertain(&mut self, py: Python<'_>) -> PyResult<()> {
        self.leave(py)?;
        self.transaction.uncertain()
    }
}

impl Save {
    /// Says that the compiler is no longer at work.
    fn leave(&mut self, py: Python<'_>) -> PyResult<()> {
        self.capture.bind(py).setattr(intern!(py, "updating"), py.None())?;
        let outer = self.outer.take();
        self.attributes.bind(py).set_item(intern!(py, "_trailkeeper_compiler"), outer)
    }
}

/// Whether the next statement is its own transaction; false also if that is not known without opening the connection.
fn is_autocommit(connection: &Bound<'_, PyDict>) -> PyResult<bool> {
    let py = connection.py();
    Ok(!named(connection, intern!(py, "in_atomic_block"))?.is_truthy()?
        && !named(connection, intern!(py, "connection"))?.is_none()
        && named(connection, intern!(py, "autocommit"))?.is_truthy()?)
}

/// What the database had for the instance of this state, if it stands there in its usual form.
fn known_of<'py>(state: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyTuple>>> {
    let py = state.py();
    let Some(known) = state.getattr_opt(intern!(py, "_trailkeeper_snapshot"))? else {
        return Ok(None);
    };
    Ok(known.cast_into_exact::<PyTuple>().ok())
}

/// The object's id: the text of its key, if that has a type of which it is known without asking.
fn id_of<'py>(key: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyString>>> {
    if key.is_exact_instance_of::<PyInt>() {
        return key.str().map(Some);
    }
    if let Ok(text) = key.cast_exact::<PyString>() {
        return Ok(Some(text.clone()));
    }
    let py = key.py();
    if !key.get_type().is(Classes::of(py)?.uuid.bind(py)) {
        return Ok(None);
    }
    let mut json = Vec::new();
    write_uuid(&mut json, key)?;
    let text = json.strip_prefix(b"\"").and_then(|json| json.strip_suffix(b"\""));
    Ok(text.and_then(|text| str::from_utf8(text).ok()).map(|text| PyString::new(py, text)))
}

fn is_zero(count: &Bound<'_, PyAny>) -> bool {
    count.extract::<u64>().is_ok_and(|count| count == 0)
}

/// The attributes that an object has of its own.
fn attributes_of<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
    Ok(object.getattr(intern!(object.py(), "__dict__"))?.cast_into()?)
}

fn named<'py>(
    namespace: &Bound<'py, PyDict>,
    name: &Bound<'py, PyString>,
) -> PyResult<Bound<'py, PyAny>> {
    namespace.get_item(name)?.ok_or_else(|| PyAttributeError::new_err(name.to_string()))
}

fn three<'py>(items: &Bound<'py, PyTuple>) -> PyResult<[Bound<'py, PyAny>; 3]> {
    items
        .iter()
        .collect::<Vec<_>>()
        .try_into()
        .map_err(|_| PyTypeError::new_err("a save is an instance, its key and its values"))
}
