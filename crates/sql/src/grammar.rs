//! What a statement writes, by its grammar.
//!
//! The grammar is `sqlparser`'s. It bounds its own recursion, but not that of a
//! chain such as `a OR b OR ...`, which becomes a tree as deep as it is long. So
//! the number of tokens is bounded, and all of this runs on a stack that holds
//! the deepest tree of so many.

use std::thread;

use sqlparser::ast::{
    AssignmentTarget, CopySource, Delete, FromTable, Insert, ObjectName, Query, SetExpr, Statement,
    TableFactor, TableObject, TableWithJoins, Update, UtilityOption,
};
use sqlparser::keywords::Keyword;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

use crate::text::Spaced;
use crate::vendor::Vendor;
use crate::write::Table;

/// A statement of more tokens is told by its first words.
const TOKENS: usize = 1_000;

/// How deep the grammar may recurse.
const RECURSION: usize = 50;

/// The stack it runs on: `deep_trees_fit_the_stack` shows that it is enough.
const STACK: usize = 64 << 20;

/// One write of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) verb: &'static str,
    pub(crate) table: Option<Table>,
    /// Whether it is the statement itself, not one inside it.
    pub(crate) is_outermost: bool,
}

/// What each of `statements` writes; None for one that the grammar refuses.
pub(crate) fn writes_of(statements: &[&[Spaced]], vendor: Vendor) -> Vec<Option<Vec<Target>>> {
    let parse = || statements.iter().map(|tokens| parsed(tokens, vendor)).collect();
    thread::scope(|scope| {
        thread::Builder::new()
            .name("trailkeeper-sql".to_owned())
            .stack_size(STACK)
            .spawn_scoped(scope, parse)
            .ok()
            // A panic of the grammar is a refusal.
            .and_then(|thread| thread.join().ok())
            .unwrap_or_else(|| vec![None; statements.len()])
    })
}

fn parsed(tokens: &[Spaced], vendor: Vendor) -> Option<Vec<Target>> {
    if tokens.len() > TOKENS {
        return None;
    }
    let words = tokens
        .iter()
        .enumerate()
        .filter(|(place, _)| !is_modifier(tokens, *place, vendor))
        .map(|(_, found)| found.token.clone())
        .collect();
    let mut parser =
        Parser::new(vendor.dialect()).with_recursion_limit(RECURSION).with_tokens(words);
    let statement = parser.parse_statement().ok()?;
    if parser.peek_token().token != Token::EOF {
        return None;
    }
    let mut walk = Walk { vendor, found: Vec::new() };
    walk.statement(&statement, true)?;
    Some(walk.found)
}

/// Whether the word at `place` stands before a table, and the grammar would take it for the table's name.
fn is_modifier(tokens: &[Spaced], place: usize, vendor: Vendor) -> bool {
    let Some((before, [word, ..])) = tokens.split_at_checked(place) else { return false };
    let is_any = |word: &Spaced, words: &[&str]| words.iter().any(|known| word.is_word(known));
    match vendor {
        Vendor::PostgreSql => {
            word.is_word("ONLY")
                && before.last().is_some_and(|last| {
                    is_any(last, &["UPDATE", "FROM", "INTO", "TABLE", "TRUNCATE", "JOIN"])
                })
        }
        Vendor::MySql => {
            let modifiers = ["LOW_PRIORITY", "QUICK", "IGNORE"];
            let verb = before.iter().rev().find(|word| !is_any(word, &modifiers));
            is_any(word, &modifiers) && verb.is_some_and(|verb| is_any(verb, &["UPDATE", "DELETE"]))
        }
        Vendor::Sqlite | Vendor::Other => false,
    }
}

struct Walk {
    vendor: Vendor,
    found: Vec<Target>,
}

/// The walk ends with None where the tree has a shape that no supported database gives it.
impl Walk {
    fn add(&mut self, verb: &'static str, table: Option<Table>, is_outermost: bool) {
        self.found.push(Target { verb, table, is_outermost });
    }

    fn named(&mut self, verb: &'static str, name: &ObjectName, is_outermost: bool) {
        self.add(verb, Table::of_name(name, self.vendor), is_outermost);
    }

    fn statement(&mut self, statement: &Statement, is_outermost: bool) -> Option<()> {
        match statement {
            Statement::Insert(insert) => self.insert(insert, is_outermost)?,
            Statement::Update(update) => self.update(update, is_outermost),
            Statement::Delete(delete) => self.delete(delete, is_outermost),
            Statement::Merge(merge) => {
                self.add("merge", self.table_of(&merge.table), is_outermost);
            }
            Statement::Truncate(truncate) => {
                for target in &truncate.table_names {
                    self.named("truncate", &target.name, false);
                }
            }
            Statement::Copy { source, to, .. } => match source {
                CopySource::Query(query) => self.query(query, false)?,
                CopySource::Table { .. } if *to => {}
                CopySource::Table { table_name, .. } => {
                    self.named("copy", table_name, is_outermost);
                }
            },
            Statement::Query(query) => self.query(query, is_outermost)?,
            Statement::Explain { analyze, options, statement, .. } => {
                if *analyze || options.iter().flatten().any(is_analyze) {
                    self.statement(statement, false)?;
                }
            }
            Statement::Call(_) => self.add("call", None, false),
            Statement::Execute { .. } => self.add("execute", None, false),
            Statement::ExplainTable { .. } | Statement::Analyze(_) => {}
            _ => return None,
        }
        Some(())
    }

