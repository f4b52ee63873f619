//! Events in words: who did what, when, from where, and what changed.

use std::io::{self, Write};

use serde_json::{Map, Value};
use trailkeeper_engine::{AuditEvent, Column};

use crate::format::{shorten, time_of, value_text};

/// The longest value that is shown whole, in characters.
const VALUE_WIDTH: usize = 60;

/// Writes one event with its changes.
pub(crate) fn write_event(out: &mut dyn Write, event: &AuditEvent) -> io::Result<()> {
    writeln!(out, "{}  {}", time_of(event.time(Column::OccurredAt)), sentence(event))?;
    if let Some(origin) = origin(event) {
        writeln!(out, "    {origin}")?;
    }
    if let Some(reason) = event.text(Column::Reason) {
        writeln!(out, "    because: {reason}")?;
    }
    write_changes(out, event)
}

/// What happened, and who did it: `update by alice (7)`.
pub(crate) fn sentence(event: &AuditEvent) -> String {
    let action = event.text(Column::Action).unwrap_or("event");
    let outcome = event.text(Column::Outcome).filter(|outcome| *outcome != "success");
    let outcome = outcome.map_or_else(String::new, |outcome| format!(" ({outcome})"));
    format!("{action}{outcome} by {}", actor(event))
}

/// The actor as one reads it: label and id, or what is known.
pub(crate) fn actor(event: &AuditEvent) -> String {
    let kind = event.text(Column::ActorType).unwrap_or("unknown");
    let mut text = match (event.text(Column::ActorLabel), event.text(Column::ActorId)) {
        (Some(label), Some(id)) => format!("{label} (user {id})"),
        (Some(label), None) if kind == "user" => label.to_owned(),
        (Some(label), None) => format!("{kind} {label}"),
        (None, Some(id)) => format!("user {id}"),
        (None, None) => kind.to_owned(),
    };
    let real = event.text(Column::ImpersonatorLabel).or(event.text(Column::ImpersonatorId));
    if let Some(real) = real {
        text.push_str(", really ");
        text.push_str(real);
    }
    text
}

/// From where: request, address, tenant, service.
fn origin(event: &AuditEvent) -> Option<String> {
    let mut parts = Vec::new();
    if let Some(path) = event.text(Column::HttpPath) {
        parts.push(format!("{} {path}", event.text(Column::HttpMethod).unwrap_or("GET")));
    }
    let labels = [(Column::Ip, "from"), (Column::Service, "in"), (Column::Tenant, "tenant")];
    for (column, word) in labels {
        parts.extend(event.text(column).map(|value| format!("{word} {value}")));
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn write_changes(out: &mut dyn Write, event: &AuditEvent) -> io::Result<()> {
    let before = object(event, Column::Before);
    let after = object(event, Column::After);
    match event.text(Column::Action) {
        Some("create") => write_state(out, &after, "")?,
        Some("delete") => write_state(out, &before, "was ")?,
        Some("link" | "unlink") => write_related(out, event)?,
        _ => {
            let changed = names(event, Column::Changed);
            let width = changed.iter().map(String::len).max().unwrap_or(0);
            for name in &changed {
                let (old, new) = (shown(before.get(name)), shown(after.get(name)));
                writeln!(out, "    {name:<width$}  {old} -> {new}")?;
            }
        }
    }
    write_state(out, &object(event, Column::Data), "")?;
    let unavailable = names(event, Column::Unavailable);
    if !unavailable.is_empty() {
        writeln!(out, "    not known: {}", unavailable.join(", "))?;
    }
    Ok(())
}

/// A JSON object of the event; empty if it has none.
fn object(event: &AuditEvent, column: Column) -> Map<String, Value> {
    match event.json(column) {
        Some(Value::Object(object)) => object,
        _ => Map::new(),
    }
}

/// A list of names of the event; empty if it has none.
pub(crate) fn names(event: &AuditEvent, column: Column) -> Vec<String> {
    match event.json(column) {
        Some(Value::Array(names)) => {
            names.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}

fn write_state(out: &mut dyn Write, state: &Map<String, Value>, prefix: &str) -> io::Result<()> {
    let is_told = |value: &Value| !value.is_null() && value.as_str() != Some("");
    let width = state.iter().filter(|(_, v)| is_told(v)).map(|(n, _)| n.len()).max().unwrap_or(0);
    for (name, value) in state.iter().filter(|(_, value)| is_told(value)) {
        writeln!(out, "    {name:<width$}  {prefix}{}", shown(Some(value)))?;
    }
    Ok(())
}

fn write_related(out: &mut dyn Write, event: &AuditEvent) -> io::Result<()> {
    let field = names(event, Column::Changed).concat();
    let sign = if event.text(Column::Action) == Some("link") { '+' } else { '-' };
    for side in event.json(Column::Related).iter().filter_map(Value::as_array).flatten() {
        let part = |name| side.get(name).and_then(Value::as_str).unwrap_or("?");
        writeln!(out, "    {field}  {sign} {} {}", part("model"), part("object_id"))?;
    }
    Ok(())
}

fn shown(value: Option<&Value>) -> String {
    value.map_or_else(|| "?".to_owned(), |value| shorten(&value_text(value), VALUE_WIDTH))
}
