//! OCSF events have what version 1.8.0 of the schema requires of their class.

use serde_json::{Value, json};
use trailkeeper_engine::{Column, EventFilter, ExportFormat, RecordBuilder};

use crate::export::{export, lines};
use crate::sample::{START, World, drain, push};

/// Exports one event with these texts, beside those that every event has.
fn ocsf(texts: &[(Column, &str)], numbers: &[(Column, i64)]) -> Value {
    let world = World::new();
    let trail = world.trail();
    let mut record = RecordBuilder::new();
    record.text(Column::Source, "django:shop").int(Column::OccurredAt, START + 1999);
    for (column, text) in texts {
        record.text(*column, text);
    }
    for (column, number) in numbers {
        record.int(*column, *number);
    }
    push(&mut trail.spool().unwrap().writer().unwrap(), &record);
    drain(&trail);
    let filter = EventFilter::default();
    let mut found = lines(&export(&trail, &filter, ExportFormat::Ocsf));
    let event = trail.search(&filter).unwrap().remove(0).to_json();
    let found = found.remove(0);
    check(&found);
    check_nothing_is_lost(&event, &found);
    found
}

/// The requirements and constraints of the schema.
fn check(event: &Value) {
    let number = |name: &str| event[name].as_u64().unwrap_or_else(|| panic!("{name}: {event}"));
    let (class, activity) = (number("class_uid"), number("activity_id"));
    assert_eq!(number("type_uid"), class * 100 + activity);
    assert_eq!(number("category_uid"), class / 1000);
    assert!(number("severity_id") <= 6);
    assert!(number("status_id") <= 2);
    assert_eq!(event["time"], (START + 1999) / 1000);
    let metadata = &event["metadata"];
    assert_eq!(metadata["version"], "1.8.0");
    assert_eq!(metadata["product"]["name"], "Trailkeeper");
    assert!(metadata["uid"].as_str().is_some_and(|uid| uid.len() == 32));
    assert!(metadata["sequence"].is_u64() && metadata["logged_time"].is_i64());
    let (required, activities): (&[&str], &[u64]) = match class {
        0 => (&[], &[0, 99]),
        3002 => (&["user", "service"], &[0, 1, 2, 7, 99]),
        3004 => (&["entity"], &[0, 1, 2, 3, 4, 99]),
        6003 => (&["actor", "api", "src_endpoint"], &[0, 1, 2, 3, 4, 99]),
        other => panic!("class {other}"),
    };
    assert!(activities.contains(&activity), "{event}");
    for name in required {
        assert!(event[*name].is_object(), "{name}: {event}");
    }
    // Objects of which at least one attribute is there.
    for (place, names) in [
        ("/user", &["uid", "name"] as &[&str]),
        ("/actor", &["user", "session", "app_name"]),
        ("/actor/user", &["uid", "name"]),
        ("/entity", &["uid", "name"]),
        ("/entity_result", &["uid", "name"]),
        ("/service", &["uid", "name"]),
        ("/src_endpoint", &["ip", "name"]),
        ("/resources/0", &["uid", "name"]),
        ("/api", &["operation"]),
        ("/api/request", &["uid"]),
        ("/trace", &["uid"]),
        ("/http_response", &["code"]),
        ("/http_request/url", &["path"]),
    ] {
        if let Some(object) = event.pointer(place) {
            assert!(names.iter().any(|name| !object[*name].is_null()), "{place}: {event}");
        }
    }
}

/// Every value of the event stands somewhere, as it is or in milliseconds.
fn check_nothing_is_lost(event: &Value, ocsf: &Value) {
    let said_otherwise = ["object_key", "writer", "transaction_number", "position"];
    for (name, value) in event.as_object().unwrap() {
        let text = value.as_i64().map(|number| json!(number.to_string()));
        let is_there = holds(ocsf, value) || text.is_some_and(|text| holds(ocsf, &text));
        assert!(is_there || said_otherwise.contains(&name.as_str()), "{name}: {ocsf}");
    }
}

fn holds(within: &Value, value: &Value) -> bool {
    within == value
        || match within {
            Value::Object(members) => members.values().any(|member| holds(member, value)),
            Value::Array(items) => items.iter().any(|item| holds(item, value)),
            _ => false,
        }
}

const ACTOR: [(Column, &str); 6] = [
    (Column::ActorType, "user"),
    (Column::ActorId, "7"),
    (Column::ActorLabel, "ada"),
    (Column::Session, "5e55"),
    (Column::Ip, "192.0.2.7"),
    (Column::Tenant, "acme"),
];

