//! Rows of a query as Python values.

use arrow::array::{
    Array, AsArray, BooleanArray, Date32Array, Decimal128Array, GenericListArray, OffsetSizeTrait,
    RecordBatch,
};
use arrow::datatypes::{
    DataType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimeUnit,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow::util::display::array_value_to_string;
use pyo3::exceptions::PyNotImplementedError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};

/// The Python classes that values become.
struct Classes<'py> {
    date: Bound<'py, PyAny>,
    timedelta: Bound<'py, PyAny>,
    utc: Bound<'py, PyAny>,
    decimal: Bound<'py, PyAny>,
    epoch: Bound<'py, PyAny>,
}

impl<'py> Classes<'py> {
    fn new(py: Python<'py>) -> PyResult<Self> {
        let module = py.import("datetime")?;
        Ok(Self {
            epoch: module.getattr("datetime")?.call1((1970, 1, 1))?,
            date: module.getattr("date")?,
            timedelta: module.getattr("timedelta")?,
            utc: module.getattr("timezone")?.getattr("utc")?,
            decimal: py.import("decimal")?.getattr("Decimal")?,
        })
    }
}

/// The rows of `batches`, each a tuple.
pub(crate) fn to_rows<'py>(
    py: Python<'py>,
    batches: &[RecordBatch],
) -> PyResult<Vec<Bound<'py, PyTuple>>> {
    let classes = Classes::new(py)?;
    let mut rows = Vec::with_capacity(batches.iter().map(RecordBatch::num_rows).sum());
    for batch in batches {
        for row in 0..batch.num_rows() {
            let values = batch
                .columns()
                .iter()
                .map(|column| to_value(py, &classes, column.as_ref(), row))
                .collect::<PyResult<Vec<_>>>()?;
            rows.push(PyTuple::new(py, values)?);
        }
    }
    Ok(rows)
}

fn to_value<'py>(
    py: Python<'py>,
    classes: &Classes<'py>,
    array: &dyn Array,
    row: usize,
) -> PyResult<Bound<'py, PyAny>> {
    if array.is_null(row) {
        return Ok(py.None().into_bound(py));
    }
    macro_rules! number {
        ($kind:ty) => {
            Ok(array.as_primitive::<$kind>().value(row).into_pyobject(py)?.into_any())
        };
    }
    match array.data_type() {
        DataType::Null => Ok(py.None().into_bound(py)),
        DataType::Boolean => {
            let array: &BooleanArray = array.as_boolean();
            Ok(array.value(row).into_pyobject(py)?.to_owned().into_any())
        }
        DataType::Int8 => number!(Int8Type),
        DataType::Int16 => number!(Int16Type),
        DataType::Int32 => number!(Int32Type),
        DataType::Int64 => number!(Int64Type),
        DataType::UInt8 => number!(UInt8Type),
        DataType::UInt16 => number!(UInt16Type),
        DataType::UInt32 => number!(UInt32Type),
        DataType::UInt64 => number!(UInt64Type),
        DataType::Float32 => number!(Float32Type),
        DataType::Float64 => number!(Float64Type),
        DataType::Utf8 => Ok(array.as_string::<i32>().value(row).into_pyobject(py)?.into_any()),
        DataType::LargeUtf8 => {
            Ok(array.as_string::<i64>().value(row).into_pyobject(py)?.into_any())
        }
        DataType::Utf8View => Ok(array.as_string_view().value(row).into_pyobject(py)?.into_any()),
        DataType::Binary => Ok(PyBytes::new(py, array.as_binary::<i32>().value(row)).into_any()),
        DataType::LargeBinary => {
            Ok(PyBytes::new(py, array.as_binary::<i64>().value(row)).into_any())
        }
        DataType::BinaryView => Ok(PyBytes::new(py, array.as_binary_view().value(row)).into_any()),
        DataType::Timestamp(unit, zone) => {
            let micros = match unit {
                TimeUnit::Second => {
                    array.as_primitive::<TimestampSecondType>().value(row).saturating_mul(1_000_000)
                }
                TimeUnit::Millisecond => {
                    array.as_primitive::<TimestampMillisecondType>().value(row).saturating_mul(1000)
                }
                TimeUnit::Microsecond => {
                    array.as_primitive::<TimestampMicrosecondType>().value(row)
                }
                TimeUnit::Nanosecond => {
                    array.as_primitive::<TimestampNanosecondType>().value(row).div_euclid(1000)
                }
            };
            to_datetime(classes, micros, zone.is_some())
        }
        DataType::Date32 => to_date(array, classes, row),
        DataType::Decimal128(_, _) => {
            let array: &Decimal128Array = array.as_primitive();
            classes.decimal.call1((array.value_as_string(row),))
        }
        DataType::List(_) => to_list(py, classes, array.as_list::<i32>(), row),
        DataType::LargeList(_) => to_list(py, classes, array.as_list::<i64>(), row),
        DataType::Dictionary(_, _) => {
            let array = array.as_any_dictionary();
            let key = *array.normalized_keys().get(row).unwrap_or(&0);
            to_value(py, classes, array.values().as_ref(), key)
        }
        DataType::Interval(_)
        | DataType::Duration(_)
        | DataType::Time64(_)
        | DataType::Time32(_) => {
            let text = array_value_to_string(array, row)
                .map_err(|error| PyNotImplementedError::new_err(error.to_string()))?;
            Ok(text.into_pyobject(py)?.into_any())
        }
        other => Err(PyNotImplementedError::new_err(format!(
            "a column of type {other} cannot be shown; cast it to text in the query"
        ))),
    }
}

fn to_datetime<'py>(
    classes: &Classes<'py>,
    micros: i64,
    is_utc: bool,
) -> PyResult<Bound<'py, PyAny>> {
    // `fromtimestamp` takes a float, which does not hold every microsecond.
    let shift = classes.timedelta.call1((0, 0, micros))?;
    let naive = classes.epoch.add(shift)?;
    if !is_utc {
        return Ok(naive);
    }
    let arguments = pyo3::types::PyDict::new(naive.py());
    arguments.set_item("tzinfo", &classes.utc)?;
    naive.call_method("replace", (), Some(&arguments))
}

fn to_date<'py>(
    array: &dyn Array,
    classes: &Classes<'py>,
    row: usize,
) -> PyResult<Bound<'py, PyAny>> {
    const DAYS_TO_EPOCH: i64 = 719_163;
    let array: &Date32Array = array.as_primitive();
    classes.date.call_method1("fromordinal", (i64::from(array.value(row)) + DAYS_TO_EPOCH,))
}

fn to_list<'py, O: OffsetSizeTrait>(
    py: Python<'py>,
    classes: &Classes<'py>,
    array: &GenericListArray<O>,
    row: usize,
) -> PyResult<Bound<'py, PyAny>> {
    let values = array.value(row);
    let members = (0..values.len())
        .map(|index| to_value(py, classes, values.as_ref(), index))
        .collect::<PyResult<Vec<_>>>()?;
    Ok(PyList::new(py, members)?.into_any())
}
