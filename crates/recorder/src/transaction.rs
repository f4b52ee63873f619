//! The events of one database transaction, from the first to its mark.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString, PyTuple};
use trailkeeper_event::{Clock, Column, RecordBuilder, SystemClock};
use trailkeeper_spool::{RecordBuffer, TransactionId};

use crate::context::{Context, parse, write_items};
use crate::encoder::Encoder;
use crate::error::to_py;
use crate::hook::Decision;
use crate::limit::SPILL_BYTES;
use crate::recorder::Recorder;
use crate::schema::Schema;
use crate::state::{Shape, States, is_unwritten};
use crate::value::{Fidelity, is_unknown, lossy_text, write_value};

/// Collects encoded events; nothing is written before `prepare` or `complete`, unless it grows large.
///
/// The life of a transaction: events and savepoints, then either `complete`, or `prepare` and one of `commit`, `abort`,
/// `uncertain`. Events added after `prepare` replace the prepared ones at `commit` (autocommit: the values as stored).
#[pyclass(module = "trailkeeper._recorder")]
pub(crate) struct Transaction {
    recorder: Py<Recorder>,
    id: Option<TransactionId>,
    records: RecordBuffer,
    /// How many records have been written as prepared chunks.
    spilled: usize,
    /// Whether something of it stands in the spool.
    has_frames: bool,
    is_prepared: bool,
}

#[pymethods]
impl Transaction {
    #[new]
    pub(crate) fn new(recorder: Py<Recorder>) -> Self {
        Self {
            recorder,
            id: None,
            records: RecordBuffer::new(),
            spilled: 0,
            has_frames: false,
            is_prepared: false,
        }
    }

    /// How many events it holds.
    fn __len__(&self) -> usize {
        self.spilled + self.records.len()
    }

