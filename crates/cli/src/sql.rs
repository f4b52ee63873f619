//! `trailkeeper sql`: a query of one's own.

use std::io::Write;

use serde_json::{Map, Value};

use crate::args::SqlOptions;
use crate::format::value_text;
use crate::table::write_table;
use crate::{DONE, place};

pub(crate) fn run(options: &SqlOptions, out: &mut dyn Write) -> anyhow::Result<u8> {
    let trail = place::open(&options.place)?;
    let rows = trail.query_json(&options.query)?;
    if options.json {
        for row in &rows.rows {
            let cells = rows.columns.iter().cloned().zip(row.iter().cloned());
            writeln!(out, "{}", Value::Object(cells.collect::<Map<_, _>>()))?;
        }
        return Ok(DONE);
    }
    let cells: Vec<Vec<String>> =
        rows.rows.iter().map(|row| row.iter().map(value_text).collect()).collect();
    write_table(out, &rows.columns, &cells)?;
    Ok(DONE)
}
