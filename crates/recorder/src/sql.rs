//! What raw SQL writes, for Python.

use pyo3::prelude::*;
use pyo3::types::PyString;
use trailkeeper_sql::{Vendor, Write};

use crate::value::lossy_text;

/// Verb, the table's qualifier and name, and whether the driver's number of rows is that of the write.
type Row = (&'static str, Option<String>, Option<String>, bool);

/// Whether a statement may write rows, by the first words of its text; what is not text may.
#[pyfunction]
pub(crate) fn may_write(sql: &Bound<'_, PyAny>) -> bool {
    sql.cast::<PyString>()
        .ok()
        .and_then(|text| text.to_str().ok())
        .is_none_or(trailkeeper_sql::may_write)
}

/// What `sql` writes, and its text without literals; None if it does not write.
#[pyfunction]
pub(crate) fn examine(
    py: Python<'_>,
    sql: &Bound<'_, PyString>,
    vendor: &str,
    has_parameters: bool,
) -> Option<(Vec<Row>, String)> {
    let sql = lossy_text(sql).0;
    let vendor = Vendor::from_name(vendor);
    let found = py.detach(|| trailkeeper_sql::examine(&sql, vendor, has_parameters))?;
    let row = |Write { verb, table, is_counted }| {
        let (qualifier, name) =
            table.map_or((None, None), |table| (table.qualifier, Some(table.name)));
        (verb, qualifier, name, is_counted)
    };
    Some((found.writes.into_iter().map(row).collect(), found.text))
}