    fn insert(&mut self, insert: &Insert, is_outermost: bool) -> Option<()> {
        let first = &insert.insert_token.0.token;
        let is_replace = matches!(first, Token::Word(word) if word.keyword == Keyword::REPLACE);
        let verb = if is_replace { "replace" } else { "insert" };
        let TableObject::TableName(name) = &insert.table else { return None };
        self.named(verb, name, is_outermost);
        insert.source.as_ref().map_or(Some(()), |source| self.query(source, false))
    }

    fn update(&mut self, update: &Update, is_outermost: bool) {
        if self.vendor != Vendor::MySql || update.table.joins.is_empty() {
            self.add("update", self.table_of(&update.table.relation), is_outermost);
            return;
        }
        // MySQL changes the tables whose columns are assigned.
        let tables = std::slice::from_ref(&update.table);
        for assignment in &update.assignments {
            let table = match &assignment.target {
                AssignmentTarget::ColumnName(column) => self.qualified(column, tables),
                AssignmentTarget::Tuple(_) => None,
            };
            self.add("update", table, false);
        }
    }

    fn delete(&mut self, delete: &Delete, is_outermost: bool) {
        let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
        if !delete.tables.is_empty() {
            // MySQL: DELETE a, b FROM a JOIN b
            for name in &delete.tables {
                let table = self.resolved(name, from);
                self.add("delete", table, false);
            }
        } else if let ([only], true) = (from.as_slice(), self.vendor != Vendor::MySql) {
            self.add("delete", self.table_of(&only.relation), is_outermost);
        } else {
            // MySQL: DELETE FROM a, b USING a JOIN b
            let using = delete.using.as_deref().unwrap_or_default();
            for target in from {
                let table = match &target.relation {
                    TableFactor::Table { name, .. } => self.resolved(name, using),
                    _ => None,
                };
                self.add("delete", table, is_outermost && using.is_empty());
            }
        }
    }

    fn query(&mut self, query: &Query, is_outermost: bool) -> Option<()> {
        for part in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.query(&part.query, false)?;
        }
        match query.body.as_ref() {
            SetExpr::Insert(statement)
            | SetExpr::Update(statement)
            | SetExpr::Delete(statement)
            | SetExpr::Merge(statement) => self.statement(statement, is_outermost),
            SetExpr::Query(query) => self.query(query, is_outermost),
            // Only the outermost WITH may write, so that neither of these has a statement inside that does.
            SetExpr::Select(_)
            | SetExpr::SetOperation { .. }
            | SetExpr::Values(_)
            | SetExpr::Table(_) => Some(()),
        }
    }

    fn table_of(&self, factor: &TableFactor) -> Option<Table> {
        match factor {
            TableFactor::Table { name, .. } => Table::of_name(name, self.vendor),
            _ => None,
        }
    }

    /// The table of `column`, which a table's name or alias precedes.
    fn qualified(&self, column: &ObjectName, tables: &[TableWithJoins]) -> Option<Table> {
        let (_, table) = column.0.split_last()?;
        (!table.is_empty())
            .then(|| ObjectName(table.to_vec()))
            .and_then(|name| self.resolved(&name, tables))
    }

    /// The table that `name` stands for: itself, unless it is an alias in `tables`.
    fn resolved(&self, name: &ObjectName, tables: &[TableWithJoins]) -> Option<Table> {
        let wanted = Table::of_name(name, self.vendor)?;
        if wanted.qualifier.is_some() {
            return Some(wanted);
        }
        for factor in tables.iter().flat_map(|table| {
            [&table.relation].into_iter().chain(table.joins.iter().map(|join| &join.relation))
        }) {
            if let TableFactor::Table { name, alias: Some(alias), .. } = factor
                && alias.name.value.eq_ignore_ascii_case(&wanted.name)
            {
                return Table::of_name(name, self.vendor);
            }
        }
        Some(wanted)
    }
}

fn is_analyze(option: &UtilityOption) -> bool {
    let value = option.arg.as_ref().map(ToString::to_string);
    option.name.value.eq_ignore_ascii_case("analyze")
        && !value.is_some_and(|value| {
            ["false", "off", "0"].iter().any(|no| value.eq_ignore_ascii_case(no))
        })
}
