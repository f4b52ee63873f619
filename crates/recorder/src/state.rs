//! The states of an object before and after a change, as the columns of its event.

use std::ops::Range;

use pyo3::prelude::*;
use pyo3::types::PyTuple;
use trailkeeper_event::{Column, RecordBuilder, write_json_string};

use crate::schema::Schema;
use crate::value::Fidelity;

/// The encoded values of the states before and after a change.
///
/// A value that is the same Python object in both is encoded once.
#[derive(Default)]
pub(crate) struct States {
    bytes: Vec<u8>,
    fields: Vec<FieldStates>,
}

/// Where the values of one field stand; one that is not known has no place.
#[derive(Clone, Default)]
struct FieldStates {
    before: Option<Range<usize>>,
    after: Option<Range<usize>>,
}

impl States {
    /// Encodes the states, each a tuple with one value for each field of `schema`, or `None` if nothing is known.
    pub(crate) fn encode(
        &mut self,
        schema: &Schema,
        before: Option<&Bound<'_, PyTuple>>,
        after: Option<&Bound<'_, PyTuple>>,
    ) -> PyResult<()> {
        self.bytes.clear();
        self.fields.clear();
        for index in 0..schema.len() {
            let old = before.map(|values| values.get_borrowed_item(index)).transpose()?;
            let new = after.map(|values| values.get_borrowed_item(index)).transpose()?;
            let is_same = matches!((&old, &new), (Some(old), Some(new)) if old.is(new));
            let before = self.encode_value(schema, index, old.as_deref())?;
            let after = if is_same && schema.is_immutable(index) {
                before.clone()
            } else {
                self.encode_value(schema, index, new.as_deref())?
            };
            self.fields.push(FieldStates { before, after });
        }
        Ok(())
    }

    /// How many bytes the encoded values take.
    pub(crate) fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    fn encode_value(
        &mut self,
        schema: &Schema,
        index: usize,
        value: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Option<Range<usize>>> {
        let Some(value) = value else { return Ok(None) };
        let start = self.bytes.len();
        let fidelity = schema.write(index, value, &mut self.bytes)?;
        Ok((fidelity == Fidelity::Exact).then_some(start..self.bytes.len()))
    }

    fn value(&self, range: Option<&Range<usize>>) -> Option<&[u8]> {
        range.and_then(|range| self.bytes.get(range.clone()))
    }

    fn before(&self, index: usize) -> Option<&[u8]> {
        self.value(self.fields.get(index)?.before.as_ref())
    }

    /// The value after the change, if it is known.
    pub(crate) fn after(&self, index: usize) -> Option<&[u8]> {
        self.value(self.fields.get(index)?.after.as_ref())
    }

    fn has_changed(&self, index: usize) -> bool {
        let Some(field) = self.fields.get(index) else { return false };
        field.before != field.after
            && match (self.before(index), self.after(index)) {
                (Some(before), Some(after)) => before != after,
                _ => false,
            }
    }
}

/// Appends the fields of `schema` that `value` gives a value for as a canonical JSON object.
pub(crate) fn write_object<'a>(
    schema: &Schema,
    value: impl Fn(usize) -> Option<&'a [u8]>,
    out: &mut Vec<u8>,
) {
    out.push(b'{');
    let mut is_first = true;
    for &index in schema.order() {
        let Some(value) = value(index) else { continue };
        if !is_first {
            out.push(b',');
        }
        is_first = false;
        out.extend_from_slice(schema.key(index));
        out.extend_from_slice(value);
    }
    out.push(b'}');
}

/// Which states an event has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Only an after state: the object is new.
    Create,
    /// Both: `before` holds what changed, `after` all that is known.
    Update,
    /// Only a before state: the object is gone.
    Delete,
}

/// What became of the fields.
pub(crate) struct Change<'a> {
    pub(crate) schema: &'a Schema,
    pub(crate) shape: Shape,
    pub(crate) states: &'a States,
}

impl Change<'_> {
    fn is_unavailable(&self, index: usize) -> bool {
        let (before, after) = (self.states.before(index), self.states.after(index));
        match self.shape {
            Shape::Create => after.is_none(),
            Shape::Update => before.is_none() || after.is_none(),
            Shape::Delete => before.is_none(),
        }
    }

    /// Whether all is known and nothing differs.
    pub(crate) fn is_empty(&self) -> bool {
        self.shape == Shape::Update
            && (0..self.schema.len())
                .all(|index| !self.states.has_changed(index) && !self.is_unavailable(index))
    }

    /// Adds `changed`, `before`, `after` and `unavailable` to a record.
    pub(crate) fn write(&self, scratch: &mut Vec<u8>, builder: &mut RecordBuilder) {
        let states = self.states;
        if self.shape == Shape::Update {
            self.write_names(|index| states.has_changed(index), Column::Changed, scratch, builder);
        }
        if self.shape != Shape::Create {
            scratch.clear();
            let is_delete = self.shape == Shape::Delete;
            let wanted =
                |index| states.before(index).filter(|_| is_delete || states.has_changed(index));
            write_object(self.schema, wanted, scratch);
            builder.text_bytes(Column::Before, scratch);
        }
        if self.shape != Shape::Delete {
            scratch.clear();
            write_object(self.schema, |index| states.after(index), scratch);
            builder.text_bytes(Column::After, scratch);
        }
        self.write_names(|index| self.is_unavailable(index), Column::Unavailable, scratch, builder);
    }

    /// Adds the sorted names of the fields that `wants`, if there are any.
    fn write_names(
        &self,
        wants: impl Fn(usize) -> bool,
        column: Column,
        scratch: &mut Vec<u8>,
        builder: &mut RecordBuilder,
    ) {
        scratch.clear();
        for &index in self.schema.order().iter().filter(|index| wants(**index)) {
            scratch.push(if scratch.is_empty() { b'[' } else { b',' });
            write_json_string(scratch, self.schema.name(index));
        }
        if !scratch.is_empty() {
            scratch.push(b']');
            builder.text_bytes(column, scratch);
        }
    }
}
