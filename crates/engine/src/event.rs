//! Events as they are read.

use arrow::array::{Array as _, AsArray as _, RecordBatch};
use arrow::datatypes::{DataType, Int64Type, TimeUnit, TimestampMicrosecondType};
use serde_json::{Map, Value};
use trailkeeper_event::{Column, ColumnType, Micros, Record};

use crate::error::{Error, Result};
use crate::time::rfc3339;

const COLUMNS: usize = Column::ALL.len();

/// The columns whose text is JSON.
const JSON_COLUMNS: [Column; 7] = [
    Column::Related,
    Column::Changed,
    Column::Before,
    Column::After,
    Column::Unavailable,
    Column::Data,
    Column::Redacted,
];

#[derive(Clone, Debug, Default, PartialEq)]
enum Cell {
    #[default]
    Null,
    Text(String),
    Int(i64),
}

/// An event, with the columns it was asked for. The others read as null.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditEvent {
    id: Option<String>,
    transaction_id: Option<String>,
    cells: [Cell; COLUMNS],
}

impl AuditEvent {
    /// Its identity: 32 hex digits.
    #[must_use]
    pub fn event_id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The identity of its transaction: 32 hex digits.
    #[must_use]
    pub fn transaction_id(&self) -> Option<&str> {
        self.transaction_id.as_deref()
    }

    /// The value of a text column.
    #[must_use]
    pub fn text(&self, column: Column) -> Option<&str> {
        match self.cells.get(column.index())? {
            Cell::Text(text) => Some(text),
            Cell::Null | Cell::Int(_) => None,
        }
    }

    /// The value of an integer or time column.
    #[must_use]
    pub fn int(&self, column: Column) -> Option<i64> {
        match self.cells.get(column.index())? {
            Cell::Int(value) => Some(*value),
            Cell::Null | Cell::Text(_) => None,
        }
    }

    /// The value of a time column.
    #[must_use]
    pub fn time(&self, column: Column) -> Option<Micros> {
        self.int(column).map(Micros)
    }

    /// The value of a JSON column.
    #[must_use]
    pub fn json(&self, column: Column) -> Option<Value> {
        self.text(column).and_then(|text| serde_json::from_str(text).ok())
    }

    /// The event as a JSON object: names as in `docs/formats/event.md`, JSON columns as JSON, times
    /// as RFC 3339 in UTC. Columns that are null are left out.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut object = Map::new();
        let ids = [("event_id", self.event_id()), ("transaction_id", self.transaction_id())];
        for (name, id) in ids {
            if let Some(id) = id {
                object.insert(name.to_owned(), Value::String(id.to_owned()));
            }
        }
        for (&column, cell) in Column::ALL.iter().zip(&self.cells) {
            let value = match cell {
                Cell::Null => continue,
                Cell::Text(text) => text_value(column, text),
                Cell::Int(value) => int_value(column, *value),
            };
            object.insert(column.name().to_owned(), value);
        }
        Value::Object(object)
    }

    /// The text of [`to_json`](Self::to_json), with the JSON columns as they were recorded: a number
    /// keeps its digits.
    #[must_use]
    pub fn to_json_text(&self) -> String {
        let ids = [("event_id", self.event_id()), ("transaction_id", self.transaction_id())];
        let ids = ids.into_iter().filter_map(|(name, id)| Some((name, json_string(id?))));
        let cells = Column::ALL.iter().zip(&self.cells).filter_map(|(&column, cell)| {
            let text = match cell {
                Cell::Null => return None,
                Cell::Text(text) => text_json(column, text),
                Cell::Int(value) => int_value(column, *value).to_string(),
            };
            Some((column.name(), text))
        });
        let mut members: Vec<_> = ids.chain(cells).collect();
        members.sort_unstable_by_key(|(name, _)| *name);
        let mut object = "{".to_owned();
        for (name, text) in members {
            if object.len() > 1 {
                object.push(',');
            }
            object.push('"');
            object.push_str(name);
            object.push_str("\":");
            object.push_str(&text);
        }
        object.push('}');
        object
    }

    /// Reads the rows of a query as events.
    pub(crate) fn from_rows(batches: &[RecordBatch]) -> Result<Vec<Self>> {
        let mut events = Vec::new();
        for batch in batches {
            let first = events.len();
            let empty =
                Self { id: None, transaction_id: None, cells: [const { Cell::Null }; COLUMNS] };
            events.resize(first + batch.num_rows(), empty);
            let rows = events.get_mut(first..).unwrap_or_default();
            fill(batch, rows)?;
        }
        Ok(events)
    }
}

/// Copies the columns of `batch` into `rows`, which are as many.
fn fill(batch: &RecordBatch, rows: &mut [AuditEvent]) -> Result<()> {
    for (field, array) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        let mut cells: Vec<Cell> = match array.data_type() {
            DataType::Utf8 => array
                .as_string::<i32>()
                .iter()
                .map(|text| text.map(ToOwned::to_owned))
                .map(text_cell)
                .collect(),
            DataType::Int64 => array.as_primitive::<Int64Type>().iter().map(int_cell).collect(),
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                array.as_primitive::<TimestampMicrosecondType>().iter().map(int_cell).collect()
            }
            DataType::Binary => continue,
            other => {
                let name = field.name();
                return Err(Error::Internal(format!("the column {name} came as {other}")));
            }
        };
        for (row, cell) in rows.iter_mut().zip(cells.drain(..)) {
            match (field.name().as_str(), cell) {
                ("event_id", Cell::Text(id)) => row.id = Some(id),
                ("transaction_id", Cell::Text(id)) => row.transaction_id = Some(id),
                (name, cell) => {
                    let slot = Column::from_name(name).and_then(|c| row.cells.get_mut(c.index()));
                    if let Some(slot) = slot {
                        *slot = cell;
                    }
                }
            }
        }
    }
    Ok(())
}

fn text_cell(text: Option<String>) -> Cell {
    text.map_or(Cell::Null, Cell::Text)
}

fn int_cell(value: Option<i64>) -> Cell {
    value.map_or(Cell::Null, Cell::Int)
}

fn text_value(column: Column, text: &str) -> Value {
    let json = JSON_COLUMNS.contains(&column).then(|| serde_json::from_str(text).ok()).flatten();
    json.unwrap_or_else(|| Value::String(text.to_owned()))
}

/// The JSON text of a text column, in one line.
fn text_json(column: Column, text: &str) -> String {
    let is_whole = || serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    if JSON_COLUMNS.contains(&column) && !text.contains('\n') && is_whole() {
        return text.to_owned();
    }
    text_value(column, text).to_string()
}

fn json_string(text: &str) -> String {
    Value::from(text).to_string()
}

fn int_value(column: Column, value: i64) -> Value {
    match column.column_type() {
        ColumnType::Time => Value::String(rfc3339(Micros(value))),
        _ => Value::from(value),
    }
}

/// A record as a JSON object, with the columns it has.
pub(crate) fn record_to_json(record: &Record<'_>) -> Value {
    let mut object = Map::new();
    for &column in Column::ALL {
        let value = match column.column_type() {
            ColumnType::Text => record.text(column).map(|text| text_value(column, text)),
            ColumnType::Int | ColumnType::Time => {
                record.int(column).map(|value| int_value(column, value))
            }
            ColumnType::Bytes => None,
        };
        if let Some(value) = value {
            object.insert(column.name().to_owned(), value);
        }
    }
    Value::Object(object)
}
