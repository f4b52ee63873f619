//! `trailkeeper sql`: a query of one's own.

use std::io::Write;

use serde_json::{Map, Value};
use trailkeeper_engine::{Rows, Statement};

use crate::args::SqlOptions;
use crate::cell::Cells;
use crate::table::write_table;
use crate::{DONE, place};

pub(crate) fn run(options: &SqlOptions, out: &mut dyn Write) -> anyhow::Result<u8> {
    let trail = place::open(&options.place)?;
    let rows = trail.query(Statement::new(&options.query), &[])?;
    let names: Vec<String> =
        rows.schema.fields().iter().map(|field| field.name().clone()).collect();
    if options.json {
        write_lines(out, &names, &rows)?
    } else {
        write_aligned(out, &names, &rows)?
    }
    Ok(DONE)
}

fn write_lines(out: &mut dyn Write, names: &[String], rows: &Rows) -> anyhow::Result<()> {
    for batch in &rows.batches {
        let columns = cells(batch.columns())?;
        for row in 0..batch.num_rows() {
            let values = columns.iter().map(|column| column.json(row));
            let object: Map<String, Value> = names.iter().cloned().zip(values).collect();
            writeln!(out, "{}", Value::Object(object))?;
        }
    }
    Ok(())
}

fn write_aligned(out: &mut dyn Write, names: &[String], rows: &Rows) -> anyhow::Result<()> {
    let mut table = Vec::new();
    for batch in &rows.batches {
        let columns = cells(batch.columns())?;
        for row in 0..batch.num_rows() {
            table.push(columns.iter().map(|column| column.text(row)).collect());
        }
    }
    Ok(write_table(out, names, &table)?)
}

fn cells(columns: &[arrow::array::ArrayRef]) -> anyhow::Result<Vec<Cells<'_>>> {
    columns.iter().map(|column| Ok(Cells::new(column.as_ref())?)).collect()
}
