//! Rows as an aligned table.

use std::io::{self, Write};

use crate::format::shorten;

/// The widest column, in characters.
const COLUMN_WIDTH: usize = 60;

/// Writes rows under their headings, columns aligned.
pub(crate) fn write_table(
    out: &mut dyn Write,
    headings: &[String],
    rows: &[Vec<String>],
) -> io::Result<()> {
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(|cell| shorten(cell, COLUMN_WIDTH)).collect())
        .collect();
    let widths: Vec<usize> = (0..headings.len())
        .map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells.chain(headings.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    write_row(out, headings, &widths)?;
    let rules: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
    write_row(out, &rules, &widths)?;
    for row in &rows {
        write_row(out, row, &widths)?;
    }
    Ok(())
}

fn write_row(out: &mut dyn Write, cells: &[String], widths: &[usize]) -> io::Result<()> {
    let line: Vec<String> =
        cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
    writeln!(out, "{}", line.join("  ").trim_end())
}

#[cfg(test)]
mod tests {
    use super::write_table;

    #[test]
    fn columns_are_aligned() {
        let mut out = Vec::new();
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        write_table(&mut out, &row(["action", "n"]), &[row(["create", "12"]), row(["x", "1"])])
            .unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, "action  n\n------  --\ncreate  12\nx       1\n");
    }
}