    /// Adds the change of one object.
    ///
    /// `action` is `create`, `update` or `delete`; `before` and `after` are tuples in the order of the schema's fields, or
    /// None. Gives False for an update that changed nothing, and adds nothing then, and for a change that the schema's hook has
    /// vetoed, of which an event tells no more than that there was one.
    #[pyo3(signature = (schema, context, action, object_id, label, before, after, database))]
    #[allow(
        clippy::too_many_arguments,
        reason = "one call from Python for each event is what it costs least"
    )]
    fn change(
        &mut self,
        schema: &Schema,
        context: &Context,
        action: &str,
        object_id: Option<&Bound<'_, PyString>>,
        label: Option<&Bound<'_, PyString>>,
        before: Option<&Bound<'_, PyTuple>>,
        after: Option<&Bound<'_, PyTuple>>,
        database: &str,
    ) -> PyResult<bool> {
        let shape = Shape::from_action(action).ok_or_else(|| {
            PyValueError::new_err(format!("{action} is not a change of an object"))
        })?;
        let object_id = object_id.map(|text| lossy_text(text).0);
        let change = Change {
            schema,
            context,
            shape,
            object_id: object_id.as_deref(),
            label,
            before,
            after,
            database,
        };
        self.push_change(&change)
    }

    /// Adds an event of any kind.
    ///
    /// `items` is a dict from column name to text, int or None; `json` one from column name to any value, written as
    /// canonical JSON. `occurred_at` is now, unless it is among the items.
    #[pyo3(signature = (context, items, json=None))]
    fn event(
        &mut self,
        context: &Context,
        items: &Bound<'_, PyDict>,
        json: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        Encoder::with(|encoder| {
            let builder = &mut encoder.builder;
            context.extend(builder, items)?;
            write_items(builder, items)?;
            if !items.contains(Column::OccurredAt.name())? {
                builder.int(Column::OccurredAt, SystemClock.now().0);
            }
            for (name, value) in json.into_iter().flatten() {
                if value.is_none() {
                    continue;
                }
                let name = name.extract::<String>()?;
                let column = Column::from_name(&name)
                    .filter(|column| column.is_in_record())
                    .ok_or_else(|| PyValueError::new_err(format!("no item is called {name}")))?;
                encoder.scratch.clear();
                if write_value(&mut encoder.scratch, &value)? == Fidelity::Inexact {
                    builder.text(Column::Unavailable, &format!("[\"{name}\"]"));
                }
                builder.text_bytes(column, &encoder.scratch);
            }
            self.push(encoder)
        })
    }

    /// Adds a record that a spool gave back, with the key and the state that were not known then.
    ///
    /// `after` is the state as canonical JSON.
    fn adopt(&mut self, record: &[u8], object_id: &str, after: &str) -> PyResult<()> {
        let record = parse(record)?;
        Encoder::with(|encoder| {
            for &column in Column::ALL {
                match column {
                    Column::ObjectId => {
                        encoder.builder.text(column, object_id);
                    }
                    Column::After => {
                        encoder.builder.text(column, after);
                    }
                    Column::Unavailable => {}
                    _ => {
                        if let Some(value) = record.bytes(column) {
                            encoder.builder.item(column, value);
                        }
                    }
                }
            }
            self.push(encoder)
        })
    }

    /// Cuts the transaction back to its first `count` events: a savepoint was rolled back.
    fn truncate(&mut self, count: usize) -> PyResult<()> {
        if count >= self.spilled {
            self.records.truncate(count - self.spilled);
            return Ok(());
        }
        self.records.clear();
        self.spilled = count;
        let Some(id) = self.id else { return Ok(()) };
        let position = u32::try_from(count)?;
        self.recorder.get().with_writer(|writer| writer.truncate(id, position))
    }

    /// Gives a reason to what changed from position `first` on and has none, as far as it is still held here.
    fn explain(&mut self, first: usize, reason: &str) -> PyResult<()> {
        let first = first.saturating_sub(self.spilled);
        let mut explained = RecordBuffer::new();
        for (index, bytes) in self.records.iter().enumerate() {
            let record = parse(bytes)?;
            let is_meant = index >= first
                && matches!(record.text(Column::Kind), Some("change" | "auth"))
                && record.bytes(Column::Reason).is_none();
            if !is_meant {
                explained.push(bytes).map_err(to_py)?;
                continue;
            }
            Encoder::with(|encoder| {
                for &column in Column::ALL {
                    if let Some(value) = record.bytes(column) {
                        encoder.builder.item(column, value);
                    }
                }
                encoder.builder.text(Column::Reason, reason);
                explained.push(encoder.builder.as_bytes()).map_err(to_py)
            })?;
        }
        self.records = explained;
        Ok(())
    }

    /// Writes all events as prepared, just before the database is told to commit.
    ///
    /// `note` says how to find out what became of the transaction.
    ///
    /// If that fails the transaction is dropped, what was written of it before included.
    pub(crate) fn prepare(&mut self, note: &[u8]) -> PyResult<()> {
        let written = self.write_prepared(Some(note));
        self.is_prepared = written.is_ok();
        if written.is_err() {
            // The mark is kept by the writer until it fits.
            let _ = self.abort();
        }
        written
    }

    /// Marks the prepared transaction as committed, with the events added since in place of the prepared ones.
    fn commit(&mut self) -> PyResult<()> {
        let Some(id) = self.id else { return Ok(()) };
        let now = SystemClock.now().0;
        let replacement = (!self.records.is_empty()).then_some(&self.records);
        self.recorder.get().with_writer(|writer| writer.commit(id, now, replacement))?;
        self.reset();
        Ok(())
    }

    /// Marks the prepared transaction as committed that was one statement in autocommit: its events happened now. Those added
    /// since stand in place of the prepared ones, with their own times.
    pub(crate) fn commit_at_once(&mut self) -> PyResult<()> {
        if !self.records.is_empty() {
            return self.commit();
        }
        let Some(id) = self.id else { return Ok(()) };
        let now = SystemClock.now().0;
        self.recorder.get().with_writer(|writer| writer.commit_at_once(id, now))?;
        self.reset();
        Ok(())
    }

    /// Marks the transaction as rolled back; nothing is written if nothing was.
    pub(crate) fn abort(&mut self) -> PyResult<()> {
        let id = self.id.filter(|_| self.has_frames);
        self.reset();
        let Some(id) = id else { return Ok(()) };
        self.recorder.get().with_writer(|writer| writer.abort(id))
    }

    /// Marks the prepared transaction as one whose outcome is not known.
    pub(crate) fn uncertain(&mut self) -> PyResult<()> {
        let id = self.id;
        self.reset();
        let Some(id) = id else { return Ok(()) };
        self.recorder.get().with_writer(|writer| writer.uncertain(id))
    }

    /// Writes a whole transaction that no database decides about.
    fn complete(&mut self) -> PyResult<()> {
        if self.spilled > 0 {
            // Too large to be held: what was written is sealed, and stands.
            self.prepare(&[])?;
            return self.commit();
        }
        if self.records.is_empty() {
            return Ok(());
        }
        let now = SystemClock.now().0;
        let records = &self.records;
        self.recorder.get().with_writer(|writer| {
            let id = writer.begin()?;
            writer.append_complete(id, now, records)
        })?;
        self.reset();
        Ok(())
    }

    /// Forgets everything without writing: this process is a fork of the one that began.
    fn forget(&mut self) {
        self.reset();
    }

    /// What a reader on the same connection must see: `(writer, number, records)`, or None if there is nothing.
    fn pending<'py>(
        &mut self,
        py: Python<'py>,
    ) -> PyResult<Option<(String, u32, Bound<'py, PyBytes>)>> {
        if self.records.is_empty() || self.is_prepared {
            return Ok(None);
        }
        let id = self.begin()?;
        let bytes = PyBytes::new(py, self.records.as_bytes());
        Ok(Some((id.writer.to_string(), id.number, bytes)))
    }
}

/// The change of one object.
pub(crate) struct Change<'a, 'py> {
    pub(crate) schema: &'a Schema,
    pub(crate) context: &'a Context,
    pub(crate) shape: Shape,
    pub(crate) object_id: Option<&'a str>,
    pub(crate) label: Option<&'a Bound<'py, PyString>>,
    pub(crate) before: Option<&'a Bound<'py, PyTuple>>,
    pub(crate) after: Option<&'a Bound<'py, PyTuple>>,
    pub(crate) database: &'a str,
}

