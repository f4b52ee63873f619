//! The fields of a model, and how each value is brought into its stored form.

use pyo3::exceptions::{PyException, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyFloat, PyInt, PyString, PyTuple};
use trailkeeper_event::{compare_utf16, write_json_string};

use crate::hook::Hook;
use crate::level::Level;
use crate::mask::mask;
use crate::state::{Shape, States};
use crate::value::{
    Classes, Fidelity, is_unknown, write_exact_date, write_exact_datetime, write_int, write_text,
    write_uuid, write_value,
};

/// Which Python type a field's stored value has; any other is normalised first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Int,
    Text,
    Bool,
    Float,
    Decimal,
    DateTime,
    Date,
    Uuid,
    Json,
    /// A file by its name.
    File,
    /// Holds values of another field, and may change in place: normalised also where it stands encoded.
    Container,
    Any,
}

impl Kind {
    fn parse(name: &str) -> PyResult<Self> {
        Ok(match name {
            "int" => Self::Int,
            "text" => Self::Text,
            "bool" => Self::Bool,
            "float" => Self::Float,
            "decimal" => Self::Decimal,
            "datetime" => Self::DateTime,
            "date" => Self::Date,
            "uuid" => Self::Uuid,
            "json" => Self::Json,
            "file" => Self::File,
            "container" => Self::Container,
            "any" => Self::Any,
            _ => return Err(PyValueError::new_err(format!("no field kind is called {name}"))),
        })
    }
}

struct Field {
    name: String,
    /// The name as a JSON string with the colon.
    key: Vec<u8>,
    kind: Kind,
    decimal_places: Option<usize>,
    is_masked: bool,
    normalise: Py<PyAny>,
}

/// The fields of a model in the order of their values.
///
/// `fields` is a list of `(name, kind, decimal places or None, masked, level, normalise)`; `normalise(value)` gives the value as
/// the database would give it back. `mask_key` keys the hashes that stand for masked values.
///
/// `records_unchanged` tells whether an update that changed nothing is an event too; `tenant` is the place of the field that
/// names the tenant of a row; `hook` is asked about each change: see `Hook`.
#[pyclass(frozen, module = "trailkeeper._recorder")]
pub(crate) struct Schema {
    pub(crate) model: String,
    fields: Vec<Field>,
    /// The places of the fields in the order of their names, as canonical JSON asks, with what is recorded of each.
    order: Vec<(usize, Level)>,
    mask_key: Vec<u8>,
    max_value_len: usize,
    pub(crate) records_unchanged: bool,
    pub(crate) tenant: Option<usize>,
    pub(crate) hook: Option<Hook>,
}

type FieldSpec = (String, String, Option<usize>, bool, String, Py<PyAny>);

#[pymethods]
impl Schema {
    #[new]
    #[pyo3(signature = (model, fields, mask_key, max_value_len, *, records_unchanged=false, tenant=None, hook=None))]
    fn new(
        model: String,
        fields: Vec<FieldSpec>,
        mask_key: Vec<u8>,
        max_value_len: usize,
        records_unchanged: bool,
        tenant: Option<usize>,
        hook: Option<Py<PyAny>>,
    ) -> PyResult<Self> {
        let mut levels = Vec::new();
        let fields = fields
            .into_iter()
            .map(|(name, kind, decimal_places, is_masked, level, normalise)| {
                let mut key = Vec::new();
                write_json_string(&mut key, &name);
                key.push(b':');
                let kind = Kind::parse(&kind)?;
                levels.push(Level::parse(&level)?);
                Ok(Field { name, key, kind, decimal_places, is_masked, normalise })
            })
            .collect::<PyResult<Vec<_>>>()?;
        let mut order: Vec<_> = levels.into_iter().enumerate().collect();
        order.sort_by(|left, right| compare_utf16(&fields[left.0].name, &fields[right.0].name));
        let hook = hook.map(Hook::new);
        Ok(Self { model, fields, order, mask_key, max_value_len, records_unchanged, tenant, hook })
    }

    /// Encodes the state that `values` hold: the known fields whose values are recorded, as a canonical JSON object.
    fn encode<'py>(&self, values: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyBytes>> {
        let mut states = States::default();
        states.encode(self, Shape::Create, None, Some(values))?;
        Ok(PyBytes::new(values.py(), &states.into_after()))
    }
}

impl Schema {
    /// Whether a value of the field stays what it is as long as it is the same object.
    pub(crate) fn is_immutable(&self, index: usize, value: &Bound<'_, PyAny>) -> bool {
        self.fields.get(index).is_some_and(|field| match field.kind {
            Kind::Json | Kind::Container | Kind::Any => false,
            Kind::File => value.is_exact_instance_of::<PyString>() || value.is_none(),
            _ => true,
        })
    }

