use std::time::{Duration, Instant};

use proptest::prelude::*;
use trailkeeper_sql::{Look, TEXT_LIMIT, Vendor, examine, look};

use crate::found;

const VENDORS: [Vendor; 4] = [Vendor::PostgreSql, Vendor::MySql, Vendor::Sqlite, Vendor::Other];

/// Pieces of SQL, so that random texts come some way into the grammar.
const PIECES: [&str; 48] = [
    "INSERT",
    "INTO",
    "UPDATE",
    "SET",
    "DELETE",
    "FROM",
    "WITH",
    "AS",
    "(",
    ")",
    ",",
    ";",
    "a",
    "\"b\"",
    "`c`",
    "'d'",
    "1",
    ".",
    "=",
    "VALUES",
    "SELECT",
    "*",
    "RETURNING",
    "TRUNCATE",
    "COPY",
    "STDIN",
    "MERGE",
    "USING",
    "ON",
    "WHEN",
    "MATCHED",
    "THEN",
    "EXPLAIN",
    "ANALYZE",
    "CALL",
    "DO",
    "%s",
    "%(x)s",
    "IN",
    "NOT",
    "CASE",
    "END",
    "--",
    "/*",
    "*/",
    "$$",
    "JOIN",
    "[",
];

proptest! {
    #[test]
    fn any_text_has_an_answer(sql in "\\PC{0,200}") {
        for vendor in VENDORS {
            let _ = look(&sql);
            let _ = examine(&sql, vendor, true);
        }
    }

    #[test]
    fn any_pieces_have_an_answer(
        pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..60),
        blank in prop::sample::select(&["", " ", "\n"][..]),
    ) {
        let sql = pieces.join(blank);
        for vendor in VENDORS {
            let found = examine(&sql, vendor, true);
            prop_assert!(found.is_none() || look(&sql) == Look::MayWrite);
            prop_assert!(found.is_none_or(|found| !found.writes.is_empty() && !found.text.contains("'d'")));
        }
    }
}

#[test]
fn deep_trees_fit_the_stack() {
    // More tokens go to the first words alone.
    let many = 980;
    for (chain, words) in [
        ("b OR ", 2),
        ("b + ", 2),
        ("NOT ", 1),
        ("- ", 1),
        ("CASE WHEN ", 2),
        ("INTERVAL ", 1),
        ("b::int::", 4),
        ("ARRAY ", 1),
        ("CASE ", 1),
        ("EXISTS SELECT ", 2),
        ("b IS NOT ", 3),
        ("b BETWEEN ", 2),
        ("DATE ", 1),
        ("DISTINCT ", 1),
        ("PRIOR ", 1),
        ("b COLLATE c AT TIME ZONE ", 6),
    ] {
        for count in [many / words, TEXT_LIMIT / 2 / chain.len()] {
            let sql = format!("DELETE FROM a WHERE {}b", chain.repeat(count));
            for vendor in VENDORS {
                assert_eq!(found(&sql, vendor), ["delete a+"], "{chain}");
            }
        }
    }
    let sql = format!("INSERT INTO a SELECT 1{}", " UNION SELECT 1".repeat(many / 3));
    assert_eq!(found(&sql, Vendor::PostgreSql), ["insert a+"]);
    let sql = format!("{} DELETE FROM a", "EXPLAIN ANALYZE ".repeat(many / 3));
    let _ = examine(&sql, Vendor::PostgreSql, false);
}

#[test]
fn comments_inside_comments_fit_the_stack() {
    for open in ["/*", "/*!", "/*!50000 "] {
        let sql = format!("DELETE FROM a {}{}", open.repeat(20_000), "*/".repeat(20_000));
        for vendor in VENDORS {
            assert!(examine(&sql, vendor, true).is_some());
        }
    }
}

#[test]
fn nested_parentheses_do_not_take_for_ever() {
    let start = Instant::now();
    for nesting in 1..60 {
        for inner in ["SELECT 1", "b", "b = 1", "b, c", "VALUES (1)", "a JOIN b"] {
            let open = "(".repeat(nesting);
            let close = ")".repeat(nesting);
            for sql in [
                format!("DELETE FROM a WHERE {open}{inner}{close}"),
                format!(
                    "UPDATE a SET b = {open}{inner}{close} FROM {open}{inner}{close} WHERE 1=1"
                ),
            ] {
                let _ = examine(&sql, Vendor::PostgreSql, false);
            }
        }
    }
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

#[test]
fn a_long_text_costs_no_more_than_the_limit() {
    let sql = format!("INSERT INTO a (b) VALUES {}(1)", "('text', 12.5, %s), ".repeat(1_000_000));
    assert_eq!(found(&sql, Vendor::PostgreSql), ["insert a+"]);
    let sql = format!("INSERT INTO a (b) VALUES {}(1); DELETE FROM c", "(1), ".repeat(TEXT_LIMIT));
    assert_eq!(found(&sql, Vendor::PostgreSql), ["insert a", "unknown ?"]);
    let sql = format!("DELETE FROM a WHERE b = '{}'", "\u{20ac}".repeat(TEXT_LIMIT));
    assert_eq!(found(&sql, Vendor::PostgreSql), ["delete a+"]);
}
