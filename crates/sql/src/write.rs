//! What was found in a text.

use sqlparser::ast::{Ident, ObjectName, ObjectNamePart};

use crate::vendor::Vendor;

/// A text that writes, or may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it writes, each verb and table once; never empty.
    pub writes: Vec<Write>,
    /// The text without literals and comments, cut to a bounded length.
    pub text: String,
    /// Whether it ends inside a transaction that it has begun.
    pub leaves_open: bool,
}

/// One verb on one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// `insert`, `replace`, `update`, `delete`, `merge`, `truncate`, `copy`, `load`; `call`, `do`, `execute` for a
    /// routine; `unknown`.
    pub verb: &'static str,
    /// The table, if the text names it.
    pub table: Option<Table>,
    /// Whether the number of rows that the driver gives is that of this write.
    pub is_counted: bool,
}

/// A table as the text names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// What stands before its name: the schema or the database.
    pub qualifier: Option<String>,
    /// Its name, without quotes, and in PostgreSQL's lower case if it stands without them.
    pub name: String,
}

impl Table {
    /// Reads the parts of a name, each with whether it stands in quotes.
    pub(crate) fn of_parts<'a>(
        parts: impl IntoIterator<Item = (&'a str, bool)>,
        vendor: Vendor,
    ) -> Option<Self> {
        let mut parts: Vec<String> = parts
            .into_iter()
            .map(|(part, is_quoted)| {
                if vendor == Vendor::PostgreSql && !is_quoted {
                    part.to_lowercase()
                } else {
                    part.to_owned()
                }
            })
            .collect();
        let name = parts.pop()?;
        let qualifier = (!parts.is_empty()).then(|| parts.join("."));
        Some(Self { qualifier, name })
    }

    pub(crate) fn of_name(name: &ObjectName, vendor: Vendor) -> Option<Self> {
        let idents: Option<Vec<&Ident>> = name.0.iter().map(ObjectNamePart::as_ident).collect();
        let parts = idents?;
        Self::of_parts(
            parts.iter().map(|ident| (ident.value.as_str(), ident.quote_style.is_some())),
            vendor,
        )
    }
}
