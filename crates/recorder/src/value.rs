//! Python values as canonical JSON, as `docs/formats/event.md` lists them.

use std::borrow::Cow;
use std::fmt::Write as _;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{
    PyBool, PyByteArray, PyBytes, PyDict, PyEllipsis, PyFloat, PyFrozenSet, PyInt, PyList,
    PyMemoryView, PySet, PyString, PyTuple, PyType,
};
use trailkeeper_event::{compare_utf16, write_json_f64, write_json_i64, write_json_string};

use crate::limit::MAX_DEPTH;

/// Whether a value was written exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fidelity {
    /// The JSON stands for the value.
    Exact,
    /// The value could not be written as it is: its field is unavailable.
    Inexact,
}

impl Fidelity {
    fn and(self, other: Self) -> Self {
        if self == Self::Exact { other } else { Self::Inexact }
    }
}

/// Whether `value` is `...`, which stands for a value that is not known.
pub(crate) fn is_unknown(value: &Bound<'_, PyAny>) -> bool {
    value.is(PyEllipsis::get(value.py()))
}

/// The classes that are recognised beyond the built-in ones.
pub(crate) struct Classes {
    pub(crate) datetime: Py<PyType>,
    pub(crate) date: Py<PyType>,
    time: Py<PyType>,
    timedelta: Py<PyType>,
    utc: Py<PyAny>,
    pub(crate) decimal: Py<PyType>,
    pub(crate) uuid: Py<PyType>,
}

impl Classes {
    pub(crate) fn of(py: Python<'_>) -> PyResult<&'static Self> {
        static CLASSES: PyOnceLock<Classes> = PyOnceLock::new();
        CLASSES.get_or_try_init(py, || {
            let class = |module: &str, name: &str| -> PyResult<Py<PyType>> {
                Ok(py.import(module)?.getattr(name)?.cast_into::<PyType>()?.unbind())
            };
            Ok(Self {
                datetime: class("datetime", "datetime")?,
                date: class("datetime", "date")?,
                time: class("datetime", "time")?,
                timedelta: class("datetime", "timedelta")?,
                utc: py.import("datetime")?.getattr("timezone")?.getattr("utc")?.unbind(),
                decimal: class("decimal", "Decimal")?,
                uuid: class("uuid", "UUID")?,
            })
        })
    }
}

/// The text of a Python string, and whether it had lone surrogates (then U+FFFD stands for each).
pub(crate) fn lossy_text<'a>(text: &'a Bound<'_, PyString>) -> (Cow<'a, str>, Fidelity) {
    match text.to_str() {
        Ok(text) => (Cow::Borrowed(text), Fidelity::Exact),
        Err(_) => (Cow::Owned(replaced(text)), Fidelity::Inexact),
    }
}

