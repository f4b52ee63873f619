//! What texts of SQL write, on each database.

mod foreign;
mod mysql;
mod postgresql;
mod sqlite;

use trailkeeper_sql::{Look, Vendor, examine, look};

/// What a text writes, one word for each: `update billing.invoice`, with `?` for an unknown table and `+` where
/// the driver's number of rows is that of the write.
fn found(sql: &str, vendor: Vendor) -> Vec<String> {
    let Some(finding) = examine(sql, vendor, true) else { return Vec::new() };
    assert_eq!(look(sql), Look::MayWrite, "{sql}");
    let shown = |write: &trailkeeper_sql::Write| {
        let table = write.table.as_ref().map_or("?".to_owned(), |table| {
            let qualifier = table.qualifier.iter().map(|name| format!("{name}."));
            qualifier.collect::<String>() + &table.name
        });
        format!("{} {table}{}", write.verb, if write.is_counted { "+" } else { "" })
    };
    finding.writes.iter().map(shown).collect()
}

/// Asserts what each text writes.
fn all_are(vendor: Vendor, cases: &[(&str, &[&str])]) {
    for (sql, expected) in cases {
        assert_eq!(found(sql, vendor), *expected, "{sql}");
    }
}
