//! Events in the Open Cybersecurity Schema Framework, version 1.8.0.
//!
//! What has no place in the schema stands under `unmapped`, by the name of its column.

use serde_json::{Map, Value, json};
use trailkeeper_event::Column;

use crate::event::AuditEvent;

const VERSION: &str = "1.8.0";
/// The name of what records: as product, and as the vendor of it.
const PRODUCT: &str = "Trailkeeper";

/// The activity of something that the schema has no name for.
const OTHER: u32 = 99;

/// Columns that `metadata.uid` is made of.
const IN_EVENT_ID: [Column; 3] = [Column::Writer, Column::TransactionNumber, Column::Position];

/// A class of the schema, with the number of its category.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Base,
    Authentication,
    EntityManagement,
    ApiActivity,
}

impl Class {
    fn of(kind: Option<&str>) -> Self {
        match kind {
            Some("change" | "access") => Self::EntityManagement,
            Some("auth") => Self::Authentication,
            Some("request" | "event") => Self::ApiActivity,
            _ => Self::Base,
        }
    }

    /// The number of the class, that of its category, and the names of both.
    const fn numbers(self) -> (u32, u32, &'static str, &'static str) {
        match self {
            Self::Base => (0, 0, "Base Event", "Uncategorized"),
            Self::Authentication => (3002, 3, "Authentication", "Identity & Access Management"),
            Self::EntityManagement => {
                (3004, 3, "Entity Management", "Identity & Access Management")
            }
            Self::ApiActivity => (6003, 6, "API Activity", "Application Activity"),
        }
    }
}

/// The OCSF event of an event.
pub(super) fn event(event: &AuditEvent) -> Value {
    let mut columns = Columns::new(event);
    let class = Class::of(event.text(Column::Kind));
    let (activity, activity_name) = activity(class, event);
    let (class_uid, category_uid, class_name, category_name) = class.numbers();
    let mut out = Map::new();
    let mut set = |name: &str, value: Value| out.insert(name.to_owned(), value);
    set("class_uid", class_uid.into());
    set("class_name", class_name.into());
    set("category_uid", category_uid.into());
    set("category_name", category_name.into());
    set("activity_id", activity.into());
    set("activity_name", activity_name.into());
    set("type_uid", (class_uid * 100 + activity).into());
    set("type_name", format!("{class_name}: {activity_name}").into());
    set("time", time_of(event).into());
    set("message", message(event).into());
    outcome(event, &mut out);
    if class == Class::EntityManagement {
        columns.entity(&mut out);
    }
    if class != Class::Base {
        columns.http(&mut out);
        columns.who(class, &mut out);
    }
    if class == Class::ApiActivity {
        columns.api(&mut out);
    }
    let metadata = columns.metadata(event, class);
    out.insert("metadata".to_owned(), metadata);
    if let Some(reason) = columns.take(Column::Reason) {
        let name = if class == Class::EntityManagement { "comment" } else { "status_detail" };
        out.insert(name.to_owned(), reason);
    }
    if !columns.0.is_empty() {
        out.insert("unmapped".to_owned(), Value::Object(columns.0));
    }
    Value::Object(out)
}

/// Milliseconds since the epoch, rounded down.
fn time_of(event: &AuditEvent) -> i64 {
    let times = [Column::OccurredAt, Column::CommittedAt, Column::RecordedAt];
    times.iter().find_map(|column| event.int(*column)).unwrap_or(0).div_euclid(1000)
}

/// The action, and the object or path it is about.
fn message(event: &AuditEvent) -> String {
    let text = |column| event.text(column);
    let action = text(Column::Action).unwrap_or("event");
    let about = text(Column::ObjectKey).or(text(Column::Model)).or(text(Column::HttpPath));
    about.map_or_else(|| action.to_owned(), |about| format!("{action} {about}"))
}

/// The number and the name of what was done.
fn activity(class: Class, event: &AuditEvent) -> (u32, &str) {
    let action = event.text(Column::Action).unwrap_or("Unknown");
    match (class, action) {
        (Class::EntityManagement, "create") => (1, "Create"),
        (Class::EntityManagement, "access") => (2, "Read"),
        (Class::EntityManagement, "update" | "link" | "unlink") => (3, "Update"),
        (Class::EntityManagement, "delete" | "truncate") => (4, "Delete"),
        (Class::Authentication, "login" | "login_failed") => (1, "Logon"),
        (Class::Authentication, "logout") => (2, "Logoff"),
        (Class::Authentication, "impersonation_started" | "impersonation_ended") => {
            (7, "Account Switch")
        }
        (Class::ApiActivity, "request") => match event.text(Column::HttpMethod) {
            Some("POST") => (1, "Create"),
            Some("GET" | "HEAD" | "OPTIONS") => (2, "Read"),
            Some("PUT" | "PATCH") => (3, "Update"),
            Some("DELETE") => (4, "Delete"),
            _ => (OTHER, "Other"),
        },
        _ => (OTHER, action),
    }
}

