//! `trailkeeper history`: what happened to one object.

use std::io::Write;

use trailkeeper_engine::Column;

use crate::args::HistoryOptions;
use crate::format::time_of;
use crate::{DONE, place, timeline};

const OCCURRED_AT: Column = Column::OccurredAt;

pub(crate) fn run(options: &HistoryOptions, out: &mut dyn Write) -> anyhow::Result<u8> {
    let trail = place::open(&options.place)?;
    let model = options.model.to_lowercase();
    let events = trail.history(&model, &options.object_id)?;
    if options.json {
        for event in &events {
            writeln!(out, "{}", event.to_json_text())?;
        }
        return Ok(DONE);
    }
    let (Some(first), Some(last)) = (events.first(), events.last()) else {
        writeln!(out, "no events of {model} {}", options.object_id)?;
        writeln!(
            out,
            "  List the objects that have some: trailkeeper sql \"SELECT DISTINCT object_id FROM \
             events WHERE model = '{model}' LIMIT 20\" --store {}",
            options.place.store
        )?;
        return Ok(DONE);
    };
    let label = events.iter().rev().find_map(|event| event.text(Column::ObjectLabel));
    writeln!(out, "{model} {}  {}", options.object_id, label.unwrap_or_default())?;
    let (from, to) = (time_of(first.time(OCCURRED_AT)), time_of(last.time(OCCURRED_AT)));
    writeln!(out, "{} events, {from} to {to}", events.len())?;
    for event in &events {
        writeln!(out)?;
        timeline::write_event(out, event)?;
    }
    Ok(DONE)
}