fn replaced(text: &Bound<'_, PyString>) -> String {
    let Ok(encoded) = text.call_method1("encode", ("utf-16-le", "surrogatepass")) else {
        return text.to_string_lossy().into_owned();
    };
    let bytes = encoded.cast::<PyBytes>().map_or(&[][..], |bytes| bytes.as_bytes());
    let units = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

/// Appends `value` as canonical JSON.
pub(crate) fn write_value(out: &mut Vec<u8>, value: &Bound<'_, PyAny>) -> PyResult<Fidelity> {
    write_nested(out, value, 0)
}

fn write_nested(out: &mut Vec<u8>, value: &Bound<'_, PyAny>, depth: usize) -> PyResult<Fidelity> {
    if depth > MAX_DEPTH {
        out.extend_from_slice(b"null");
        return Ok(Fidelity::Inexact);
    }
    if value.is_none() {
        out.extend_from_slice(b"null");
    } else if let Ok(text) = value.cast_exact::<PyString>() {
        return Ok(write_text(out, text));
    } else if let Ok(flag) = value.cast::<PyBool>() {
        out.extend_from_slice(if flag.is_true() { b"true" } else { b"false" });
    } else if let Ok(number) = value.cast::<PyInt>() {
        write_int(out, number)?;
    } else if let Ok(number) = value.cast::<PyFloat>() {
        write_json_f64(out, number.value());
    } else if let Ok(object) = value.cast::<PyDict>() {
        return write_dict(out, object, depth);
    } else if let Ok(list) = value.cast::<PyList>() {
        return write_array(out, list.iter(), depth);
    } else if let Ok(tuple) = value.cast::<PyTuple>() {
        return write_array(out, tuple.iter(), depth);
    } else if let Ok(text) = value.cast::<PyString>() {
        return Ok(write_text(out, text));
    } else {
        return write_instance(out, value, depth);
    }
    Ok(Fidelity::Exact)
}

fn write_instance(out: &mut Vec<u8>, value: &Bound<'_, PyAny>, depth: usize) -> PyResult<Fidelity> {
    let py = value.py();
    let classes = Classes::of(py)?;
    if value.is_instance(classes.datetime.bind(py))? {
        write_datetime(out, value, classes)?;
    } else if value.is_instance(classes.date.bind(py))? {
        write_date(out, value, classes)?;
    } else if value.get_type().is(classes.uuid.bind(py)) {
        write_uuid(out, value)?;
    } else if value.is_instance(classes.decimal.bind(py))?
        || value.is_instance(classes.uuid.bind(py))?
    {
        let text = value.str()?;
        return Ok(write_text(out, &text));
    } else if value.is_instance(classes.time.bind(py))? {
        write_iso(out, value)?;
    } else if value.is_instance(classes.timedelta.bind(py))? {
        write_duration(out, value)?;
    } else if let Ok(bytes) = value.cast::<PyBytes>() {
        write_base64(out, bytes.as_bytes());
    } else if value.is_instance_of::<PyByteArray>() || value.is_instance_of::<PyMemoryView>() {
        let bytes = py.get_type::<PyBytes>().call1((value,))?;
        write_base64(out, bytes.cast::<PyBytes>()?.as_bytes());
    } else if value.is_instance_of::<PySet>() || value.is_instance_of::<PyFrozenSet>() {
        return write_set(out, value, depth);
    } else {
        let text = value.str()?;
        return Ok(write_text(out, &text));
    }
    Ok(Fidelity::Exact)
}

pub(crate) fn write_text(out: &mut Vec<u8>, text: &Bound<'_, PyString>) -> Fidelity {
    let (text, fidelity) = lossy_text(text);
    write_json_string(out, &text);
    fidelity
}

pub(crate) fn write_int(out: &mut Vec<u8>, number: &Bound<'_, PyInt>) -> PyResult<()> {
    if let Ok(small) = number.extract::<i64>() {
        write_json_i64(out, small);
    } else {
        // `int.__str__` of a subclass may say something else: take the number itself.
        let digits = number.py().get_type::<PyInt>().call_method1("__repr__", (number,))?;
        write_json_string(out, digits.cast::<PyString>()?.to_str()?);
    }
    Ok(())
}

/// Appends a datetime as RFC 3339 text: in UTC with `Z`, or without a zone if it is naive.
fn write_datetime(out: &mut Vec<u8>, value: &Bound<'_, PyAny>, classes: &Classes) -> PyResult<()> {
    let py = value.py();
    let zone = value.getattr(pyo3::intern!(py, "tzinfo"))?;
    if zone.is_none() {
        write_civil(out, &Civil::of(value, classes)?, false);
        return Ok(());
    }
    write_aware(out, value, &zone, classes)
}

/// Appends a datetime if it has exactly that class and a zone; tells whether it did.
pub(crate) fn write_exact_datetime(
    out: &mut Vec<u8>,
    value: &Bound<'_, PyAny>,
    classes: &Classes,
) -> PyResult<bool> {
    if !value.get_type().is(classes.datetime.bind(value.py())) {
        return Ok(false);
    }
    let (civil, zone) = Civil::unpacked(value)?;
    match zone {
        Some(zone) if zone.is(classes.utc.bind(value.py())) => write_civil(out, &civil, true),
        Some(zone) => write_aware(out, value, &zone, classes)?,
        None => return Ok(false),
    }
    Ok(true)
}

fn write_aware(
    out: &mut Vec<u8>,
    value: &Bound<'_, PyAny>,
    zone: &Bound<'_, PyAny>,
    classes: &Classes,
) -> PyResult<()> {
    let utc = classes.utc.bind(value.py());
    let civil = if zone.is(utc) {
        Civil::of(value, classes)?
    } else {
        let name = pyo3::intern!(value.py(), "astimezone");
        Civil::of(&value.call_method1(name, (utc,))?, classes)?
    };
    write_civil(out, &civil, true);
    Ok(())
}

/// What a calendar and a clock show.
struct Civil {
    year: u32,
    month: u8,
    day: u8,
    hour: u8,
    minute: u8,
    second: u8,
    microsecond: u32,
}

impl Civil {
    /// Of a datetime of any class.
    fn of(value: &Bound<'_, PyAny>, classes: &Classes) -> PyResult<Self> {
        let py = value.py();
        if value.get_type().is(classes.datetime.bind(py)) {
            return Ok(Self::unpacked(value)?.0);
        }
        Ok(Self {
            year: value.getattr(pyo3::intern!(py, "year"))?.extract()?,
            month: value.getattr(pyo3::intern!(py, "month"))?.extract()?,
            day: value.getattr(pyo3::intern!(py, "day"))?.extract()?,
            hour: value.getattr(pyo3::intern!(py, "hour"))?.extract()?,
            minute: value.getattr(pyo3::intern!(py, "minute"))?.extract()?,
            second: value.getattr(pyo3::intern!(py, "second"))?.extract()?,
            microsecond: value.getattr(pyo3::intern!(py, "microsecond"))?.extract()?,
        })
    }

    /// Of an exact datetime, and its zone, in one call: from the bytes in which it is pickled.
    ///
    /// They are year (2 bytes, big-endian), month, day, hour, minute, second, microsecond (3 bytes, big-endian), in every
    /// Python since 2.3 (`datetime.__reduce__`, pickle protocol 2).
    fn unpacked<'py>(value: &Bound<'py, PyAny>) -> PyResult<(Self, Option<Bound<'py, PyAny>>)> {
        let state = pickled(value)?;
        let packed = state.get_borrowed_item(0)?;
        let &[high, low, month, day, hour, minute, second, micros @ ..] = bytes_of::<10>(&packed)?;
        let civil = Self {
            year: u32::from(high) << 8 | u32::from(low),
            month,
            day,
            hour,
            minute,
            second,
            microsecond: u32::from_be_bytes([0, micros[0], micros[1], micros[2]]),
        };
        Ok((civil, state.get_item(1).ok()))
    }
}