    /// The places of the fields in the order of their names, with what is recorded of each.
    pub(crate) fn order(&self) -> &[(usize, Level)] {
        &self.order
    }

    /// The name of a field as a JSON string with the colon.
    pub(crate) fn key(&self, index: usize) -> &[u8] {
        self.fields.get(index).map_or(&[], |field| field.key.as_slice())
    }

    /// Appends the value of the field at `index`; nothing if it is not known or cannot be told exactly.
    pub(crate) fn write(
        &self,
        index: usize,
        value: &Bound<'_, PyAny>,
        out: &mut Vec<u8>,
    ) -> PyResult<Fidelity> {
        let Some(field) = self.fields.get(index) else { return Ok(Fidelity::Inexact) };
        if is_unknown(value) {
            return Ok(Fidelity::Inexact);
        }
        let start = out.len();
        let mut fidelity = match field.write(value, out) {
            // A field that cannot tell its own value costs that value, and not the event.
            Err(error) if error.is_instance_of::<PyException>(value.py()) => Fidelity::Inexact,
            written => written?,
        };
        if out.len() - start > self.max_value_len {
            fidelity = Fidelity::Inexact;
        }
        if fidelity == Fidelity::Inexact {
            out.truncate(start);
        } else if field.is_masked && out.get(start..) != Some(b"null") {
            mask(&self.mask_key, out, start);
        }
        Ok(fidelity)
    }
}

impl Field {
    /// Appends a value, normalised unless it already has the type that the database gives back.
    fn write(&self, value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> PyResult<Fidelity> {
        if value.is_none() {
            out.extend_from_slice(b"null");
            return Ok(Fidelity::Exact);
        }
        let py = value.py();
        match self.kind {
            Kind::Text => {
                // Also that of a choice, of which the database has the text.
                if let Ok(text) = value.cast::<PyString>() {
                    return Ok(write_text(out, text));
                }
            }
            Kind::File => {
                if let Ok(name) = value.cast_exact::<PyString>() {
                    return Ok(write_text(out, name));
                }
            }
            Kind::Int => {
                if let Ok(number) = value.cast_exact::<PyInt>() {
                    write_int(out, number)?;
                    return Ok(Fidelity::Exact);
                }
            }
            Kind::Decimal => {
                if value.get_type().is(Classes::of(py)?.decimal.bind(py)) {
                    return self.write_decimal(value, out);
                }
            }
            Kind::DateTime => {
                // A naive value is stored in the zone of the project: Django knows which.
                if write_exact_datetime(out, value, Classes::of(py)?)? {
                    return Ok(Fidelity::Exact);
                }
            }
            Kind::Date => {
                if write_exact_date(out, value, Classes::of(py)?)? {
                    return Ok(Fidelity::Exact);
                }
            }
            Kind::Uuid => {
                if value.get_type().is(Classes::of(py)?.uuid.bind(py)) {
                    write_uuid(out, value)?;
                    return Ok(Fidelity::Exact);
                }
            }
            Kind::Bool => {
                if value.is_exact_instance_of::<PyBool>() {
                    return write_value(out, value);
                }
            }
            Kind::Float => {
                if value.is_exact_instance_of::<PyFloat>() {
                    return write_value(out, value);
                }
            }
            Kind::Json => {
                if let Ok(frozen) = value.cast_exact::<PyBytes>() {
                    out.extend_from_slice(frozen.as_bytes());
                    return Ok(Fidelity::Exact);
                }
                return write_value(out, value);
            }
            Kind::Container | Kind::Any => {}
        }
        let stored = self.normalise.bind(py).call1((value,))?;
        write_value(out, &stored)
    }

    /// Appends a decimal with as many digits behind the point as the database keeps.
    fn write_decimal(&self, value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> PyResult<Fidelity> {
        let Some(places) = self.decimal_places else { return write_value(out, value) };
        let text = value.str()?;
        let text = text.to_str()?;
        let digits = text.strip_prefix('-').unwrap_or(text);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let is_plain = !whole.is_empty()
            && whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit());
        if !is_plain || fraction.len() > places || (text.len() != digits.len() && is_zero(digits)) {
            let stored = self.normalise.bind(value.py()).call1((value,))?;
            return write_value(out, &stored);
        }
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        if places > 0 && fraction.is_empty() {
            out.push(b'.');
        }
        out.extend(std::iter::repeat_n(b'0', places - fraction.len()));
        out.push(b'"');
        Ok(Fidelity::Exact)
    }
}

fn is_zero(digits: &str) -> bool {
    digits.bytes().all(|byte| matches!(byte, b'0' | b'.'))
}
