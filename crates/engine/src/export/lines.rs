//! One JSON text a line.

use std::io::Write;

use arrow::array::RecordBatch;

use super::Sink;
use crate::error::{Error, Result};
use crate::event::AuditEvent;

/// Writes each event as a line, by a function that gives its text.
pub(super) struct LineFile<'a, F> {
    out: &'a mut dyn Write,
    text_of: F,
}

impl<'a, F: Fn(&AuditEvent) -> String> LineFile<'a, F> {
    pub(super) fn new(out: &'a mut dyn Write, text_of: F) -> Self {
        Self { out, text_of }
    }
}

impl<F: Fn(&AuditEvent) -> String> Sink for LineFile<'_, F> {
    fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        for event in AuditEvent::from_rows(std::slice::from_ref(batch))? {
            let mut text = (self.text_of)(&event);
            text.push('\n');
            self.out.write_all(text.as_bytes()).map_err(Error::Output)?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.out.flush().map_err(Error::Output)
    }
}