/// The arguments with which `value` is made anew, as pickle asks for them.
fn pickled<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyTuple>> {
    let reduced = value.call_method0(pyo3::intern!(value.py(), "__reduce__"))?;
    Ok(reduced.cast::<PyTuple>()?.get_item(1)?.cast_into::<PyTuple>()?)
}

fn bytes_of<'a, const LEN: usize>(value: &'a Bound<'_, PyAny>) -> PyResult<&'a [u8; LEN]> {
    let bytes = value.cast::<PyBytes>()?.as_bytes();
    bytes.try_into().map_err(|_| PyValueError::new_err("a datetime is pickled in an unknown way"))
}

fn write_civil(out: &mut Vec<u8>, civil: &Civil, is_utc: bool) {
    out.push(b'"');
    push_day(out, civil.year, civil.month, civil.day);
    out.push(b'T');
    push_digits(out, civil.hour.into(), 2);
    out.push(b':');
    push_digits(out, civil.minute.into(), 2);
    out.push(b':');
    push_digits(out, civil.second.into(), 2);
    if civil.microsecond != 0 {
        out.push(b'.');
        push_digits(out, civil.microsecond, 6);
    }
    if is_utc {
        out.push(b'Z');
    }
    out.push(b'"');
}

/// Appends a date if it has exactly that class; tells whether it did.
pub(crate) fn write_exact_date(
    out: &mut Vec<u8>,
    value: &Bound<'_, PyAny>,
    classes: &Classes,
) -> PyResult<bool> {
    if !value.get_type().is(classes.date.bind(value.py())) {
        return Ok(false);
    }
    let state = pickled(value)?;
    let packed = state.get_borrowed_item(0)?;
    let &[high, low, month, day] = bytes_of::<4>(&packed)?;
    out.push(b'"');
    push_day(out, u32::from(high) << 8 | u32::from(low), month, day);
    out.push(b'"');
    Ok(true)
}

fn write_date(out: &mut Vec<u8>, value: &Bound<'_, PyAny>, classes: &Classes) -> PyResult<()> {
    if write_exact_date(out, value, classes)? {
        return Ok(());
    }
    let py = value.py();
    out.push(b'"');
    push_day(
        out,
        value.getattr(pyo3::intern!(py, "year"))?.extract()?,
        value.getattr(pyo3::intern!(py, "month"))?.extract()?,
        value.getattr(pyo3::intern!(py, "day"))?.extract()?,
    );
    out.push(b'"');
    Ok(())
}

fn push_day(out: &mut Vec<u8>, year: u32, month: u8, day: u8) {
    push_digits(out, year, 4);
    out.push(b'-');
    push_digits(out, month.into(), 2);
    out.push(b'-');
    push_digits(out, day.into(), 2);
}

/// Appends `number` with exactly `count` digits, at most 6.
fn push_digits(out: &mut Vec<u8>, number: u32, count: usize) {
    let mut digits = [b'0'; 6];
    let mut rest = number;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
    }
    out.extend_from_slice(digits.get(6 - count..).unwrap_or_default());
}

fn write_iso(out: &mut Vec<u8>, value: &Bound<'_, PyAny>) -> PyResult<()> {
    let text = value.call_method0(pyo3::intern!(value.py(), "isoformat"))?;
    write_json_string(out, text.cast::<PyString>()?.to_str()?);
    Ok(())
}