/// Whether it went well; a refusal is a failure whose code says that it is one.
fn outcome(event: &AuditEvent, out: &mut Map<String, Value>) {
    let outcome = event.text(Column::Outcome);
    let (status_id, status) = match outcome {
        Some("success") => (1, "Success"),
        Some("failure" | "denied") => (2, "Failure"),
        _ => (0, "Unknown"),
    };
    let (severity_id, severity) = if status_id == 2 { (2, "Low") } else { (1, "Informational") };
    let mut set = |name: &str, value: Value| out.insert(name.to_owned(), value);
    set("status_id", status_id.into());
    set("status", status.into());
    set("severity_id", severity_id.into());
    set("severity", severity.into());
    if let Some(outcome) = outcome {
        set("status_code", outcome.into());
    }
}

/// The columns that have not found their place yet.
struct Columns(Map<String, Value>);

impl Columns {
    fn new(event: &AuditEvent) -> Self {
        let Value::Object(mut columns) = event.to_json() else { return Self(Map::new()) };
        for column in IN_EVENT_ID {
            columns.remove(column.name());
        }
        // The one is that of model and id, the other a status code.
        for column in [Column::ObjectKey, Column::Outcome] {
            columns.remove(column.name());
        }
        Self(columns)
    }

    fn take(&mut self, column: Column) -> Option<Value> {
        self.0.remove(column.name())
    }

    fn take_text(&mut self, column: Column) -> Option<String> {
        match self.take(column)? {
            Value::String(text) => Some(text),
            other => Some(other.to_string()),
        }
    }

    fn metadata(&mut self, event: &AuditEvent, class: Class) -> Value {
        let mut metadata = Object::default();
        metadata.set("version", Some(VERSION));
        metadata.set(
            "product",
            Some(json!({"name": PRODUCT, "vendor_name": PRODUCT, "version": env!("CARGO_PKG_VERSION")})),
        );
        metadata.set("log_name", Some("trailkeeper"));
        metadata.set("uid", self.0.remove("event_id"));
        metadata.set("correlation_uid", self.0.remove("transaction_id"));
        metadata.set("event_code", self.take(Column::Action));
        metadata.set("log_provider", self.take(Column::Source));
        metadata.set("log_version", self.take_text(Column::SchemaVersion));
        metadata.set("sequence", self.take(Column::Seq));
        metadata.set("tenant_uid", self.take(Column::Tenant));
        metadata.set("original_time", self.take(Column::OccurredAt));
        let recorded = event.int(Column::RecordedAt).map(|at| at.div_euclid(1000));
        metadata.set("logged_time", recorded);
        if class == Class::ApiActivity && event.text(Column::TraceId).is_some() {
            metadata.set("profiles", Some(json!(["trace"])));
        }
        metadata.into_value()
    }

    /// The object, with its state before, and with that after where there are both.
    fn entity(&mut self, out: &mut Map<String, Value>) {
        let (before, after) = (self.take(Column::Before), self.take(Column::After));
        let table = self.0.get("data").and_then(|data| data.get("table")).cloned();
        let mut entity = Object::default();
        let model = self.take(Column::Model);
        entity.set("type_id", Some(OTHER));
        entity.set("uid", self.take(Column::ObjectId));
        let label = self.take(Column::ObjectLabel);
        // An event of many rows is about their table.
        let name = label.or_else(|| table.filter(Value::is_string)).or_else(|| model.clone());
        entity.set("name", Some(name.unwrap_or_else(|| "unknown".into())));
        entity.set("type", model);
        let mut result = entity.clone();
        match (before, after) {
            (Some(before), Some(after)) => {
                entity.set("data", Some(before));
                result.set("data", Some(after));
                out.insert("entity_result".to_owned(), result.into_value());
            }
            (before, after) => entity.set("data", before.or(after)),
        }
        out.insert("entity".to_owned(), entity.into_value());
    }

    /// The request in which it happened, and its response.
    fn http(&mut self, out: &mut Map<String, Value>) {
        let mut request = Object::default();
        request.set("uid", self.take(Column::RequestId));
        request.set("http_method", self.take(Column::HttpMethod));
        request.set("url", self.take(Column::HttpPath).map(|path| json!({"path": path})));
        request.set("user_agent", self.take(Column::UserAgent));
        request.insert_into(out, "http_request");
        if let Some(code) = self.take(Column::HttpStatus) {
            let mut response = Object::default();
            response.set("code", Some(code));
            let micros = self.0.get(Column::DurationUs.name()).and_then(Value::as_i64);
            response.set("latency", micros.map(|micros| micros.div_euclid(1000)));
            response.insert_into(out, "http_response");
        }
    }

