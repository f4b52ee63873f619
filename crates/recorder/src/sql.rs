//! What raw SQL writes, for Python.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use trailkeeper_sql::{Control, Look, Vendor, Write};

use crate::value::lossy_text;

/// Verb, the table's qualifier and name, and whether the driver's number of rows is that of the write.
type Row = (&'static str, Option<String>, Option<String>, bool);

const READS: u8 = 0;
const MAY_WRITE: u8 = 1;

/// What the first word of a statement tells: 0 if it writes no rows, 1 if it may, 2 if it controls the transaction, 3 if it
/// changes the schema, and writes no rows.
///
/// What is not text may write.
#[pyfunction]
pub(crate) fn look(sql: &Bound<'_, PyAny>) -> u8 {
    let text = sql.cast::<PyString>().ok().and_then(|text| text.to_str().ok());
    match text.map_or(Look::MayWrite, trailkeeper_sql::look) {
        Look::Reads => READS,
        Look::MayWrite => MAY_WRITE,
        Look::Controls => 2,
        Look::Defines => 3,
    }
}

/// What `look` tells of a statement that raw SQL may be; 0 also for one that a compiler has made.
///
/// While a compiler works, a field may execute raw SQL of its own, for a number from a sequence table: so the statement must name
/// the compiler's table too. `connection` has the attribute `_trailkeeper_compiler` meanwhile.
#[pyfunction]
pub(crate) fn raw_look(connection: &Bound<'_, PyAny>, sql: &Bound<'_, PyAny>) -> u8 {
    match look(sql) {
        MAY_WRITE if names_compiled_table(connection, sql).unwrap_or(false) => READS,
        kind => kind,
    }
}

fn names_compiled_table(connection: &Bound<'_, PyAny>, sql: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = connection.py();
    let attributes = connection.getattr(intern!(py, "__dict__"))?.cast_into::<PyDict>()?;
    let compiler = attributes.get_item(intern!(py, "_trailkeeper_compiler"))?;
    let Some(compiler) = compiler.filter(|compiler| !compiler.is_none()) else { return Ok(false) };
    let model = compiler.getattr(intern!(py, "query"))?.getattr(intern!(py, "model"))?;
    let table = model.getattr(intern!(py, "_meta"))?.getattr(intern!(py, "db_table"))?;
    sql.contains(table)
}

/// What `sql` does to the transaction, with the name of a savepoint; None if it is not one statement that does.
#[pyfunction]
pub(crate) fn control_of(sql: &Bound<'_, PyString>) -> Option<(&'static str, String)> {
    Some(match trailkeeper_sql::control_of(&lossy_text(sql).0)? {
        Control::Begin => ("begin", String::new()),
        Control::Commit => ("commit", String::new()),
        Control::Rollback => ("rollback", String::new()),
        Control::Savepoint(name) => ("savepoint", name),
        Control::RollbackTo(name) => ("rollback_to", name),
        Control::Release(name) => ("release", name),
    })
}

/// What `sql` writes, its text without literals, and whether it leaves its transaction open; None if it does not write.
#[pyfunction]
pub(crate) fn examine(
    py: Python<'_>,
    sql: &Bound<'_, PyString>,
    vendor: &str,
    has_parameters: bool,
) -> Option<(Vec<Row>, String, bool)> {
    let sql = lossy_text(sql).0;
    let vendor = Vendor::from_name(vendor);
    let found = py.detach(|| trailkeeper_sql::examine(&sql, vendor, has_parameters))?;
    let row = |Write { verb, table, is_counted }| {
        let (qualifier, name) =
            table.map_or((None, None), |table| (table.qualifier, Some(table.name)));
        (verb, qualifier, name, is_counted)
    };
    Some((found.writes.into_iter().map(row).collect(), found.text, found.leaves_open))
}
