//! The fields of a model, and how each value is brought into its stored form.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyFloat, PyInt, PyString, PyTuple};
use trailkeeper_event::{compare_utf16, write_json_string};

use crate::mask::mask;
use crate::state::{States, write_object};
use crate::value::{Classes, Fidelity, is_unknown, write_value};

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
            "any" => Self::Any,
            _ => return Err(PyValueError::new_err(format!("no field kind is called {name}"))),
        })
    }

    /// Whether `value` already has the type that the database gives back.
    fn accepts(self, value: &Bound<'_, PyAny>, classes: &Classes) -> bool {
        let py = value.py();
        let is = |class: &Py<pyo3::types::PyType>| value.get_type().is(class.bind(py));
        match self {
            Self::Int => value.is_exact_instance_of::<PyInt>(),
            Self::Text => value.is_exact_instance_of::<PyString>(),
            Self::Bool => value.is_exact_instance_of::<PyBool>(),
            Self::Float => value.is_exact_instance_of::<PyFloat>(),
            Self::Decimal => is(&classes.decimal),
            Self::DateTime => {
                // A naive value is stored in the zone of the project: Django knows which.
                is(&classes.datetime)
                    && value.getattr(pyo3::intern!(py, "tzinfo")).is_ok_and(|zone| !zone.is_none())
            }
            Self::Date => is(&classes.date),
            Self::Uuid => is(&classes.uuid),
            Self::Json => true,
            Self::Any => false,
        }
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
/// `fields` is a list of `(name, kind, decimal places or None, masked, normalise)`; `normalise(value)` gives the value as the
/// database would give it back. `mask_key` keys the hashes that stand for masked values.
#[pyclass(frozen, module = "trailkeeper._recorder")]
pub(crate) struct Schema {
    pub(crate) model: String,
    fields: Vec<Field>,
    /// The places of the fields in the order of their names, as canonical JSON asks.
    order: Vec<usize>,
    mask_key: Vec<u8>,
    max_value_len: usize,
}

type FieldSpec = (String, String, Option<usize>, bool, Py<PyAny>);

#[pymethods]
impl Schema {
    #[new]
    fn new(
        model: String,
        fields: Vec<FieldSpec>,
        mask_key: Vec<u8>,
        max_value_len: usize,
    ) -> PyResult<Self> {
        let fields = fields
            .into_iter()
            .map(|(name, kind, decimal_places, is_masked, normalise)| {
                let mut key = Vec::new();
                write_json_string(&mut key, &name);
                key.push(b':');
                let kind = Kind::parse(&kind)?;
                Ok(Field { name, key, kind, decimal_places, is_masked, normalise })
            })
            .collect::<PyResult<Vec<_>>>()?;
        let mut order: Vec<_> = (0..fields.len()).collect();
        order.sort_by(|left, right| compare_utf16(&fields[*left].name, &fields[*right].name));
        Ok(Self { model, fields, order, mask_key, max_value_len })
    }

    /// Encodes the state that `values` hold: the known fields as a canonical JSON object.
    fn encode<'py>(&self, values: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyBytes>> {
        let mut states = States::default();
        states.encode(self, None, Some(values))?;
        let mut out = Vec::new();
        write_object(self, |index| states.after(index), &mut out);
        Ok(PyBytes::new(values.py(), &out))
    }
}

impl Schema {
    pub(crate) fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether a value of the field stays what it is as long as it is the same object.
    pub(crate) fn is_immutable(&self, index: usize) -> bool {
        self.fields.get(index).is_some_and(|field| !matches!(field.kind, Kind::Json | Kind::Any))
    }

    /// The places of the fields in the order of their names.
    pub(crate) fn order(&self) -> &[usize] {
        &self.order
    }

    pub(crate) fn name(&self, index: usize) -> &str {
        self.fields.get(index).map_or("", |field| field.name.as_str())
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
        let mut fidelity = field.write(value, out)?;
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
    fn write(&self, value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> PyResult<Fidelity> {
        if value.is_none() {
            return write_value(out, value);
        }
        let classes = Classes::of(value.py())?;
        if !self.kind.accepts(value, classes) {
            let stored = self.normalise.bind(value.py()).call1((value,))?;
            return write_value(out, &stored);
        }
        if self.kind == Kind::Json
            && let Ok(frozen) = value.cast_exact::<PyBytes>()
        {
            out.extend_from_slice(frozen.as_bytes());
            return Ok(Fidelity::Exact);
        }
        match (self.kind, self.decimal_places) {
            (Kind::Decimal, Some(places)) => self.write_decimal(value, places, out),
            _ => write_value(out, value),
        }
    }

    /// Appends a decimal with exactly `places` digits behind the point, as the database keeps it.
    fn write_decimal(
        &self,
        value: &Bound<'_, PyAny>,
        places: usize,
        out: &mut Vec<u8>,
    ) -> PyResult<Fidelity> {
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
