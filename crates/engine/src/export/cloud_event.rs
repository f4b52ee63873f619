//! Events as CloudEvents 1.0, in the JSON event format.

use serde_json::{Map, Value};
use trailkeeper_event::Column;

use crate::event::AuditEvent;
use crate::time::rfc3339;

/// The CloudEvent of an event, as JSON text.
///
/// `id` and `source` are made where the event is: whoever has seen both has seen the event.
pub(super) fn text(event: &AuditEvent) -> String {
    let mut attributes = Map::new();
    let mut set = |name: &str, value: String| attributes.insert(name.to_owned(), value.into());
    set("specversion", "1.0".to_owned());
    set("id", event.event_id().unwrap_or_default().to_owned());
    set("source", source(event.text(Column::Source)));
    set("type", event_type(event));
    set("datacontenttype", "application/json".to_owned());
    if let Some(at) = event.time(Column::OccurredAt) {
        set("time", rfc3339(at));
    }
    if let Some(key) = event.text(Column::ObjectKey).filter(|key| !key.is_empty()) {
        set("subject", key.to_owned());
    }
    let mut text = Value::Object(attributes).to_string();
    // The data stand as they are: a number that was read and written again might be another one.
    text.pop();
    text.push_str(",\"data\":");
    text.push_str(&event.to_json_text());
    text.push('}');
    text
}

fn event_type(event: &AuditEvent) -> String {
    let part = |column| event.text(column).filter(|text| !text.is_empty()).unwrap_or("unknown");
    format!("trailkeeper.{}.{}", part(Column::Kind), part(Column::Action))
}

/// A reference to the source, as RFC 3986 has it: its name as a segment of a path.
fn source(name: Option<&str>) -> String {
    let mut reference = "/trailkeeper".to_owned();
    if let Some(name) = name {
        reference.push('/');
        for byte in name.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => reference.push(byte.into()),
                b'-' | b'.' | b'_' | b'~' | b':' | b'@' => reference.push(byte.into()),
                other => reference.push_str(&format!("%{other:02X}")),
            }
        }
    }
    reference
}

#[cfg(test)]
mod tests {
    use super::source;

    #[test]
    fn a_source_is_a_reference() {
        assert_eq!(source(Some("django:shop")), "/trailkeeper/django:shop");
        assert_eq!(source(Some("a b/\u{e9}%")), "/trailkeeper/a%20b%2F%C3%A9%25");
        assert_eq!(source(None), "/trailkeeper");
    }
}