/// Appends a timedelta in the form of Django's `duration_iso_string`.
fn write_duration(out: &mut Vec<u8>, value: &Bound<'_, PyAny>) -> PyResult<()> {
    let part = |name: &str| value.getattr(name)?.extract::<i64>();
    let total = (i128::from(part("days")?) * 86_400 + i128::from(part("seconds")?)) * 1_000_000
        + i128::from(part("microseconds")?);
    let rest = total.unsigned_abs();
    let (micros, seconds) = (rest % 1_000_000, rest / 1_000_000);
    let (days, seconds) = (seconds / 86_400, seconds % 86_400);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let mut text = String::new();
    let sign = if total < 0 { "-" } else { "" };
    // Writing into a String does not fail.
    let _ = write!(text, "{sign}P{days}DT{hours:02}H{minutes:02}M{seconds:02}");
    if micros != 0 {
        let _ = write!(text, ".{micros:06}");
    }
    text.push('S');
    write_json_string(out, &text);
    Ok(())
}

/// Appends a UUID in its usual form, from its number: quicker than its `__str__`, which is Python.
pub(crate) fn write_uuid(out: &mut Vec<u8>, value: &Bound<'_, PyAny>) -> PyResult<()> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let number = value.getattr(pyo3::intern!(value.py(), "int"))?.extract::<u128>()?;
    out.push(b'"');
    for (index, byte) in number.to_be_bytes().into_iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            out.push(b'-');
        }
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 15)]);
    }
    out.push(b'"');
    Ok(())
}

fn write_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |group: u32, shift: u32| DIGITS[(group >> shift & 63) as usize];
    out.push(b'"');
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let group = byte(0) << 16 | byte(1) << 8 | byte(2);
        out.push(digit(group, 18));
        out.push(digit(group, 12));
        out.push(if chunk.len() > 1 { digit(group, 6) } else { b'=' });
        out.push(if chunk.len() > 2 { digit(group, 0) } else { b'=' });
    }
    out.push(b'"');
}

fn write_array<'py>(
    out: &mut Vec<u8>,
    values: impl Iterator<Item = Bound<'py, PyAny>>,
    depth: usize,
) -> PyResult<Fidelity> {
    let mut fidelity = Fidelity::Exact;
    out.push(b'[');
    for (index, value) in values.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        fidelity = fidelity.and(write_nested(out, &value, depth + 1)?);
    }
    out.push(b']');
    Ok(fidelity)
}

fn write_set(out: &mut Vec<u8>, value: &Bound<'_, PyAny>, depth: usize) -> PyResult<Fidelity> {
    let mut fidelity = Fidelity::Exact;
    let mut members = Vec::new();
    for member in value.try_iter()? {
        let mut json = Vec::new();
        fidelity = fidelity.and(write_nested(&mut json, &member?, depth + 1)?);
        members.push(json);
    }
    members.sort_unstable();
    out.push(b'[');
    out.extend_from_slice(&members.join(&b','));
    out.push(b']');
    Ok(fidelity)
}

fn write_dict(out: &mut Vec<u8>, object: &Bound<'_, PyDict>, depth: usize) -> PyResult<Fidelity> {
    let mut fidelity = Fidelity::Exact;
    let mut members = Vec::with_capacity(object.len());
    for (key, value) in object.iter() {
        members.push((key_text(&key)?, value));
    }
    let mut entries = Vec::with_capacity(members.len());
    for (key, value) in &members {
        let (text, exact) = lossy_text(key);
        fidelity = fidelity.and(exact);
        entries.push((text, value));
    }
    entries.sort_by(|left, right| compare_utf16(&left.0, &right.0));
    // Keys that differ in Python may have one text: the last one stands, as in `json.dumps`.
    let before = entries.len();
    entries.reverse();
    entries.dedup_by(|later, earlier| later.0 == earlier.0);
    entries.reverse();
    if entries.len() != before {
        fidelity = Fidelity::Inexact;
    }
    out.push(b'{');
    for (index, (key, value)) in entries.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_json_string(out, key);
        out.push(b':');
        fidelity = fidelity.and(write_nested(out, value, depth + 1)?);
    }
    out.push(b'}');
    Ok(fidelity)
}

/// The text of an object key, as `json.dumps` gives it.
fn key_text<'py>(key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyString>> {
    if let Ok(text) = key.cast::<PyString>() {
        return Ok(text.clone());
    }
    let text = if key.is_none() {
        "null"
    } else if let Ok(flag) = key.cast::<PyBool>() {
        if flag.is_true() { "true" } else { "false" }
    } else {
        return key.str();
    };
    Ok(PyString::new(key.py(), text))
}
