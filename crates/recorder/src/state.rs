//! The states of an object before and after a change, as the columns of its event.

use pyo3::prelude::*;
use pyo3::types::PyTuple;
use trailkeeper_event::{Column, RecordBuilder};

use crate::level::Level;
use crate::schema::Schema;
use crate::value::{Fidelity, is_unknown};

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

impl Shape {
    /// The event's `action`.
    pub(crate) fn action(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }

    pub(crate) fn from_action(action: &str) -> Option<Self> {
        [Self::Create, Self::Update, Self::Delete]
            .into_iter()
            .find(|shape| shape.action() == action)
    }
}

/// The columns that hold the states before and after a change, as canonical JSON.
///
/// Arrays and objects lack their closing bracket while they are built, and are empty if they have no member.
#[derive(Default)]
pub(crate) struct States {
    changed: Vec<u8>,
    before: Vec<u8>,
    after: Vec<u8>,
    unavailable: Vec<u8>,
    /// The old value of a field that may have changed.
    old: Vec<u8>,
    /// Its new value, where that is compared and not recorded.
    new: Vec<u8>,
    /// Whether something is in `unavailable` that the level of its field would have recorded.
    lacks_value: bool,
}

impl States {
    /// Encodes the states, each a tuple with one value for each field of `schema`, or `None` if nothing is known.
    ///
    /// In an update a value that is the same object in both is encoded once, unless it can change in place.
    pub(crate) fn encode(
        &mut self,
        schema: &Schema,
        shape: Shape,
        before: Option<&Bound<'_, PyTuple>>,
        after: Option<&Bound<'_, PyTuple>>,
    ) -> PyResult<()> {
        for buffer in [&mut self.changed, &mut self.before, &mut self.after, &mut self.unavailable]
        {
            buffer.clear();
        }
        self.lacks_value = false;
        for &(index, level) in schema.order() {
            if level == Level::None || (level == Level::Metadata && shape != Shape::Update) {
                push_name(&mut self.unavailable, schema, index);
                continue;
            }
            let old = before.map(|values| values.get_borrowed_item(index)).transpose()?;
            let new = after.map(|values| values.get_borrowed_item(index)).transpose()?;
            let is_known = match shape {
                Shape::Create => push_field(&mut self.after, schema, index, new.as_deref())?,
                Shape::Delete => push_field(&mut self.before, schema, index, old.as_deref())?,
                Shape::Update if level == Level::Metadata => {
                    self.compare(schema, index, old.as_deref(), new.as_deref())?
                }
                Shape::Update => {
                    self.encode_update(schema, index, level, old.as_deref(), new.as_deref())?
                }
            };
            if !is_known {
                push_name(&mut self.unavailable, schema, index);
                self.lacks_value = true;
            }
        }
        Ok(())
    }

