//! Searching events by what people ask for.

use trailkeeper_event::{Column, Micros};
use trailkeeper_store::Parameter;

use crate::error::Result;
use crate::event::AuditEvent;
use crate::read::{Statement, quoted};
use crate::trail::Trail;

/// Which end of the trail a search starts from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The latest events first.
    #[default]
    NewestFirst,
    /// The earliest events first.
    OldestFirst,
}

/// Which events to find. What is `None` does not matter.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// Of this tenant.
    pub tenant: Option<String>,
    /// By this actor: an `actor_id` or an `actor_label`.
    pub actor: Option<String>,
    /// Of this model (`billing.invoice`).
    pub model: Option<String>,
    /// Of this object of the model.
    pub object_id: Option<String>,
    /// With this action.
    pub action: Option<String>,
    /// Of this kind.
    pub kind: Option<String>,
    /// With this outcome.
    pub outcome: Option<String>,
    /// Of this request.
    pub request_id: Option<String>,
    /// Of this transaction: 32 hex digits.
    pub transaction_id: Option<String>,
    /// That changed this field.
    pub field: Option<String>,
    /// That occurred at this time or later.
    pub since: Option<Micros>,
    /// That occurred before this time.
    pub until: Option<Micros>,
    /// With this text, in any case, in a label, a reason, a state or data.
    pub text: Option<String>,
    /// At most so many.
    pub limit: Option<usize>,
    /// Which come first.
    pub order: Order,
}

/// Where `text` is looked for.
const TEXT_COLUMNS: [Column; 6] = [
    Column::ObjectLabel,
    Column::ActorLabel,
    Column::Reason,
    Column::Before,
    Column::After,
    Column::Data,
];

/// Conditions, and the values they are asked with.
#[derive(Default)]
struct Conditions {
    parts: Vec<String>,
    parameters: Vec<Parameter>,
}

impl Conditions {
    /// Adds a value; gives its placeholder.
    fn bind(&mut self, value: Parameter) -> String {
        self.parameters.push(value);
        format!("${}", self.parameters.len())
    }

    fn equal(&mut self, name: &str, value: Option<&String>) {
        if let Some(value) = value {
            let place = self.bind(Parameter::Text(value.clone()));
            self.parts.push(format!("{name} = {place}"));
        }
    }

    fn any_like(&mut self, columns: &[Column], pattern: String) {
        let place = self.bind(Parameter::Text(pattern));
        let like = |column: &Column| format!("{} ILIKE {place}", quoted(*column));
        let parts: Vec<_> = columns.iter().map(like).collect();
        self.parts.push(format!("({})", parts.join(" OR ")));
    }
}

impl EventFilter {
    /// The query for all events that match, in the order in which they stand.
    pub(crate) fn matching(&self) -> Statement {
        let mut all = Conditions::default();
        match (&self.model, &self.object_id) {
            (Some(model), Some(id)) => {
                let key = Parameter::Text(format!("{model}/{id}"));
                let place = all.bind(key);
                all.parts.push(format!("{} = {place}", quoted(Column::ObjectKey)));
            }
            (model, id) => {
                all.equal(&quoted(Column::Model), model.as_ref());
                all.equal(&quoted(Column::ObjectId), id.as_ref());
            }
        }
        for (column, value) in [
            (Column::Tenant, &self.tenant),
            (Column::Action, &self.action),
            (Column::Kind, &self.kind),
            (Column::Outcome, &self.outcome),
            (Column::RequestId, &self.request_id),
        ] {
            all.equal(&quoted(column), value.as_ref());
        }
        all.equal("transaction_id", self.transaction_id.as_ref());
        if let Some(actor) = &self.actor {
            let place = all.bind(Parameter::Text(actor.clone()));
            let (id, label) = (quoted(Column::ActorId), quoted(Column::ActorLabel));
            all.parts.push(format!("({id} = {place} OR {label} = {place})"));
        }
        if let Some(field) = &self.field {
            let name = serde_json::Value::String(field.clone()).to_string();
            all.any_like(&[Column::Changed], format!("%{}%", escape_like(&name)));
        }
        let occurred = quoted(Column::OccurredAt);
        if let Some(since) = self.since {
            let place = all.bind(Parameter::Time(since.0));
            all.parts.push(format!("{occurred} >= {place}"));
        }
        if let Some(until) = self.until {
            let place = all.bind(Parameter::Time(until.0));
            all.parts.push(format!("{occurred} < {place}"));
        }
        if let Some(text) = &self.text {
            all.any_like(&TEXT_COLUMNS, format!("%{}%", escape_like(text)));
        }
        let mut sql = "SELECT * FROM events".to_owned();
        if !all.parts.is_empty() {
            sql.push_str(" WHERE ");
            sql.push_str(&all.parts.join(" AND "));
        }
        Statement { sql, parameters: all.parameters, ..Statement::default() }
    }

    /// The query for the events that match, in its order and no more than its limit.
    fn statement(&self) -> Statement {
        let Statement { mut sql, parameters, limits } = self.matching();
        sql.push_str(match self.order {
            Order::NewestFirst => " ORDER BY occurred_at DESC, position DESC, seq DESC NULLS FIRST",
            Order::OldestFirst => " ORDER BY occurred_at, position, seq NULLS LAST",
        });
        if let Some(limit) = self.limit {
            sql.push_str(&format!(" LIMIT {limit}"));
        }
        Statement { sql, parameters, limits }
    }
}

/// `text` as a pattern that matches just itself.
fn escape_like(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '%' | '_' | '\\') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

impl Trail {
    /// The events that match `filter`, in its order.
    ///
    /// # Errors
    ///
    /// As [`Trail::query`].
    pub fn search(&self, filter: &EventFilter) -> Result<Vec<AuditEvent>> {
        AuditEvent::from_rows(&self.query(filter.statement(), &[])?.batches)
    }
}
