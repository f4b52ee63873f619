//! The table `events`, as queries see it.

use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::catalog::{MemTable, TableProvider};
use datafusion::datasource::ViewTable;
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, lit};
use datafusion::prelude::{SessionContext, ident};
use trailkeeper_event::{Column, arrow_schema};

use crate::file::DataFile;
use crate::query::files::FileTable;
use crate::query::function::event_id_function;

/// Columns that only verification needs: behind all others.
const LAST: [Column; 3] = [Column::Writer, Column::TransactionNumber, Column::Salt];

/// The computed columns.
pub(super) const EVENT_ID: &str = "event_id";
pub(super) const TRANSACTION_ID: &str = "transaction_id";

/// The events of `files` and the pending rows as one table.
///
/// Its columns are `event_id`, `seq`, `transaction_id`, `position`, those of the event in their
/// order, and at the end `writer`, `transaction_number`, `salt`.
pub(super) fn events(
    context: &SessionContext,
    files: &[DataFile],
    pending: Vec<RecordBatch>,
) -> Result<Arc<dyn TableProvider>> {
    let mut frame = context.read_table(Arc::new(FileTable::new(files)))?;
    if !pending.is_empty() {
        let pending = MemTable::try_new(arrow_schema(), vec![pending])?;
        frame = frame.union(context.read_table(Arc::new(pending))?)?;
    }
    let frame = frame.select(columns())?;
    Ok(Arc::new(ViewTable::new(frame.into_unoptimized_plan(), None)))
}

fn columns() -> Vec<Expr> {
    let column = |column: Column| ident(column.name());
    let id = |position: Expr| {
        event_id_function().call(vec![
            column(Column::Writer),
            column(Column::TransactionNumber),
            position,
        ])
    };
    let computed = |name| match name {
        EVENT_ID => id(column(Column::Position)).alias(EVENT_ID),
        TRANSACTION_ID => id(lit(0_i64)).alias(TRANSACTION_ID),
        name => ident(name),
    };
    names().into_iter().map(computed).collect()
}

/// The names of the table's columns, in their order.
pub(super) fn names() -> Vec<&'static str> {
    let is_placed =
        |column: &Column| LAST.contains(column) || matches!(column, Column::Seq | Column::Position);
    let mut names = vec![EVENT_ID, Column::Seq.name(), TRANSACTION_ID, Column::Position.name()];
    names.extend(Column::ALL.iter().copied().filter(|c| !is_placed(c)).map(Column::name));
    names.extend(LAST.map(Column::name));
    names
}