    /// Encodes one field of an update; tells whether both its values are known, or it was not written.
    fn encode_update(
        &mut self,
        schema: &Schema,
        index: usize,
        level: Level,
        old: Option<&Bound<'_, PyAny>>,
        new: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<bool> {
        if new.is_some_and(is_unwritten) {
            return Ok(true);
        }
        let end = self.after.len();
        let start = end + 1;
        let is_known = push_field(&mut self.after, schema, index, new)?;
        let (Some(old), Some(new)) = (old, new) else { return Ok(false) };
        let is_same = is_known && old.is(new) && schema.is_immutable(index, new);
        if !is_same {
            self.old.clear();
            if !push_field(&mut self.old, schema, index, Some(old))? || !is_known {
                return Ok(false);
            }
            // Behind a bracket or a comma both have the field's name and value.
            let member = self.old.get(1..).unwrap_or_default();
            if self.after.get(start..) != Some(member) {
                push_name(&mut self.changed, schema, index);
                self.before.push(if self.before.is_empty() { b'{' } else { b',' });
                self.before.extend_from_slice(member);
                return Ok(true);
            }
        }
        if level == Level::Changed {
            self.after.truncate(end);
        }
        Ok(true)
    }

    /// Tells whether one field of an update changed, without its values; gives false if that is not known.
    fn compare(
        &mut self,
        schema: &Schema,
        index: usize,
        old: Option<&Bound<'_, PyAny>>,
        new: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<bool> {
        if new.is_some_and(is_unwritten) {
            return Ok(true);
        }
        let (Some(old), Some(new)) = (old, new) else { return Ok(false) };
        if old.is(new) && schema.is_immutable(index, new) && !is_unknown(new) {
            return Ok(true);
        }
        self.old.clear();
        self.new.clear();
        if !push_field(&mut self.old, schema, index, Some(old))?
            || !push_field(&mut self.new, schema, index, Some(new))?
        {
            return Ok(false);
        }
        if self.old != self.new {
            push_name(&mut self.changed, schema, index);
            push_name(&mut self.unavailable, schema, index);
        }
        Ok(true)
    }

    /// Whether nothing differs, of all that is looked at, and all of that is known.
    pub(crate) fn is_unchanged(&self) -> bool {
        self.changed.is_empty() && !self.lacks_value
    }

    /// The columns `changed`, `before`, `after` and `unavailable`, as `write` adds them.
    pub(crate) fn columns(&self, shape: Shape) -> [Option<Vec<u8>>; 4] {
        let object = |object: &Vec<u8>| {
            let mut object = object.clone();
            close_object(&mut object);
            object
        };
        let array =
            |names: &Vec<u8>| (!names.is_empty()).then(|| [names.as_slice(), b"]"].concat());
        [
            array(&self.changed),
            (shape != Shape::Create).then(|| object(&self.before)),
            (shape != Shape::Delete).then(|| object(&self.after)),
            array(&self.unavailable),
        ]
    }

    /// How many bytes the encoded values take.
    pub(crate) fn byte_len(&self) -> usize {
        self.before.len() + self.after.len() + self.old.len() + self.new.len()
    }

    /// The state after the change.
    pub(crate) fn into_after(mut self) -> Vec<u8> {
        close_object(&mut self.after);
        self.after
    }

    /// Adds `changed`, `before`, `after` and `unavailable` to a record.
    pub(crate) fn write(&mut self, shape: Shape, builder: &mut RecordBuilder) {
        if !self.changed.is_empty() {
            self.changed.push(b']');
            builder.text_bytes(Column::Changed, &self.changed);
        }
        if shape != Shape::Create {
            close_object(&mut self.before);
            builder.text_bytes(Column::Before, &self.before);
        }
        if shape != Shape::Delete {
            close_object(&mut self.after);
            builder.text_bytes(Column::After, &self.after);
        }
        if !self.unavailable.is_empty() {
            self.unavailable.push(b']');
            builder.text_bytes(Column::Unavailable, &self.unavailable);
        }
    }
}

/// Whether `value` is `NotImplemented`, which stands for what a statement leaves as it is.
pub(crate) fn is_unwritten(value: &Bound<'_, PyAny>) -> bool {
    value.is(value.py().NotImplemented())
}

/// Appends a field's name and value to an object, or nothing if the value is not known; tells which.
fn push_field(
    object: &mut Vec<u8>,
    schema: &Schema,
    index: usize,
    value: Option<&Bound<'_, PyAny>>,
) -> PyResult<bool> {
    let Some(value) = value else { return Ok(false) };
    let start = object.len();
    object.push(if start == 0 { b'{' } else { b',' });
    object.extend_from_slice(schema.key(index));
    let is_known = schema.write(index, value, object)? == Fidelity::Exact;
    if !is_known {
        object.truncate(start);
    }
    Ok(is_known)
}

fn push_name(array: &mut Vec<u8>, schema: &Schema, index: usize) {
    array.push(if array.is_empty() { b'[' } else { b',' });
    let key = schema.key(index);
    array.extend_from_slice(key.strip_suffix(b":").unwrap_or(key));
}

fn close_object(object: &mut Vec<u8>) {
    if object.is_empty() {
        object.push(b'{');
    }
    object.push(b'}');
}
