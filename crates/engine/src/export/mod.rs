//! Export: events written out for other programs.
//!
//! The formats are specified in `docs/formats/export.md`.

mod cloud_event;
mod csv;
mod lines;
mod ocsf;
mod proof;

use std::io::Write;

use arrow::array::RecordBatch;
use trailkeeper_store::EventFile;

use self::csv::CsvFile;
use self::lines::LineFile;
use self::proof::Prover;
use crate::error::{Error, Result};
use crate::event::AuditEvent;
use crate::filter::EventFilter;
use crate::trail::Trail;

pub use self::csv::CsvText;

/// How events are written out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    /// A JSON object a line, with the columns of the event.
    JsonLines(ProofMode),
    /// Comma-separated values with a heading, as RFC 4180 has them.
    Csv(CsvText),
    /// A Parquet file with the columns of the table.
    Parquet,
    /// An event of the Open Cybersecurity Schema Framework a line, in JSON.
    Ocsf,
    /// A CloudEvent a line, in JSON.
    CloudEvents,
}

/// Whether events come with the proof that they are in the signed tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProofMode {
    /// They come alone.
    #[default]
    Without,
    /// The checkpoint is the first line, and each event that it covers has its inclusion proof.
    With,
}

/// What is written, batch by batch.
trait Sink {
    fn push(&mut self, batch: &RecordBatch) -> Result<()>;
    fn finish(self: Box<Self>) -> Result<()>;
}

impl Trail {
    /// Writes the events that match `filter` to `out`, and gives their number.
    ///
    /// The events of the store come first, in the order of their `seq`, then those of the spool, whatever
    /// order `filter` names. They are those that were committed when the call began, each once. However
    /// many they are, only a few thousand are in memory, and those of the spool. `progress` is told now and then how many
    /// are written. Nothing is changed in the trail.
    ///
    /// # Errors
    ///
    /// As [`Trail::query`], and if `out` cannot be written: then it holds a part.
    pub fn export(
        &self,
        filter: &EventFilter,
        format: ExportFormat,
        out: &mut (dyn Write + Send),
        progress: &mut dyn FnMut(u64),
    ) -> Result<u64> {
        // A checkpoint that is read before the table covers no more than it.
        let prover = match format {
            ExportFormat::JsonLines(ProofMode::With) => Some(Prover::new(self)?),
            _ => None,
        };
        let mut events = self.stream(filter)?;
        let mut sink: Box<dyn Sink + '_> = match format {
            ExportFormat::JsonLines(_) => match prover {
                Some(prover) => Box::new(proof::ProvenFile::new(out, prover)?),
                None => Box::new(LineFile::new(out, AuditEvent::to_json_text)),
            },
            ExportFormat::Csv(text) => Box::new(CsvFile::new(out, text)?),
            ExportFormat::Parquet => Box::new(EventFile::new(out)?),
            ExportFormat::Ocsf => {
                Box::new(LineFile::new(out, |event| ocsf::event(event).to_string()))
            }
            ExportFormat::CloudEvents => Box::new(LineFile::new(out, cloud_event::text)),
        };
        let mut written = 0;
        while let Some(batch) = events.next_batch()? {
            sink.push(&batch)?;
            written += u64::try_from(batch.num_rows()).unwrap_or(0);
            progress(written);
        }
        sink.finish()?;
        Ok(written)
    }
}

impl<W: Write + Send> Sink for EventFile<W> {
    fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        Ok(Self::push(self, batch)?)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        let mut out = Self::finish(*self)?;
        out.flush().map_err(Error::Output)
    }
}
