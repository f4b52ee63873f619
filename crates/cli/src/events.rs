//! `trailkeeper events`: a list of events.

use std::io::Write;

use trailkeeper_engine::{AuditEvent, Column, EventFilter};

use crate::args::{EventsOptions, Kind, Wanted};
use crate::format::{parse_time, shorten, time_of};
use crate::table::write_table;
use crate::{DONE, place, timeline};

pub(crate) fn run(options: &EventsOptions, out: &mut dyn Write) -> anyhow::Result<u8> {
    let trail = place::open(&options.place)?;
    let filter = EventFilter { limit: Some(options.limit), ..wanted(&options.wanted)? };
    let events = trail.search(&filter)?;
    if options.json {
        for event in &events {
            writeln!(out, "{}", event.to_json_text())?;
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

/// The filter that the command line asks for.
pub(crate) fn wanted(wanted: &Wanted) -> anyhow::Result<EventFilter> {
    Ok(EventFilter {
        tenant: wanted.tenant.clone(),
        actor: wanted.actor.clone(),
        model: wanted.model.as_deref().map(str::to_lowercase),
        action: wanted.action.clone(),
        kind: wanted.kind.map(Kind::name).map(str::to_owned),
        since: wanted.since.as_deref().map(parse_time).transpose()?,
        until: wanted.until.as_deref().map(parse_time).transpose()?,
        ..EventFilter::default()
    })
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
