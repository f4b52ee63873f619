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
    let mut columns = vec![
        id(column(Column::Position)).alias("event_id"),
        column(Column::Seq),
        id(lit(0_i64)).alias("transaction_id"),
        column(Column::Position),
    ];
    let is_placed =
        |column: &Column| LAST.contains(column) || matches!(column, Column::Seq | Column::Position);
    columns.extend(Column::ALL.iter().copied().filter(|c| !is_placed(c)).map(column));
    columns.extend(LAST.map(column));
    columns
}
