//! Records as a Django project writes them.

use trailkeeper_event::{Column, RecordBuilder};

/// An update of invoice `number` whose total became `total`.
#[must_use]
pub fn invoice_record(number: u64, total: u64, occurred_at: i64) -> RecordBuilder {
    let mut record = RecordBuilder::new();
    record
        .text(Column::Kind, "change")
        .text(Column::Action, "update")
        .text(Column::Outcome, "success")
        .text(Column::ActorType, "user")
        .text(Column::ActorId, "7")
        .text(Column::ActorLabel, "Ada Lovelace")
        .text(Column::Tenant, if number.is_multiple_of(2) { "acme" } else { "globex" })
        .text(Column::Source, "django:shop")
        .text(Column::Model, "billing.invoice")
        .text(Column::ObjectId, &number.to_string())
        .text(Column::ObjectLabel, &format!("Invoice {number}"))
        .text(Column::Changed, "[\"total\"]")
        .text(Column::Before, &format!("{{\"total\":\"{}.00\"}}", total.saturating_sub(1)))
        .text(Column::After, &format!("{{\"number\":{number},\"total\":\"{total}.00\"}}"))
        .int(Column::OccurredAt, occurred_at);
    record
}
