//! Questions about one object, which need no plan.
//!
//! To plan a query over all columns takes some milliseconds, to read an object's events less. So a
//! statement that asks for the events of one object is recognised by its text:
//!
//! - `SELECT columns FROM events WHERE object_key = 'x' [ORDER BY columns] [LIMIT n] [OFFSET n]` is
//!   answered here;
//! - any other whose `WHERE` holds for one object only is planned over the events of that object.
//!
//! What is not recognised is answered as every other query is: with the same rows.

use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::{SortColumn, SortOptions, concat_batches, lexsort_to_indices, take};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Ident, LimitClause, ObjectName, ObjectNamePart, OrderByExpr, OrderByKind,
    Query as SqlQuery, Select, SelectItem, SetExpr, Statement, TableFactor, TableWithJoins, Value,
    visit_relations,
};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;
use trailkeeper_event::{Column, arrow_schema};

use crate::error::Result;
use crate::query::function::{Position, event_ids};
use crate::query::{EVENTS, Parameter, Rows, output, view};

/// A statement that asks for the events of one object.
#[derive(Debug, PartialEq)]
pub(super) struct OneObject {
    /// Its `object_key`.
    pub(super) key: String,
    /// How the events are given, if that needs no plan.
    pub(super) answer: Option<Answer>,
}

/// Which columns of which rows, in which order.
#[derive(Debug, PartialEq)]
pub(super) struct Answer {
    columns: Vec<String>,
    order: Vec<(String, SortOptions)>,
    skip: usize,
    limit: Option<usize>,
}

/// What `sql` asks for, if that is the events of one object.
pub(super) fn recognise(sql: &str, parameters: &[Parameter]) -> Option<OneObject> {
    let statements = Parser::parse_sql(&PostgreSqlDialect {}, sql).ok()?;
    let [statement @ Statement::Query(query)] = statements.as_slice() else { return None };
    let SetExpr::Select(select) = query.body.as_ref() else { return None };
    // In a table that is made of them, other events may have a part.
    let [from] = select.from.as_slice() else { return None };
    let is_table = matches!(from.relation, TableFactor::Table { .. }) && from.joins.is_empty();
    if !is_table || query.with.is_some() || !is_only_of_events(statement) {
        return None;
    }
    let condition = select.selection.as_ref()?;
    let key = key_in(condition, parameters)?;
    let answer =
        key_of(condition, parameters).and_then(|_| Answer::to(statement, query, select, from));
    Some(OneObject { key, answer })
}

/// Whether `events` stands in the statement once, and no other table does.
fn is_only_of_events(statement: &Statement) -> bool {
    let mut relations = 0;
    let found = visit_relations(statement, |name: &ObjectName| {
        relations += 1;
        match name.0.as_slice() {
            [ObjectNamePart::Identifier(ident)] if name_of(ident) == EVENTS => {
                ControlFlow::Continue(())
            }
            _ => ControlFlow::Break(()),
        }
    });
    found.is_continue() && relations == 1
}

/// The name of a table that has no alias, and of which nothing else is said.
fn name_alone(from: &TableWithJoins) -> Option<String> {
    let TableFactor::Table { name, .. } = &from.relation else { return None };
    let [ObjectNamePart::Identifier(ident)] = name.0.as_slice() else { return None };
    (from.to_string() == ident.to_string()).then(|| name_of(ident))
}

/// The key of the one object for which a condition can hold.
fn key_in(condition: &Expr, parameters: &[Parameter]) -> Option<String> {
    match condition {
        Expr::Nested(inner) => key_in(inner, parameters),
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            key_in(left, parameters).or_else(|| key_in(right, parameters))
        }
        condition => key_of(condition, parameters),
    }
}

/// `x` in `object_key = 'x'`.
fn key_of(condition: &Expr, parameters: &[Parameter]) -> Option<String> {
    let Expr::BinaryOp { left, op: BinaryOperator::Eq, right } = condition else { return None };
    if column_of(left)? != Column::ObjectKey.name() {
        return None;
    }
    let Expr::Value(value) = right.as_ref() else { return None };
    match &value.value {
        Value::SingleQuotedString(text) => Some(text.clone()),
        Value::Placeholder(name) => {
            let number: usize = name.strip_prefix('$')?.parse().ok()?;
            match parameters.get(number.checked_sub(1)?)? {
                Parameter::Text(text) => Some(text.clone()),
                _ => None,
            }
        }
        _ => None,
    }
}

/// The name of a column of `events`.
fn column_of(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(ident) => Some(name_of(ident)),
        Expr::CompoundIdentifier(idents) => match idents.as_slice() {
            [table, ident] if name_of(table) == EVENTS => Some(name_of(ident)),
            _ => None,
        },
        _ => None,
    }
}

