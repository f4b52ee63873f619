use trailkeeper_sql::{Vendor, examine};

use crate::all_are;

#[test]
fn each_verb_names_its_table() {
    all_are(
        Vendor::Sqlite,
        &[
            ("INSERT OR REPLACE INTO main.a VALUES (?)", &["insert main.a+"]),
            ("REPLACE INTO [a] VALUES (1)", &["replace a+"]),
            ("INSERT INTO \"a\" SELECT * FROM b", &["insert a+"]),
            ("INSERT INTO a VALUES (1) ON CONFLICT DO UPDATE SET b = excluded.b", &["insert a+"]),
            ("UPDATE OR IGNORE \"a\" SET b = %s", &["update a+"]),
            ("UPDATE a SET b = c.b FROM c WHERE a.d = c.d", &["update a+"]),
            ("DELETE FROM `a` WHERE b = :b", &["delete a+"]),
            ("WITH x AS (SELECT 1) INSERT INTO a SELECT * FROM x", &["insert a+"]),
            ("EXPLAIN QUERY PLAN DELETE FROM a", &[]),
            ("CREATE TRIGGER t AFTER INSERT ON a BEGIN DELETE FROM b; END", &[]),
        ],
    );
}

#[test]
fn rows_that_are_counted_as_they_are_read_are_not_known() {
    all_are(Vendor::Sqlite, &[("DELETE FROM a RETURNING b", &["delete a"])]);
}

#[test]
fn a_text_without_parameters_keeps_its_percent_signs() {
    let found = examine("UPDATE a SET b = c %s", Vendor::Sqlite, false).expect("it writes");
    assert_eq!(found.text, "UPDATE a SET b = c %s");
}

#[test]
fn a_text_may_leave_its_transaction_open() {
    for (sql, expected) in [
        ("BEGIN; DELETE FROM a", true),
        ("BEGIN; DELETE FROM a; COMMIT", false),
        ("DELETE FROM a; BEGIN; DELETE FROM b; ROLLBACK", false),
    ] {
        let found = examine(sql, Vendor::Sqlite, false).expect("it writes");
        assert_eq!((found.leaves_open, found.writes.len()), (expected, 1), "{sql}");
    }
}