impl Change<'_, '_> {
    /// What the schema's hook says of it.
    fn decision(&self, label: Option<&str>, states: &States) -> PyResult<Decision> {
        let Some(hook) = &self.schema.hook else { return Ok(Decision::Record) };
        let Some(values) = self.after.or(self.before) else { return Ok(Decision::Record) };
        hook.ask(values.py(), (self.shape, self.object_id, label, self.database), states)
    }

    /// Adds who and where, with the tenant that the row itself names.
    fn write_context(&self, builder: &mut RecordBuilder) -> PyResult<()> {
        match self.schema.tenant {
            None => builder.extend(&self.context.items),
            Some(place) => match self.tenant(place)? {
                None => builder.extend(&self.context.items),
                Some(tenant) => {
                    builder.extend(self.context.without_tenant()).text(Column::Tenant, &tenant)
                }
            },
        };
        Ok(())
    }

    /// The text of the value at `place`: after the change, if it is known then; none if it is null.
    fn tenant(&self, place: usize) -> PyResult<Option<String>> {
        for values in [self.after, self.before].into_iter().flatten() {
            let value = values.get_borrowed_item(place)?;
            if is_unknown(&value) || is_unwritten(&value) {
                continue;
            }
            // A value that has no text costs itself, and not the event.
            let text = if value.is_none() { None } else { value.str().ok() };
            return Ok(text.map(|text| lossy_text(&text).0.into_owned()));
        }
        Ok(None)
    }

    /// Makes the event of a change that is not recorded: that there was one.
    fn write_veto(&self, builder: &mut RecordBuilder) {
        let data = format!("{{\"action\":\"{}\"}}", self.shape.action());
        builder
            .text(Column::Kind, "system")
            .text(Column::Action, VETOED)
            .text(Column::Outcome, "success")
            .int(Column::OccurredAt, SystemClock.now().0)
            .text(Column::Database, self.database)
            .text(Column::Model, &self.schema.model)
            .text(Column::Data, &data)
            .extend(&self.context.items);
    }
}

/// The `action` of the event that stands for a change which the application has vetoed.
const VETOED: &str = "change.vetoed";

impl Transaction {
    pub(crate) fn is_empty(&self) -> bool {
        self.__len__() == 0
    }

    /// Gives false for an update that changed nothing, and adds nothing then, and for a change that is vetoed.
    pub(crate) fn push_change(&mut self, change: &Change<'_, '_>) -> PyResult<bool> {
        let label = change.label.map(|text| lossy_text(text).0);
        Encoder::with(|encoder| {
            let states = &mut encoder.states;
            states.encode(change.schema, change.shape, change.before, change.after)?;
            if change.shape == Shape::Update
                && states.is_unchanged()
                && !change.schema.records_unchanged
            {
                return Ok(false);
            }
            match change.decision(label.as_deref(), states)? {
                Decision::Record => {}
                Decision::Enrich(data) => {
                    encoder.builder.text_bytes(Column::Data, &data);
                }
                Decision::Veto => {
                    change.write_veto(&mut encoder.builder);
                    self.push(encoder)?;
                    return Ok(false);
                }
            }
            change.write_context(&mut encoder.builder)?;
            encoder
                .builder
                .text(Column::Kind, "change")
                .text(Column::Action, change.shape.action())
                .text(Column::Outcome, "success")
                .int(Column::OccurredAt, SystemClock.now().0)
                .text(Column::Database, change.database)
                .text(Column::Model, &change.schema.model)
                .optional_text(Column::ObjectId, change.object_id)
                .optional_text(Column::ObjectLabel, label.as_deref());
            states.write(change.shape, &mut encoder.builder);
            self.push(encoder)?;
            Ok(true)
        })
    }

    fn begin(&mut self) -> PyResult<TransactionId> {
        if let Some(id) = self.id {
            return Ok(id);
        }
        let id = self.recorder.get().with_writer(trailkeeper_spool::Writer::begin)?;
        self.id = Some(id);
        Ok(id)
    }

    fn push(&mut self, encoder: &Encoder) -> PyResult<()> {
        self.records.push(encoder.builder.as_bytes()).map_err(to_py)?;
        if self.records.byte_len() > SPILL_BYTES && !self.is_prepared {
            self.write_prepared(None)?;
        }
        Ok(())
    }

    fn write_prepared(&mut self, note: Option<&[u8]>) -> PyResult<()> {
        let id = self.begin()?;
        let first = u32::try_from(self.spilled)?;
        let (records, has_frames) = (&self.records, &mut self.has_frames);
        self.recorder.get().with_writer(|writer| {
            let written = writer.prepare(id, first, records, note);
            *has_frames |= written.is_ok() || writer.has_left_frame();
            written
        })?;
        self.spilled += self.records.len();
        self.records.clear();
        Ok(())
    }

    fn reset(&mut self) {
        self.id = None;
        self.records.clear();
        self.spilled = 0;
        self.has_frames = false;
        self.is_prepared = false;
    }
}