fn name_of(ident: &Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}

impl Answer {
    fn to(
        statement: &Statement,
        query: &SqlQuery,
        select: &Select,
        from: &TableWithJoins,
    ) -> Option<Self> {
        let known = view::names();
        let mut columns = Vec::new();
        for item in &select.projection {
            match item {
                SelectItem::Wildcard(_) => {
                    columns.extend(known.iter().map(|&name| name.to_owned()))
                }
                SelectItem::UnnamedExpr(expr) => columns.push(column_of(expr)?),
                _ => return None,
            }
        }
        let order = match query.order_by.as_ref().map(|order| &order.kind) {
            None => Vec::new(),
            Some(OrderByKind::Expressions(order)) => {
                order.iter().map(sorting).collect::<Option<Vec<_>>>()?
            }
            Some(OrderByKind::All(_)) => return None,
        };
        let (limit, skip) = match &query.limit_clause {
            None => (None, None),
            Some(LimitClause::LimitOffset { limit, offset, .. }) => {
                (limit.as_ref(), offset.as_ref().map(|offset| &offset.value))
            }
            Some(LimitClause::OffsetCommaLimit { .. }) => return None,
        };
        let limit = limit.map_or(Some(None), |limit| number(limit).map(Some))?;
        let skip = skip.map_or(Some(0), number)?;
        let named = columns.iter().chain(order.iter().map(|(name, _)| name));
        if named.into_iter().any(|name| !known.contains(&name.as_str())) || is_twice(&columns) {
            return None;
        }
        // What was not looked at above is in the statement's text, and not in this one.
        let items: Vec<_> = select.projection.iter().map(ToString::to_string).collect();
        let condition = select.selection.as_ref()?;
        let mut same = format!("SELECT {} FROM {from} WHERE {condition}", items.join(", "));
        if let Some(order) = &query.order_by {
            same.push_str(&format!(" {order}"));
        }
        if let Some(limit) = &query.limit_clause {
            same.push_str(&limit.to_string());
        }
        let has_own_name = name_alone(from).is_some_and(|name| name == EVENTS);
        (has_own_name && same == statement.to_string()).then_some(Self {
            columns,
            order,
            skip,
            limit,
        })
    }

    /// Gives what was asked for of the events of the object.
    ///
    /// # Errors
    ///
    /// If the batches are not of the table's columns.
    pub(super) fn give(&self, batches: &[RecordBatch]) -> Result<Rows> {
        let rows = concat_batches(&arrow_schema(), batches)?;
        let places = self.places(&rows)?;
        let columns = self.columns.iter().map(|name| take(&column(&rows, name)?, &places, None));
        let columns = columns.collect::<Result<Vec<ArrayRef>, ArrowError>>()?;
        let schema =
            Arc::new(Schema::new(self.columns.iter().map(|name| field(name)).collect::<Vec<_>>()));
        let schema = output::plain_schema(&schema);
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns)?;
        let batch = output::to_plain(&batch, &schema)?;
        Ok(Rows { schema, batches: vec![batch] })
    }

    /// Which rows are given, in their order.
    fn places(&self, rows: &RecordBatch) -> Result<UInt32Array> {
        let end = self.limit.map(|limit| self.skip.saturating_add(limit));
        let sorted = if self.order.is_empty() {
            UInt32Array::from_iter_values(0..u32::try_from(rows.num_rows()).unwrap_or(u32::MAX))
        } else {
            let columns = self.order.iter().map(|(name, options)| {
                Ok(SortColumn { values: column(rows, name)?, options: Some(*options) })
            });
            lexsort_to_indices(&columns.collect::<Result<Vec<_>, ArrowError>>()?, end)?
        };
        let end = end.unwrap_or(sorted.len()).min(sorted.len());
        let start = self.skip.min(end);
        Ok(sorted.slice(start, end - start))
    }
}

fn sorting(order: &OrderByExpr) -> Option<(String, SortOptions)> {
    let descending = order.options.asc == Some(false);
    // PostgreSQL takes null for larger than every value.
    let nulls_first = order.options.nulls_first.unwrap_or(descending);
    Some((column_of(&order.expr)?, SortOptions { descending, nulls_first }))
}

fn number(expr: &Expr) -> Option<usize> {
    let Expr::Value(value) = expr else { return None };
    let Value::Number(digits, _) = &value.value else { return None };
    digits.parse().ok()
}

fn is_twice(names: &[String]) -> bool {
    let mut sorted: Vec<_> = names.iter().collect();
    sorted.sort_unstable();
    sorted.windows(2).any(|pair| pair[0] == pair[1])
}

