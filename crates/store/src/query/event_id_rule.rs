//! Look-ups by `event_id` and `transaction_id`, made cheap.
//!
//! Both are computed columns, so a comparison with one would read each row. The rule turns it into
//! comparisons with the columns the identity is made of, by which files and pages are skipped.

use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{Transformed, TreeNode as _};
use datafusion::error::Result;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{BinaryExpr, Expr, LogicalPlan, Operator, lit};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

use crate::query::function::EVENT_ID_FUNCTION;

/// Replaces `trailkeeper_event_id(w, t, p) = '...'` in filters.
#[derive(Debug)]
pub(super) struct EventIdRule;

impl OptimizerRule for EventIdRule {
    fn name(&self) -> &str {
        "trailkeeper_event_id"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        _config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        if !matches!(plan, LogicalPlan::Filter(_)) {
            return Ok(Transformed::no(plan));
        }
        plan.map_expressions(|predicate| predicate.transform(|expr| Ok(split(expr))))
    }
}

/// The comparison of an identity with a text as comparisons of its parts.
fn split(expr: Expr) -> Transformed<Expr> {
    let Some((parts, text)) = comparison(&expr) else { return Transformed::no(expr) };
    let [writer, transaction, position] = parts else { return Transformed::no(expr) };
    let same = match parse(text) {
        None => lit(false),
        Some((w, t, p)) => writer
            .clone()
            .eq(lit(w))
            .and(transaction.clone().eq(lit(t)))
            .and(position.clone().eq(lit(p))),
    };
    Transformed::yes(same)
}

/// The parts and the text, if `expr` compares an identity with a text.
fn comparison(expr: &Expr) -> Option<(&[Expr], &str)> {
    let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) = expr else { return None };
    match (left.as_ref(), right.as_ref()) {
        (
            Expr::ScalarFunction(ScalarFunction { func, args }),
            Expr::Literal(ScalarValue::Utf8(Some(text)), _),
        )
        | (
            Expr::Literal(ScalarValue::Utf8(Some(text)), _),
            Expr::ScalarFunction(ScalarFunction { func, args }),
        ) if func.name() == EVENT_ID_FUNCTION => Some((args, text)),
        _ => None,
    }
}

/// Writer, transaction number and position of an identity in its one form, lower-case hex digits.
fn parse(text: &str) -> Option<(&str, i64, i64)> {
    if text.len() != 32 || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    let (writer, numbers) = text.split_at_checked(16)?;
    let (transaction, position) = numbers.split_at_checked(8)?;
    let number = |digits| i64::from_str_radix(digits, 16).ok();
    Some((writer, number(transaction)?, number(position)?))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn an_identity_has_one_form() {
        let text = "07070707070707070000000a00000102";
        assert_eq!(parse(text), Some(("0707070707070707", 10, 258)));
        for other in ["", &text[1..], &text.to_uppercase(), &text.replace("07", "+7")] {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}
