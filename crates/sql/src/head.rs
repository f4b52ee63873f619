//! The first words of a statement, where the grammar refuses the rest.
//!
//! `INSERT INTO name` is an insert into that table, whatever follows.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::Token;

use crate::text::Spaced;
use crate::vendor::Vendor;
use crate::write::Table;

/// Verb and table of a statement that writes by its first words.
pub(crate) type Named = (&'static str, Option<Table>);

/// What `statement` writes, as far as its first words tell.
pub(crate) fn writes_of(statement: &[Spaced], vendor: Vendor) -> Vec<Named> {
    let mut head = Head { rest: statement, vendor };
    while head.takes(&Token::LParen) {}
    let Some(first) = head.rest.split_off_first() else { return Vec::new() };
    let Some(verb) = first.bare().map(|word| word.keyword) else { return Vec::new() };
    match verb {
        Keyword::INSERT => vec![("insert", head.target())],
        Keyword::REPLACE => vec![("replace", head.target())],
        Keyword::MERGE => vec![("merge", head.target())],
        Keyword::UPDATE => vec![("update", head.only_target())],
        Keyword::DELETE => vec![("delete", head.deleted())],
        Keyword::TRUNCATE => head.truncated(),
        Keyword::COPY => head.copied(),
        Keyword::LOAD => vec![("load", head.loaded())],
        Keyword::CALL => vec![("call", None)],
        Keyword::DO => vec![("do", None)],
        Keyword::EXEC | Keyword::EXECUTE => vec![("execute", None)],
        Keyword::WITH => head.nested(),
        Keyword::ANALYZE | Keyword::DESC | Keyword::DESCRIBE | Keyword::EXPLAIN
            if statement.iter().any(|word| word.is_any(&[Keyword::ANALYZE])) =>
        {
            head.nested()
        }
        _ => Vec::new(),
    }
}

/// What may stand between the verb and the table.
const MODIFIERS: [&str; 10] = [
    "DELAYED",
    "HIGH_PRIORITY",
    "IGNORE",
    "INTO",
    "LOW_PRIORITY",
    "ONLY",
    "OVERWRITE",
    "QUICK",
    "TABLE",
    "FROM",
];

struct Head<'a> {
    rest: &'a [Spaced],
    vendor: Vendor,
}

impl Head<'_> {
    fn takes(&mut self, token: &Token) -> bool {
        let is_next = self.rest.first().is_some_and(|next| next.token == *token);
        if is_next {
            self.rest = self.rest.get(1..).unwrap_or_default();
        }
        is_next
    }

    fn skip_modifiers(&mut self) {
        while let Some((first, rest)) = self.rest.split_first() {
            if first.is_any(&[Keyword::OR]) {
                // OR REPLACE, OR IGNORE
                self.rest = rest.get(1..).unwrap_or_default();
            } else if MODIFIERS.iter().any(|modifier| first.is_word(modifier)) {
                self.rest = rest;
            } else {
                return;
            }
        }
    }

    /// A name, and what is behind it comes next.
    fn name(&mut self) -> Option<Table> {
        let mut parts = Vec::new();
        loop {
            let (first, rest) = self.rest.split_first()?;
            let Token::Word(word) = &first.token else { return None };
            parts.push((word.value.as_str(), word.quote_style.is_some()));
            self.rest = rest;
            if !self.takes(&Token::Period) {
                return Table::of_parts(parts, self.vendor);
            }
        }
    }

    fn target(&mut self) -> Option<Table> {
        self.skip_modifiers();
        self.name()
    }

    /// The table of an UPDATE that names no other: MySQL can change several.
    fn only_target(&mut self) -> Option<Table> {
        let table = self.target()?;
        self.takes(&Token::Mul);
        if self.rest.first().is_some_and(|next| next.is_any(&[Keyword::AS])) {
            self.rest = self.rest.get(1..).unwrap_or_default();
        }
        if !self.next_is_set() {
            // An alias.
            self.rest = self.rest.get(1..).unwrap_or_default();
        }
        (self.vendor != Vendor::MySql || self.next_is_set()).then_some(table)
    }

    fn next_is_set(&self) -> bool {
        self.rest.first().is_some_and(|next| next.is_any(&[Keyword::SET]))
    }

    /// The table of a DELETE that names no other.
    fn deleted(&mut self) -> Option<Table> {
        while self
            .rest
            .first()
            .is_some_and(|next| !next.is_any(&[Keyword::FROM]) && is_modifier(next))
        {
            self.rest = self.rest.get(1..).unwrap_or_default();
        }
        if !self.rest.first().is_some_and(|next| next.is_any(&[Keyword::FROM])) {
            return None;
        }
        let table = self.target()?;
        (!self.takes(&Token::Comma)).then_some(table)
    }

    fn truncated(&mut self) -> Vec<Named> {
        let mut found = Vec::new();
        loop {
            found.push(("truncate", self.target()));
            self.takes(&Token::Mul);
            if !self.takes(&Token::Comma) {
                return found;
            }
        }
    }

    fn copied(&mut self) -> Vec<Named> {
        if self.rest.first().is_some_and(|next| next.token == Token::LParen) {
            return self.nested();
        }
        let table = self.name();
        let direction = self.rest.iter().find(|word| word.is_any(&[Keyword::FROM, Keyword::TO]));
        match direction {
            Some(word) if word.is_any(&[Keyword::TO]) => Vec::new(),
            _ => vec![("copy", table)],
        }
    }

    fn loaded(&mut self) -> Option<Table> {
        let into = self.rest.windows(2).position(|pair| {
            pair.first().is_some_and(|word| word.is_any(&[Keyword::INTO]))
                && pair.last().is_some_and(|word| word.is_any(&[Keyword::TABLE]))
        })?;
        self.rest = self.rest.get(into..)?;
        self.target()
    }

    /// Something that writes may be inside: all that is known is whether a word says so.
    fn nested(&self) -> Vec<Named> {
        if names_write(self.rest) { vec![("unknown", None)] } else { Vec::new() }
    }
}

/// Whether a word among `tokens` is that of a statement which writes: `FOR UPDATE` locks.
pub(crate) fn names_write(tokens: &[Spaced]) -> bool {
    tokens.iter().enumerate().any(|(place, word)| {
        let before = place.checked_sub(1).and_then(|before| tokens.get(before));
        let is_lock = before.is_some_and(|word| word.is_any(&[Keyword::FOR, Keyword::KEY]));
        !is_lock
            && word.is_any(&[
                Keyword::INSERT,
                Keyword::REPLACE,
                Keyword::UPDATE,
                Keyword::DELETE,
                Keyword::MERGE,
                Keyword::EXECUTE,
            ])
    })
}

fn is_modifier(word: &Spaced) -> bool {
    MODIFIERS.iter().any(|modifier| word.is_word(modifier))
}