/// A column of the table as queries see it.
fn column(rows: &RecordBatch, name: &str) -> Result<ArrayRef, ArrowError> {
    match name {
        view::EVENT_ID => event_ids(rows, Position::OfTheEvent),
        view::TRANSACTION_ID => event_ids(rows, Position::First),
        name => rows
            .column_by_name(name)
            .map(Arc::clone)
            .ok_or_else(|| ArrowError::SchemaError(format!("the table has no column {name}"))),
    }
}

fn field(name: &str) -> Field {
    arrow_schema()
        .field_with_name(name)
        .map_or_else(|_| Field::new(name, DataType::Utf8, true), Clone::clone)
}

#[cfg(test)]
mod tests {
    use super::{OneObject, recognise};
    use crate::query::Parameter;

    fn asked(sql: &str) -> Option<OneObject> {
        recognise(sql, &[Parameter::Text("a/1".to_owned()), Parameter::Int(1)])
    }

    #[test]
    fn what_needs_no_plan_is_recognised() {
        for sql in [
            "SELECT * FROM events WHERE object_key = 'a/1'",
            "select seq, EVENTS.after from Events where object_key = $1 order by seq limit 3",
            "SELECT \"events\".\"seq\" FROM \"events\" WHERE \"events\".\"object_key\" = 'a/1' \
             ORDER BY \"events\".\"occurred_at\" DESC, \"events\".\"seq\" DESC NULLS FIRST LIMIT 20 OFFSET 5",
        ] {
            let asked = asked(sql).unwrap();
            assert_eq!(asked.key, "a/1", "{sql}");
            assert!(asked.answer.is_some(), "{sql}");
        }
    }

    #[test]
    fn what_is_asked_of_one_object_is_planned_over_its_events() {
        for sql in [
            "SELECT count(*) FROM events WHERE object_key = 'a/1'",
            "SELECT DISTINCT seq FROM events WHERE object_key = 'a/1'",
            "SELECT seq AS n FROM events WHERE object_key = 'a/1'",
            "SELECT seq, seq FROM events WHERE object_key = 'a/1'",
            "SELECT seq FROM events e WHERE object_key = 'a/1'",
            "SELECT seq FROM events WHERE object_key = 'a/1' AND tenant = 'x'",
            "SELECT seq FROM events WHERE (seq > 1 AND (object_key = $1))",
            "SELECT seq FROM events WHERE object_key = 'a/1' GROUP BY seq",
            "SELECT seq FROM events WHERE object_key = 'a/1' ORDER BY seq + 1",
            "SELECT seq FROM events WHERE object_key = 'a/1' LIMIT 1 + 1",
            "SELECT nothing FROM events WHERE object_key = 'a/1'",
            "SELECT seq FROM events WHERE object_key = 'a/1' FETCH FIRST 2 ROWS ONLY",
            "SELECT seq FROM events WHERE object_key = 'a/1' FOR UPDATE",
        ] {
            let asked = asked(sql).unwrap_or_else(|| panic!("{sql}"));
            assert_eq!(asked, OneObject { key: "a/1".to_owned(), answer: None }, "{sql}");
        }
    }

    #[test]
    fn what_may_be_of_several_objects_is_not_recognised() {
        for sql in [
            "",
            "SELECT",
            "SELECT 1",
            "SELECT * FROM events",
            "SELECT * FROM events WHERE object_key = 'a/1' OR seq = 1",
            "SELECT * FROM events WHERE NOT (object_key = 'a/1')",
            "SELECT * FROM events WHERE object_key = $2",
            "SELECT * FROM events WHERE object_key = $3",
            "SELECT * FROM events WHERE object_key = object_id",
            "SELECT * FROM events WHERE \"OBJECT_KEY\" = 'a/1'",
            "SELECT * FROM other WHERE object_key = 'a/1'",
            "SELECT * FROM other.events WHERE object_key = 'a/1'",
            "SELECT * FROM events JOIN events e ON true WHERE object_key = 'a/1'",
            "SELECT * FROM (SELECT object_key, row_number() OVER () FROM events) t \
             WHERE object_key = 'a/1'",
            "WITH e AS (SELECT * FROM events) SELECT * FROM e WHERE object_key = 'a/1'",
            "SELECT (SELECT count(*) FROM events) FROM events WHERE object_key = 'a/1'",
            "SELECT * FROM events WHERE object_key = 'a/1' UNION ALL SELECT * FROM events",
            "DELETE FROM events WHERE object_key = 'a/1'",
            "SELECT * FROM events WHERE object_key = 'a/1'; SELECT 1",
        ] {
            assert_eq!(asked(sql), None, "{sql}");
        }
    }
}
