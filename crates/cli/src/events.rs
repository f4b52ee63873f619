//! `trailkeeper events`: a list of events.

use std::io::Write;

use trailkeeper_engine::{AuditEvent, Column, EventFilter};

use crate::args::{EventsOptions, Kind};
use crate::format::{parse_time, shorten, time_of};
use crate::table::write_table;
use crate::{DONE, place, timeline};

pub(crate) fn run(options: &EventsOptions, out: &mut dyn Write) -> anyhow::Result<u8> {
    let trail = place::open(&options.place)?;
    let filter = EventFilter {
        tenant: options.tenant.clone(),
        actor: options.actor.clone(),
        model: options.model.as_deref().map(str::to_lowercase),
        action: options.action.clone(),
        kind: options.kind.map(Kind::name).map(str::to_owned),
        since: options.since.as_deref().map(parse_time).transpose()?,
        until: options.until.as_deref().map(parse_time).transpose()?,
        limit: Some(options.limit),
        ..EventFilter::default()
    };
    let events = trail.search(&filter)?;
    if options.json {
        for event in &events {
            writeln!(out, "{}", event.to_json())?;
        }
        return Ok(DONE);
    }
    if events.is_empty() {
        writeln!(out, "no events match")?;
        return Ok(DONE);
    }
    let headings = ["time", "tenant", "actor", "action", "object"].map(str::to_owned);
    let rows: Vec<_> = events.iter().map(row).collect();
    write_table(out, &headings, &rows)?;
    Ok(DONE)
}

fn row(event: &AuditEvent) -> Vec<String> {
    let text = |column| event.text(column).unwrap_or_default().to_owned();
    let mut object = match (event.text(Column::Model), event.text(Column::ObjectId)) {
        (Some(model), Some(id)) => format!("{model} {id}"),
        _ => text(Column::HttpPath),
    };
    if let Some(label) = event.text(Column::ObjectLabel) {
        object.push_str("  ");
        object.push_str(label);
    }
    let changed = timeline::names(event, Column::Changed);
    let detail = match event.int(Column::HttpStatus) {
        Some(status) if changed.is_empty() => status.to_string(),
        _ => shorten(&changed.join(", "), 40),
    };
    let action = format!("{} {detail}", text(Column::Action));
    let time = time_of(event.time(Column::OccurredAt));
    vec![time, text(Column::Tenant), timeline::actor(event), action.trim_end().to_owned(), object]
}
