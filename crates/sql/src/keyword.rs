//! The first word of a statement: enough to know that it reads.

/// First words of statements that write, or that can hold one that does.
const WRITING: [&str; 17] = [
    "ANALYZE", "CALL", "COPY", "DELETE", "DESC", "DESCRIBE", "DO", "EXEC", "EXECUTE", "EXPLAIN",
    "INSERT", "LOAD", "MERGE", "REPLACE", "TRUNCATE", "UPDATE", "WITH",
];

/// First words of statements that begin and end transactions.
const CONTROLLING: [&str; 8] =
    ["ABORT", "BEGIN", "COMMIT", "END", "RELEASE", "ROLLBACK", "SAVEPOINT", "START"];

/// First words of statements that change the schema.
const DEFINING: [&str; 4] = ["ALTER", "CREATE", "DROP", "RENAME"];

/// What the first word of a text tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// It writes no rows.
    Reads,
    /// It is one statement that changes the schema, and writes no rows.
    Defines,
    /// It may write rows.
    MayWrite,
    /// It is one statement that begins or ends a transaction or a savepoint.
    Controls,
}

/// Looks at the first word of `sql`.
///
/// A SELECT writes nothing, as far as a text can tell.
pub fn look(sql: &str) -> Look {
    let rest = skip_blank(sql.as_bytes());
    let len = rest.iter().position(|byte| !byte.is_ascii_alphabetic()).unwrap_or(rest.len());
    let word = rest.get(..len).unwrap_or_default();
    // MySQL executes a comment that starts with an exclamation mark.
    if is_writing(word) || rest.starts_with(b"/*!") || has_more(rest) {
        Look::MayWrite
    } else if is_any(&CONTROLLING, word) {
        Look::Controls
    } else if is_any(&DEFINING, word) {
        Look::Defines
    } else {
        Look::Reads
    }
}

/// Whether a semicolon in `bytes` has something behind it.
///
/// It may stand in a literal: then this says yes, and the tokens will tell.
pub(crate) fn has_more(bytes: &[u8]) -> bool {
    bytes.contains(&b';')
        && bytes
            .iter()
            .position(|byte| *byte == b';')
            .and_then(|at| bytes.get(at..))
            .is_some_and(|rest| rest.iter().any(|byte| *byte != b';' && !is_space(*byte)))
}

/// Whether a statement that starts with `word` may write rows.
pub(crate) fn is_writing(word: &[u8]) -> bool {
    is_any(&WRITING, word)
}

fn is_any(known: &[&str], word: &[u8]) -> bool {
    known.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(word))
}

/// `bytes` without leading space, comments, parentheses and semicolons.
pub(crate) fn skip_blank(mut bytes: &[u8]) -> &[u8] {
    loop {
        let blank = match bytes {
            [b'(' | b';', ..] => 1,
            [byte, ..] if is_space(*byte) => 1,
            [b'-', b'-', ..] | [b'#', ..] => end_of(bytes, b"\n"),
            [b'/', b'*', byte, ..] if *byte != b'!' => end_of(bytes, b"*/"),
            _ => return bytes,
        };
        bytes = bytes.get(blank..).unwrap_or_default();
    }
}

fn end_of(bytes: &[u8], end: &[u8]) -> usize {
    // Past the opening `/*`, whose star may not close it.
    let start = end.len();
    bytes
        .get(start..)
        .and_then(|rest| rest.windows(end.len()).position(|found| found == end))
        .map_or(bytes.len(), |at| start + at + end.len())
}

fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_is_known_by_its_first_word() {
        for sql in [
            "",
            " ",
            "SELECT 1",
            "select 1;",
            "\n\t(SELECT 1) UNION (SELECT 2) ; \n",
            "-- UPDATE\nSELECT 1",
            "/* a;b UPDATE */ SELECT 1",
            "/**/SELECT 1",
            "# UPDATE\nSELECT 1",
            "PRAGMA foreign_keys",
            "SET x = 1",
            "VALUES (1)",
            "/* open",
            "WITHOUT",
        ] {
            assert_eq!(look(sql), Look::Reads, "{sql}");
        }
    }

    #[test]
    fn what_may_write_is_not_passed_over() {
        for sql in [
            "INSERT INTO a VALUES (1)",
            " update a set b = 1",
            "/* x */ -- y\n DELETE FROM a",
            "#c\nDELETE FROM a",
            "(WITH x AS (DELETE FROM a RETURNING *) SELECT * FROM x)",
            "SELECT 1; DELETE FROM a",
            ";DELETE FROM a",
            "EXPLAIN ANALYZE DELETE FROM a",
            "/*!50000 DELETE FROM a */",
            "/*/ x */ DELETE FROM a",
            "DO $$ BEGIN END $$",
            "TRUNCATE a",
        ] {
            assert_eq!(look(sql), Look::MayWrite, "{sql}");
        }
    }

    #[test]
    fn a_change_of_the_schema_is_told_apart() {
        for sql in ["CREATE TABLE a (b int)", "/* x */ alter TABLE a ADD b int;", "DROP TRIGGER a"]
        {
            assert_eq!(look(sql), Look::Defines, "{sql}");
        }
        assert_eq!(look("CREATE TABLE a (b int); DELETE FROM a"), Look::MayWrite);
    }

    #[test]
    fn transaction_control_is_told_apart() {
        for sql in ["BEGIN", "commit;", "/* x */ ROLLBACK TO a", "SAVEPOINT \"s1\""] {
            assert_eq!(look(sql), Look::Controls, "{sql}");
        }
        assert_eq!(look("BEGIN; DELETE FROM a"), Look::MayWrite);
    }
}