fn with<'a>(first: &[(Column, &'a str)], more: &[(Column, &'a str)]) -> Vec<(Column, &'a str)> {
    [first, more].concat()
}

#[test]
fn changes_are_entity_management() {
    let object = with(
        &ACTOR,
        &[
            (Column::Kind, "change"),
            (Column::Outcome, "success"),
            (Column::Model, "billing.invoice"),
            (Column::ObjectId, "42"),
            (Column::ObjectLabel, "Invoice 42"),
            (Column::RequestId, "r-1"),
            (Column::TraceId, "t-1"),
            (Column::Changed, "[\"total\"]"),
            (Column::Before, "{\"total\":\"1.00\"}"),
            (Column::After, "{\"total\":\"2.00\"}"),
            (Column::Reason, "agreed"),
            (Column::ImpersonatorId, "1"),
        ],
    );
    for (action, activity) in [
        ("create", 1),
        ("update", 3),
        ("link", 3),
        ("unlink", 3),
        ("delete", 4),
        ("truncate", 4),
        ("baseline", 99),
    ] {
        let event = ocsf(&with(&object, &[(Column::Action, action)]), &[]);
        assert_eq!((&event["class_uid"], &event["activity_id"]), (&json!(3004), &json!(activity)));
        assert_eq!(event["metadata"]["event_code"], action);
    }
    let event = ocsf(&with(&object, &[(Column::Action, "update")]), &[]);
    assert_eq!(event["entity"]["uid"], "42");
    assert_eq!(event["entity"]["type"], "billing.invoice");
    assert_eq!(event["entity"]["data"]["total"], "1.00");
    assert_eq!(event["entity_result"]["data"]["total"], "2.00");
    assert_eq!(event["comment"], "agreed");
    assert_eq!(
        event["actor"]["user"],
        json!({"uid": "7", "name": "ada", "type_id": 1, "type": "user"})
    );
    assert_eq!(event["actor"]["session"]["uid"], "5e55");
    assert_eq!(event["src_endpoint"]["ip"], "192.0.2.7");
    assert_eq!(event["http_request"]["uid"], "r-1");
    assert_eq!(event["metadata"]["tenant_uid"], "acme");
    assert_eq!(event["unmapped"]["changed"], json!(["total"]));
    assert_eq!(event["unmapped"]["impersonator_id"], "1");
    assert_eq!((&event["status_id"], &event["severity_id"]), (&json!(1), &json!(1)));
    // One state alone is that of the entity.
    let created = [
        (Column::Kind, "change"),
        (Column::Action, "create"),
        (Column::Model, "billing.invoice"),
        (Column::ObjectId, "43"),
        (Column::After, "{\"total\":\"3.00\"}"),
    ];
    let event = ocsf(&created, &[]);
    assert_eq!(event["entity"]["data"]["total"], "3.00");
    assert_eq!(event.get("entity_result"), None);
    assert_eq!(event["status_id"], 0);
}

#[test]
fn a_statement_is_about_its_table() {
    let data =
        "{\"rows\":3,\"statement\":\"UPDATE x\",\"table\":\"billing_invoice\",\"verb\":\"update\"}";
    let event =
        ocsf(&[(Column::Kind, "change"), (Column::Action, "opaque"), (Column::Data, data)], &[]);
    assert_eq!(event["entity"]["name"], "billing_invoice");
    assert_eq!(event["activity_id"], 99);
    assert_eq!(event["activity_name"], "opaque");
    assert_eq!(event["unmapped"]["data"]["rows"], 3);
}

#[test]
fn logins_are_authentication() {
    for (action, outcome, activity, status) in [
        ("login", "success", 1, 1),
        ("logout", "success", 2, 1),
        ("impersonation_started", "success", 7, 1),
        ("other", "denied", 99, 2),
    ] {
        let event = ocsf(
            &with(
                &ACTOR,
                &[
                    (Column::Kind, "auth"),
                    (Column::Action, action),
                    (Column::Outcome, outcome),
                    (Column::Model, "auth.user"),
                    (Column::ObjectId, "9"),
                    (Column::ObjectLabel, "grace"),
                ],
            ),
            &[],
        );
        assert_eq!((&event["class_uid"], &event["activity_id"]), (&json!(3002), &json!(activity)));
        assert_eq!(event["status_id"], status);
        assert_eq!(event["status_code"], outcome);
        assert_eq!(event["user"], json!({"uid": "9", "name": "grace"}));
        assert_eq!(event["actor"]["user"]["name"], "ada");
        assert_eq!(event["service"]["name"], "django:shop");
        assert_eq!(event["session"]["uid"], "5e55");
    }
    let failed = [
        (Column::Kind, "auth"),
        (Column::Action, "login_failed"),
        (Column::Outcome, "failure"),
        (Column::ActorType, "anonymous"),
        (Column::Data, "{\"username\":\"root\"}"),
    ];
    let event = ocsf(&failed, &[]);
    assert_eq!(event["user"]["name"], "root");
    assert_eq!((&event["activity_id"], &event["status_id"]), (&json!(1), &json!(2)));
    assert_eq!(event["actor"]["user"]["name"], "anonymous");
    let unknown = ocsf(&[(Column::Kind, "auth"), (Column::Action, "login_failed")], &[]);
    assert_eq!(unknown["user"]["name"], "unknown");
}

#[test]
fn requests_are_api_activity() {
    let request = |method: &str| {
        ocsf(
            &with(
                &ACTOR,
                &[
                    (Column::Kind, "request"),
                    (Column::Action, "request"),
                    (Column::Outcome, "denied"),
                    (Column::RequestId, "r-1"),
                    (Column::TraceId, "0af7651916cd43dd8448eb211c80319c"),
                    (Column::HttpMethod, method),
                    (Column::HttpRoute, "invoices/<int:pk>/"),
                    (Column::HttpPath, "/invoices/42/"),
                    (Column::UserAgent, "curl"),
                ],
            ),
            &[(Column::HttpStatus, 403), (Column::DurationUs, 12_345)],
        )
    };
    for (method, activity) in [
        ("POST", 1),
        ("GET", 2),
        ("HEAD", 2),
        ("PUT", 3),
        ("PATCH", 3),
        ("DELETE", 4),
        ("TRACE", 99),
    ] {
        let event = request(method);
        assert_eq!((&event["class_uid"], &event["activity_id"]), (&json!(6003), &json!(activity)));
    }
    let event = request("GET");
    assert_eq!(event["api"]["operation"], "GET invoices/<int:pk>/");
    assert_eq!(event["api"]["request"]["uid"], "r-1");
    assert_eq!(event["http_request"]["url"]["path"], "/invoices/42/");
    assert_eq!(event["http_request"]["user_agent"], "curl");
    assert_eq!(event["http_response"], json!({"code": 403, "latency": 12}));
    assert_eq!(event["trace"]["uid"], "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(event["metadata"]["profiles"], json!(["trace"]));
    assert_eq!((&event["status_id"], &event["status_code"]), (&json!(2), &json!("denied")));
    let bare = ocsf(&[(Column::Kind, "request"), (Column::Action, "request")], &[]);
    assert_eq!(bare["src_endpoint"]["name"], "unknown");
    assert_eq!(bare["actor"], json!({"app_name": "django:shop"}));
}

#[test]
fn what_the_application_tells_is_api_activity() {
    let event = ocsf(
        &with(
            &ACTOR,
            &[
                (Column::Kind, "event"),
                (Column::Action, "invoice.validated"),
                (Column::Outcome, "success"),
                (Column::Model, "billing.invoice"),
                (Column::ObjectId, "42"),
                (Column::Service, "nightly"),
                (Column::Data, "{\"by\":\"hand\"}"),
            ],
        ),
        &[],
    );
    assert_eq!((&event["class_uid"], &event["activity_id"]), (&json!(6003), &json!(99)));
    assert_eq!(event["activity_name"], "invoice.validated");
    assert_eq!(event["api"]["operation"], "invoice.validated");
    assert_eq!(event["actor"]["app_name"], "nightly");
    assert_eq!(event["resources"], json!([{"uid": "42", "type": "billing.invoice"}]));
    assert_eq!(event["unmapped"]["data"], json!({"by": "hand"}));
}

#[test]
fn reading_is_entity_management_and_the_rest_is_a_base_event() {
    let read = [
        (Column::Kind, "access"),
        (Column::Action, "access"),
        (Column::Model, "hr.file"),
        (Column::ObjectId, "1"),
    ];
    let event = ocsf(&read, &[]);
    assert_eq!((&event["class_uid"], &event["activity_id"]), (&json!(3004), &json!(2)));
    for kind in ["system", "of a later release"] {
        let event =
            ocsf(&with(&ACTOR, &[(Column::Kind, kind), (Column::Action, "spool.corrupt")]), &[]);
        assert_eq!((&event["class_uid"], &event["activity_id"]), (&json!(0), &json!(99)));
        assert_eq!(event["unmapped"]["actor_label"], "ada");
    }
}
