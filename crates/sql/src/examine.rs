//! A text, from its bytes to what it writes.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::Token;

use crate::control::Control;
use crate::grammar::Target;
use crate::keyword::{has_more, is_writing, skip_blank};
use crate::text::{Spaced, shown, squeeze, statements, tokens_of};
use crate::vendor::Vendor;
use crate::write::{Finding, Write};
use crate::{control, grammar, head};

/// How many bytes of a text are read.
pub const TEXT_LIMIT: usize = 64 << 10;

/// What `sql` writes; None if it does not write, as far as a text can tell.
///
/// `has_parameters` says whether the driver replaces `%s` and `%%` in it.
pub fn examine(sql: &str, vendor: Vendor, has_parameters: bool) -> Option<Finding> {
    let (read, unread) = sql.split_at(sql.floor_char_boundary(TEXT_LIMIT));
    let (mut tokens, is_whole) = tokens_of(read, vendor, has_parameters);
    let is_whole = is_whole && unread.is_empty();
    squeeze(&mut tokens);
    let all = statements(&tokens);
    let (mut found, leaves_open) = targets(&all, vendor);
    let rest = if unread.is_empty() { skip_blank(sql.as_bytes()) } else { unread.as_bytes() };
    if !is_whole && has_more(rest) {
        found.push(Target { verb: "unknown", table: None, is_outermost: false });
    }
    let is_alone = all.len() == 1 && found.len() == 1;
    // SQLite counts the rows as they are read.
    let is_counted_late =
        vendor == Vendor::Sqlite && tokens.iter().any(|word| word.is_any(&[Keyword::RETURNING]));
    let mut writes: Vec<Write> = Vec::new();
    for Target { verb, table, is_outermost } in found {
        if !writes.iter().any(|known| known.verb == verb && known.table == table) {
            let is_counted = is_alone && is_outermost && !is_counted_late;
            writes.push(Write { verb, table, is_counted });
        }
    }
    let text = || shown(&tokens, is_whole);
    (!writes.is_empty()).then(|| Finding { writes, text: text(), leaves_open })
}

/// What `statements` write and do not take back, and whether they end inside a transaction they have begun.
fn targets(statements: &[&[Spaced]], vendor: Vendor) -> (Vec<Target>, bool) {
    let writing: Vec<&[Spaced]> =
        statements.iter().copied().filter(|statement| starts_writing(statement)).collect();
    let mut parsed =
        if writing.is_empty() { Vec::new() } else { grammar::writes_of(&writing, vendor) }
            .into_iter();
    let mut found = Vec::new();
    // How many of them no ROLLBACK takes back any more.
    let mut settled = 0;
    let mut is_open = false;
    for statement in statements {
        match control::of_statement(statement) {
            Some(Control::Begin) => {
                is_open = true;
                if vendor == Vendor::Sqlite {
                    // What stands before was committed by itself; elsewhere it joins.
                    settled = found.len();
                }
            }
            Some(Control::Commit) => (settled, is_open) = (found.len(), false),
            Some(Control::Rollback) => {
                found.truncate(settled);
                is_open = false;
            }
            _ if starts_writing(statement) => {
                let targets = parsed.next().flatten();
                found.extend(targets.unwrap_or_else(|| by_head(statement, vendor)));
            }
            _ => {}
        }
    }
    (found, is_open)
}

/// Whether the first word of `statement`, behind parentheses, is that of a write, or of something that holds one.
fn starts_writing(statement: &[Spaced]) -> bool {
    statement.iter().find(|found| found.token != Token::LParen).and_then(Spaced::bare).is_some_and(
        |word| match word.keyword {
            // Most of these read, and need no grammar to say so.
            Keyword::WITH
            | Keyword::EXPLAIN
            | Keyword::ANALYZE
            | Keyword::DESC
            | Keyword::DESCRIBE => head::names_write(statement),
            _ => is_writing(word.value.as_bytes()),
        },
    )
}

fn by_head(statement: &[Spaced], vendor: Vendor) -> Vec<Target> {
    let is_alone = |verb| !matches!(verb, "truncate" | "call" | "do" | "execute" | "unknown");
    head::writes_of(statement, vendor)
        .into_iter()
        .map(|(verb, table)| Target { verb, table, is_outermost: is_alone(verb) })
        .collect()
}