    /// Who acted, and from where.
    fn who(&mut self, class: Class, out: &mut Map<String, Value>) {
        let source = self.0.get(Column::Source.name()).cloned();
        let session = self.take(Column::Session).map(|uid| json!({"uid": uid}));
        let user = self.user();
        let mut actor = Object::default();
        let service = self.take(Column::Service).or_else(|| source.clone());
        let fallback = || Some(Value::from("unknown"));
        actor.set("app_name", if user.is_none() { service.or_else(fallback) } else { service });
        actor.set("user", user.clone());
        if class == Class::Authentication {
            let subject = self.subject().or(user).unwrap_or_else(|| json!({"name": "unknown"}));
            out.insert("user".to_owned(), subject);
            let service = source.unwrap_or_else(|| "unknown".into());
            out.insert("service".to_owned(), json!({"name": service}));
            if let Some(session) = session {
                out.insert("session".to_owned(), session);
            }
        } else {
            actor.set("session", session);
        }
        actor.insert_into(out, "actor");
        match self.take(Column::Ip) {
            Some(ip) => {
                out.insert("src_endpoint".to_owned(), json!({"ip": ip}));
            }
            // The class asks for it.
            None if class == Class::ApiActivity => {
                out.insert("src_endpoint".to_owned(), json!({"name": "unknown"}));
            }
            None => {}
        }
    }

    /// The actor as a user, if anything is known of one.
    fn user(&mut self) -> Option<Value> {
        let kind = self.take_text(Column::ActorType);
        let (type_id, name) = match kind.as_deref() {
            Some("user") => (1, None),
            Some("system") => (3, Some("system")),
            Some("service") => (4, None),
            Some("anonymous") => (OTHER, Some("anonymous")),
            _ => (0, None),
        };
        let uid = self.take(Column::ActorId);
        let label = self.take(Column::ActorLabel).or_else(|| name.map(Value::from));
        if uid.is_none() && label.is_none() {
            return None;
        }
        let mut user = Object::default();
        user.set("type_id", Some(type_id));
        user.set("type", kind);
        user.set("uid", uid);
        user.set("name", label);
        Some(user.into_value())
    }

    /// Whom a login is about: the object of the event, or the name that was tried.
    fn subject(&mut self) -> Option<Value> {
        let uid = self.take(Column::ObjectId);
        let tried = || self.0.get("data")?.get("username").filter(|name| name.is_string()).cloned();
        let tried = tried();
        let name = self.take(Column::ObjectLabel).or(tried);
        if uid.is_none() && name.is_none() {
            return None;
        }
        let mut user = Object::default();
        user.set("uid", uid);
        user.set("name", name);
        Some(user.into_value())
    }

    /// What was called: the route of a request, or an event of the application's own by its name.
    fn api(&mut self, out: &mut Map<String, Value>) {
        let text = |column: Column| self.0.get(column.name()).and_then(Value::as_str);
        let request = out.get("http_request");
        let method = request.and_then(|request| request.get("http_method"));
        let path = request.and_then(|request| request.pointer("/url/path"));
        let action = text(Column::Action).unwrap_or("unknown");
        let operation = match (action, method.and_then(Value::as_str)) {
            ("request", Some(method)) => {
                let place = text(Column::HttpRoute).or_else(|| path.and_then(Value::as_str));
                format!("{method} {}", place.unwrap_or_default()).trim_end().to_owned()
            }
            (action, _) => action.to_owned(),
        };
        let mut api = Object::default();
        api.set("operation", Some(operation));
        let uid = request.and_then(|request| request.get("uid"));
        api.set("request", uid.map(|uid| json!({"uid": uid})));
        api.set("service", self.0.get("source").map(|name| json!({"name": name})));
        api.insert_into(out, "api");
        if let Some(trace) = self.take(Column::TraceId) {
            out.insert("trace".to_owned(), json!({"uid": trace}));
        }
        let mut resource = Object::default();
        resource.set("uid", self.take(Column::ObjectId));
        resource.set("name", self.take(Column::ObjectLabel));
        if !resource.0.is_empty() {
            resource.set("type", self.take(Column::Model));
            out.insert("resources".to_owned(), json!([resource.into_value()]));
        }
    }
}

/// An object of the schema, without what is not known.
#[derive(Clone, Default)]
struct Object(Map<String, Value>);

impl Object {
    fn set(&mut self, name: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.0.insert(name.to_owned(), value.into());
        }
    }

    fn insert_into(self, out: &mut Map<String, Value>, name: &str) {
        if !self.0.is_empty() {
            out.insert(name.to_owned(), Value::Object(self.0));
        }
    }

    fn into_value(self) -> Value {
        Value::Object(self.0)
    }
}
