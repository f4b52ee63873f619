//! Comma-separated values, as RFC 4180 has them.

use std::borrow::Cow;
use std::io::{self, Write};

use arrow::array::RecordBatch;
use csv::{Terminator, Writer, WriterBuilder};
use trailkeeper_event::{Column, ColumnType};

use super::Sink;
use crate::error::{Error, Result};
use crate::event::AuditEvent;
use crate::time::rfc3339;

/// How a text stands in a cell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CsvText {
    /// As it is.
    #[default]
    Exact,
    /// With an apostrophe in front where a spreadsheet would take it for a formula.
    NoFormulas,
}

/// Writes a heading, and a row for each event.
pub(super) struct CsvFile<'a> {
    writer: Writer<&'a mut dyn Write>,
    text: CsvText,
}

/// The columns behind `event_id` and `transaction_id`: those that read as text.
fn columns() -> impl Iterator<Item = Column> {
    Column::ALL.iter().copied().filter(|column| column.column_type() != ColumnType::Bytes)
}

impl<'a> CsvFile<'a> {
    pub(super) fn new(out: &'a mut dyn Write, text: CsvText) -> Result<Self> {
        let mut writer = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(out);
        let names = columns().map(Column::name);
        writer
            .write_record(["event_id", "transaction_id"].into_iter().chain(names))
            .map_err(failed)?;
        Ok(Self { writer, text })
    }
}

impl Sink for CsvFile<'_> {
    fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        for event in AuditEvent::from_rows(std::slice::from_ref(batch))? {
            for id in [event.event_id(), event.transaction_id()] {
                self.writer.write_field(id.unwrap_or_default()).map_err(failed)?;
            }
            for column in columns() {
                self.writer
                    .write_field(cell(&event, column, self.text).as_ref())
                    .map_err(failed)?;
            }
            self.writer.write_record(None::<&[u8]>).map_err(failed)?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.writer.flush().map_err(Error::Output)
    }
}

fn cell(event: &AuditEvent, column: Column, text: CsvText) -> Cow<'_, str> {
    if let Some(value) = event.text(column) {
        return match text {
            CsvText::NoFormulas if is_formula(value) => Cow::Owned(format!("'{value}")),
            CsvText::NoFormulas | CsvText::Exact => Cow::Borrowed(value),
        };
    }
    match (event.int(column), column.column_type()) {
        (None, _) => Cow::Borrowed(""),
        (Some(_), ColumnType::Time) => {
            event.time(column).map_or(Cow::Borrowed(""), |at| Cow::Owned(rfc3339(at)))
        }
        (Some(value), _) => Cow::Owned(value.to_string()),
    }
}

/// Whether a spreadsheet takes the text for a formula, by its first character.
fn is_formula(text: &str) -> bool {
    text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n'])
}

fn failed(error: csv::Error) -> Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => Error::Output(error),
        other => Error::Output(io::Error::other(format!("{other:?}"))),
    }
}
