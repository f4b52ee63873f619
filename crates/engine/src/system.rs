//! Events that Trailkeeper records about itself.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use trailkeeper_event::{
    Column, EventId, Micros, Position, RecordBuilder, RecordError, TransactionNumber, WriterId,
};
use trailkeeper_spool::Report;

use crate::key::random;

/// The kind of these events.
const SYSTEM: &str = "system";

/// An event of the drainer's own, before it has a place.
#[derive(Clone, Debug)]
pub(crate) struct SystemEvent {
    pub(crate) id: EventId,
    pub(crate) at: Micros,
    pub(crate) record: RecordBuilder,
}

/// Makes system events: each a transaction of its own, of a writer of its own.
#[derive(Debug)]
pub(crate) struct SystemWriter {
    writer: WriterId,
    next: u32,
    source: String,
}

/// What a system event is about.
pub(crate) struct Subject<'a> {
    pub(crate) action: &'a str,
    pub(crate) model: &'a str,
    pub(crate) object_id: &'a str,
}

impl SystemWriter {
    pub(crate) fn new(source: &str) -> Self {
        Self { writer: WriterId(random()), next: 0, source: source.to_owned() }
    }

    pub(crate) fn event(&mut self, subject: &Subject<'_>, data: &Value, at: Micros) -> SystemEvent {
        let mut record = RecordBuilder::new();
        record
            .text(Column::Kind, SYSTEM)
            .text(Column::Action, subject.action)
            .text(Column::Outcome, "success")
            .text(Column::ActorType, SYSTEM)
            .text(Column::Source, &self.source)
            .text(Column::Model, subject.model)
            .text(Column::ObjectId, subject.object_id)
            .text(Column::Data, &data.to_string())
            .int(Column::OccurredAt, at.0);
        if self.next == u32::MAX {
            self.writer = WriterId(random());
            self.next = 0;
        }
        let transaction = TransactionNumber(self.next);
        self.next += 1;
        SystemEvent {
            id: EventId { writer: self.writer, transaction, position: Position(0) },
            at,
            record,
        }
    }

    /// The event that tells of bytes in the spool that do not read.
    pub(crate) fn spool_report(&mut self, report: &Report, at: Micros) -> SystemEvent {
        let (action, writer, data) = match report {
            Report::Corrupt { writer, at, bytes, fault, kept_as } => {
                let kept = kept_as.file_name().map(|name| name.to_string_lossy().into_owned());
                let data = json!({
                    "segment": at.segment.to_string(),
                    "offset": at.offset,
                    "bytes": bytes,
                    "fault": fault.to_string(),
                    "kept": kept,
                });
                ("spool.corrupt", writer, data)
            }
            Report::Missing { writer, at } => {
                let data = json!({"segment": at.segment.to_string(), "offset": at.offset});
                ("spool.missing", writer, data)
            }
        };
        let object_id = writer.to_string();
        let subject = Subject { action, model: "trailkeeper.writer", object_id: &object_id };
        self.event(&subject, &data, at)
    }
}

/// Stands in for a record that this release cannot read: its bytes are kept.
pub(crate) fn unreadable_record(bytes: &[u8], error: &RecordError, at: Micros) -> RecordBuilder {
    let data = json!({"error": error.to_string(), "record": STANDARD.encode(bytes)});
    let mut record = RecordBuilder::new();
    record
        .text(Column::Kind, SYSTEM)
        .text(Column::Action, "record.unreadable")
        .text(Column::Outcome, "failure")
        .text(Column::ActorType, "unknown")
        .text(Column::Data, &data.to_string())
        .int(Column::OccurredAt, at.0);
    record
}
