//! Items that many events share: who, where, and on whose behalf.

use std::sync::OnceLock;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use trailkeeper_event::{Column, ColumnType, Record, RecordBuilder};

use crate::error::{RecorderError, SpoolCorruptError};
use crate::value::lossy_text;

/// Encoded items of an event, made once and copied into each record.
#[pyclass(frozen, module = "trailkeeper._recorder")]
pub(crate) struct Context {
    pub(crate) items: RecordBuilder,
    /// The columns of the items.
    columns: Vec<Column>,
    /// The items for the rows that name their tenant themselves.
    without_tenant: OnceLock<RecordBuilder>,
}

#[pymethods]
impl Context {
    /// Encodes `items`: a dict from column name to text, int or None.
    #[new]
    fn new(items: &Bound<'_, PyDict>) -> PyResult<Self> {
        let mut builder = RecordBuilder::new();
        write_items(&mut builder, items)?;
        let columns = match Record::parse(builder.as_bytes()) {
            Ok(record) => {
                Column::ALL.iter().copied().filter(|each| record.bytes(*each).is_some()).collect()
            }
            Err(_) => Vec::new(),
        };
        Ok(Self { items: builder, columns, without_tenant: OnceLock::new() })
    }
}

impl Context {
    /// The items but the tenant.
    pub(crate) fn without_tenant(&self) -> &RecordBuilder {
        self.without_tenant.get_or_init(|| self.without(|column| column == Column::Tenant))
    }

    /// Adds the items to those of an event, except what the event says itself in `items`.
    pub(crate) fn extend(
        &self,
        builder: &mut RecordBuilder,
        items: &Bound<'_, PyDict>,
    ) -> PyResult<()> {
        let mut said = Vec::new();
        for (name, _) in items.iter().filter(|(_, value)| !value.is_none()) {
            let column = Column::from_name(name.cast::<PyString>()?.to_str()?);
            said.extend(column.filter(|column| self.columns.contains(column)));
        }
        if said.is_empty() {
            builder.extend(&self.items);
        } else {
            builder.extend(&self.without(|column| said.contains(&column)));
        }
        Ok(())
    }

    /// The items but those of the columns that `is_left_out` names.
    pub(crate) fn without(&self, is_left_out: impl Fn(Column) -> bool) -> RecordBuilder {
        let mut builder = RecordBuilder::new();
        // They were encoded here: they can be read.
        if let Ok(record) = Record::parse(self.items.as_bytes()) {
            for &column in Column::ALL {
                if let Some(value) = record.bytes(column).filter(|_| !is_left_out(column)) {
                    builder.item(column, value);
                }
            }
        }
        builder
    }
}

/// Adds the items of a dict from column name to text, int or None.
pub(crate) fn write_items(builder: &mut RecordBuilder, items: &Bound<'_, PyDict>) -> PyResult<()> {
    for (name, value) in items.iter() {
        if value.is_none() {
            continue;
        }
        let name = name.extract::<String>()?;
        let column = Column::from_name(&name)
            .filter(|column| column.is_in_record())
            .ok_or_else(|| RecorderError::new_err(format!("no item is called {name}")))?;
        match column.column_type() {
            ColumnType::Int | ColumnType::Time => {
                builder.int(column, value.extract()?);
            }
            ColumnType::Text | ColumnType::Bytes => {
                let text = value.cast::<PyString>()?;
                builder.text(column, &lossy_text(text).0);
            }
        }
    }
    Ok(())
}

/// The items of a record: a dict from column name to text or int.
#[pyfunction]
pub(crate) fn decode<'py>(py: Python<'py>, record: &[u8]) -> PyResult<Bound<'py, PyDict>> {
    let record = parse(record)?;
    let items = PyDict::new(py);
    for &column in Column::ALL {
        match column.column_type() {
            ColumnType::Text => {
                if let Some(text) = record.text(column) {
                    items.set_item(column.name(), text)?;
                }
            }
            ColumnType::Int | ColumnType::Time | ColumnType::Bytes => {
                if let Some(value) = record.int(column) {
                    items.set_item(column.name(), value)?;
                }
            }
        }
    }
    Ok(items)
}

/// Reads a record that a spool gave back.
pub(crate) fn parse(record: &[u8]) -> PyResult<Record<'_>> {
    Record::parse(record).map_err(|error| SpoolCorruptError::new_err(error.to_string()))
}
