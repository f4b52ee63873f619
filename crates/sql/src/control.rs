//! Statements that begin and end transactions.

use sqlparser::keywords::Keyword;

use crate::text::{Spaced, statements, tokens_of};
use crate::vendor::Vendor;

/// What a statement does to the transaction; savepoints have their name, in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    /// BEGIN, START TRANSACTION.
    Begin,
    /// COMMIT, END.
    Commit,
    /// ROLLBACK, ABORT.
    Rollback,
    /// SAVEPOINT.
    Savepoint(String),
    /// ROLLBACK TO.
    RollbackTo(String),
    /// RELEASE.
    Release(String),
}

/// What `sql` does to the transaction; None if it does something else, or is several statements.
pub fn control_of(sql: &str) -> Option<Control> {
    let (tokens, is_whole) = tokens_of(sql, Vendor::PostgreSql, false);
    match (statements(&tokens).as_slice(), is_whole) {
        ([only], true) => of_statement(only),
        _ => None,
    }
}

pub(crate) fn of_statement(statement: &[Spaced]) -> Option<Control> {
    let (first, rest) = statement.split_first()?;
    let is_next = |text| rest.iter().take(2).any(|word| word.is_word(text));
    let name = || {
        let value = rest.last().and_then(Spaced::word).map(|word| word.value.to_lowercase());
        value.unwrap_or_default()
    };
    match first.bare()?.keyword {
        // MariaDB: BEGIN NOT ATOMIC is a block of statements.
        Keyword::BEGIN if !is_next("ATOMIC") => Some(Control::Begin),
        Keyword::START if is_next("TRANSACTION") => Some(Control::Begin),
        Keyword::COMMIT | Keyword::END if !is_next("PREPARED") => Some(Control::Commit),
        Keyword::ROLLBACK if is_next("TO") => Some(Control::RollbackTo(name())),
        Keyword::ROLLBACK if !is_next("PREPARED") => Some(Control::Rollback),
        Keyword::SAVEPOINT => Some(Control::Savepoint(name())),
        Keyword::RELEASE => Some(Control::Release(name())),
        _ if first.is_word("ABORT") => Some(Control::Rollback),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_statement_is_known() {
        let named = |control: fn(String) -> Control| Some(control("a".to_owned()));
        for (sql, expected) in [
            ("BEGIN", Some(Control::Begin)),
            ("-- x\nbegin immediate;", Some(Control::Begin)),
            ("START TRANSACTION ISOLATION LEVEL SERIALIZABLE", Some(Control::Begin)),
            ("COMMIT WORK", Some(Control::Commit)),
            ("END", Some(Control::Commit)),
            ("ROLLBACK", Some(Control::Rollback)),
            ("ABORT", Some(Control::Rollback)),
            ("SAVEPOINT \"A\"", named(Control::Savepoint)),
            ("ROLLBACK TO a", named(Control::RollbackTo)),
            ("ROLLBACK TRANSACTION TO SAVEPOINT A;", named(Control::RollbackTo)),
            ("RELEASE SAVEPOINT a", named(Control::Release)),
            ("COMMIT PREPARED 'x'", None),
            ("BEGIN NOT ATOMIC SELECT 1", None),
            ("BEGIN; COMMIT", None),
            ("SELECT 1", None),
            ("", None),
        ] {
            assert_eq!(control_of(sql), expected, "{sql}");
        }
    }
}
