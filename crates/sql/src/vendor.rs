//! The databases whose SQL is read.

use sqlparser::dialect::{Dialect, GenericDialect, MySqlDialect, PostgreSqlDialect, SQLiteDialect};

/// Whose SQL a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vendor {
    /// PostgreSQL.
    PostgreSql,
    /// MySQL and MariaDB.
    MySql,
    /// SQLite.
    Sqlite,
    /// Another: read as what most of them understand.
    Other,
}

impl Vendor {
    /// The vendor that Django's `connection.vendor` names.
    pub fn from_name(name: &str) -> Self {
        match name {
            "postgresql" => Self::PostgreSql,
            "mysql" => Self::MySql,
            "sqlite" => Self::Sqlite,
            _ => Self::Other,
        }
    }

    pub(crate) fn dialect(self) -> &'static dyn Dialect {
        match self {
            Self::PostgreSql => &PostgreSqlDialect {},
            Self::MySql => &MySqlDialect {},
            Self::Sqlite => &SQLiteDialect {},
            Self::Other => &GenericDialect {},
        }
    }

    /// What the tokenizer takes as a parameter: `?` is an operator of PostgreSQL.
    pub(crate) fn placeholder(self) -> &'static str {
        match self {
            Self::PostgreSql => "$1",
            Self::MySql | Self::Sqlite | Self::Other => "?",
        }
    }
}
