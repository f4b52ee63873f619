//! From a text to its tokens, and from these to the text without literals.

use std::borrow::Cow;
use std::ops::Range;

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer, Word};

use crate::vendor::Vendor;

/// How many characters a text without literals has at most.
const SHOWN: usize = 2000;

/// What stands at the end of a text that was cut.
const CUT: &str = " ...";

/// A token, and whether a space or a comment stands before it.
#[derive(Clone, Debug)]
pub(crate) struct Spaced {
    pub(crate) token: Token,
    has_space: bool,
}

impl Spaced {
    /// The token as a word.
    pub(crate) fn word(&self) -> Option<&Word> {
        match &self.token {
            Token::Word(word) => Some(word),
            _ => None,
        }
    }

    /// The token as a word without quotes.
    pub(crate) fn bare(&self) -> Option<&Word> {
        self.word().filter(|word| word.quote_style.is_none())
    }

    /// Whether it is one of `keywords`, without quotes.
    pub(crate) fn is_any(&self, keywords: &[Keyword]) -> bool {
        self.bare().is_some_and(|word| keywords.contains(&word.keyword))
    }

    /// Whether it is the word `text`, without quotes.
    pub(crate) fn is_word(&self, text: &str) -> bool {
        self.bare().is_some_and(|word| word.value.eq_ignore_ascii_case(text))
    }
}

/// The tokens of `sql`, without space and comments, and whether that is all of it.
pub(crate) fn tokens_of(sql: &str, vendor: Vendor, has_parameters: bool) -> (Vec<Spaced>, bool) {
    let sql = if has_parameters { with_placeholders(sql, vendor) } else { Cow::Borrowed(sql) };
    let mut found: Vec<TokenWithSpan> = Vec::new();
    let dialect = vendor.dialect();
    let is_whole =
        Tokenizer::new(dialect, &sql).tokenize_with_location_into_buf(&mut found).is_ok();
    let mut has_space = false;
    let mut tokens = Vec::with_capacity(found.len() / 2);
    for TokenWithSpan { token, .. } in found {
        if matches!(token, Token::Whitespace(_)) {
            has_space = true;
        } else {
            tokens.push(Spaced { token, has_space });
            has_space = false;
        }
    }
    (tokens, is_whole)
}

/// Replaces the parameters as Python's drivers mark them: `%s` and `%(name)s`, wherever they stand.
fn with_placeholders(sql: &str, vendor: Vendor) -> Cow<'_, str> {
    if !sql.contains('%') {
        return Cow::Borrowed(sql);
    }
    let mut out = String::with_capacity(sql.len());
    let mut rest = sql;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let format = after.strip_prefix('(').and_then(|named| named.split_once(')'));
        let format = format.map_or(after, |(_, format)| format);
        if let Some(behind) = format.strip_prefix(['s', 'b', 't']) {
            out.push_str(vendor.placeholder());
            rest = behind;
        } else {
            out.push('%');
            rest = after.strip_prefix('%').unwrap_or(after);
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Leaves one row of each VALUES and one value of each IN.
///
/// A long text is mostly these, and neither tells which table is written.
pub(crate) fn squeeze(tokens: &mut Vec<Spaced>) {
    let mut is_kept = vec![true; tokens.len()];
    for (place, token) in tokens.iter().enumerate() {
        let Some(repeated) = repetition(tokens, place, token) else { continue };
        is_kept.get_mut(repeated).into_iter().flatten().for_each(|kept| *kept = false);
    }
    let mut kept = is_kept.into_iter();
    tokens.retain(|_| kept.next().unwrap_or(true));
}

/// Where the rows or values behind the first one stand, if `token` starts a list of them.
fn repetition(tokens: &[Spaced], place: usize, token: &Spaced) -> Option<Range<usize>> {
    let start = place + 1;
    if token.is_any(&[Keyword::VALUES, Keyword::VALUE]) {
        let first = end_of_group(tokens, start)?;
        let mut end = first;
        while tokens.get(end).is_some_and(|comma| comma.token == Token::Comma) {
            let Some(next) = end_of_group(tokens, end + 1) else { break };
            end = next;
        }
        Some(first..end)
    } else if token.is_any(&[Keyword::IN]) {
        let end = end_of_group(tokens, start)?;
        let values = tokens.get(start + 1..end - 1)?;
        values.iter().all(is_in_list).then_some(start + 2..end - 1)
    } else {
        None
    }
}

/// The place behind the parenthesis that closes the one at `start`.
fn end_of_group(tokens: &[Spaced], start: usize) -> Option<usize> {
    if tokens.get(start)?.token != Token::LParen {
        return None;
    }
    let mut depth = 0_usize;
    for (place, found) in tokens.iter().enumerate().skip(start) {
        match found.token {
            Token::LParen => depth += 1,
            Token::RParen => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(place + 1);
        }
    }
    None
}

fn is_in_list(found: &Spaced) -> bool {
    is_value(&found.token) || found.token == Token::Comma
}

/// Whether a token is a literal or a parameter.
fn is_value(token: &Token) -> bool {
    matches!(
        token,
        Token::Number(..)
            // What the tokenizer could not make sense of may be part of a literal.
            | Token::Char(_)
            | Token::SingleQuotedString(_)
            | Token::DoubleQuotedString(_)
            | Token::TripleSingleQuotedString(_)
            | Token::TripleDoubleQuotedString(_)
            | Token::DollarQuotedString(_)
            | Token::SingleQuotedByteStringLiteral(_)
            | Token::DoubleQuotedByteStringLiteral(_)
            | Token::TripleSingleQuotedByteStringLiteral(_)
            | Token::TripleDoubleQuotedByteStringLiteral(_)
            | Token::SingleQuotedRawStringLiteral(_)
            | Token::DoubleQuotedRawStringLiteral(_)
            | Token::TripleSingleQuotedRawStringLiteral(_)
            | Token::TripleDoubleQuotedRawStringLiteral(_)
            | Token::NationalStringLiteral(_)
            | Token::QuoteDelimitedStringLiteral(_)
            | Token::NationalQuoteDelimitedStringLiteral(_)
            | Token::EscapedStringLiteral(_)
            | Token::UnicodeStringLiteral(_)
            | Token::HexStringLiteral(_)
            | Token::Placeholder(_)
    )
}

/// The text that `tokens` stand for, with `?` for each literal.
pub(crate) fn shown(tokens: &[Spaced], is_whole: bool) -> String {
    let mut out = String::new();
    let mut len = 0;
    let mut is_cut = !is_whole;
    for (place, found) in tokens.iter().enumerate() {
        let text = if is_value(&found.token) { "?".to_owned() } else { found.token.to_string() };
        len += text.chars().count() + usize::from(found.has_space);
        if len > SHOWN {
            is_cut = true;
            break;
        }
        if found.has_space && place > 0 {
            out.push(' ');
        }
        out.push_str(&text);
    }
    if is_cut {
        out.push_str(CUT);
    }
    out
}

/// The statements of a text: what stands between semicolons.
///
/// The body of a routine or a trigger has semicolons of its own; it is one statement with its CREATE.
pub(crate) fn statements(tokens: &[Spaced]) -> Vec<&[Spaced]> {
    let mut found = Vec::new();
    let mut rest = tokens;
    while !rest.is_empty() {
        let (statement, behind) = rest.split_at(end_of_statement(rest));
        if !statement.is_empty() {
            found.push(statement);
        }
        rest = behind.get(1..).unwrap_or_default();
    }
    found
}

fn end_of_statement(tokens: &[Spaced]) -> usize {
    let has_body = tokens.first().is_some_and(|first| first.is_any(&[Keyword::CREATE]));
    // How many BEGIN and CASE wait for their END.
    let mut depth = 0_usize;
    for (place, found) in tokens.iter().enumerate() {
        if has_body {
            if found.is_any(&[Keyword::BEGIN, Keyword::CASE]) {
                depth += 1;
            } else if found.is_any(&[Keyword::END]) {
                depth = depth.saturating_sub(1);
            }
        }
        if depth == 0 && found.token == Token::SemiColon {
            return place;
        }
    }
    tokens.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(sql: &str, vendor: Vendor) -> String {
        let (mut tokens, is_whole) = tokens_of(sql, vendor, true);
        squeeze(&mut tokens);
        shown(&tokens, is_whole)
    }

    #[test]
    fn no_literal_is_shown() {
        let cases = [
            (
                Vendor::PostgreSql,
                "INSERT INTO a VALUES ('Q', E'Q\\'', $$Q$$, $q$Q$q$, 12.5e3, X'5F', B'01', N'Q', U&'Q')",
            ),
            (
                Vendor::PostgreSql,
                "UPDATE a SET b = -5, c = 'Q''Q', d = 'Q'::text, e = interval '1 Q'",
            ),
            (Vendor::MySql, "UPDATE `a` SET b = \"Q\", c = 'Q\\'Q', d = 0x5f, e = _utf8'Q'"),
            (Vendor::Sqlite, "UPDATE a SET b = x'5f', c = 'Q''Q', d = 1.5"),
            (
                Vendor::PostgreSql,
                "UPDATE a SET b = 'Q\u{e9}\0' -- Q\n /* Q /* Q */ Q */ WHERE c = 5",
            ),
        ];
        for (vendor, sql) in cases {
            let text = text_of(sql, vendor);
            assert!(!text.contains(['Q', '5', '\'', '1']), "{text}");
        }
    }

    #[test]
    fn space_and_comments_become_one_space() {
        let sql = "UPDATE  a -- why\n\tSET b=b+1 /* and */ WHERE \"c d\"  =  7 ;";
        assert_eq!(text_of(sql, Vendor::PostgreSql), "UPDATE a SET b=b+? WHERE \"c d\" = ? ;");
    }

    #[test]
    fn parameters_of_the_drivers_are_shown_as_literals() {
        for vendor in [Vendor::PostgreSql, Vendor::MySql, Vendor::Sqlite, Vendor::Other] {
            let sql = "UPDATE a SET b=%s, c = %(name)s WHERE d %% 2 = %s";
            assert_eq!(text_of(sql, vendor), "UPDATE a SET b=?, c = ? WHERE d % ? = ?");
        }
    }

    #[test]
    fn rows_and_lists_are_shown_once() {
        let sql = "INSERT INTO a (b, c) VALUES (1, (2)), (3, 4) ,(5, 6) ON CONFLICT DO NOTHING";
        assert_eq!(
            text_of(sql, Vendor::PostgreSql),
            "INSERT INTO a (b, c) VALUES (?, (?)) ON CONFLICT DO NOTHING"
        );
        let sql = "DELETE FROM a WHERE b IN (1, 2, 3) AND c IN () AND d IN (SELECT 1) AND e IN (4)";
        assert_eq!(
            text_of(sql, Vendor::Sqlite),
            "DELETE FROM a WHERE b IN (?) AND c IN () AND d IN (SELECT ?) AND e IN (?)"
        );
        let sql = "INSERT INTO a VALUES (1) ON DUPLICATE KEY UPDATE b = VALUES(b), c = VALUES(c)";
        assert_eq!(
            text_of(sql, Vendor::MySql),
            "INSERT INTO a VALUES (?) ON DUPLICATE KEY UPDATE b = VALUES(b), c = VALUES(c)"
        );
    }

    #[test]
    fn a_long_text_is_cut() {
        let text = text_of(&format!("UPDATE a SET b = {}", "c + ".repeat(9999)), Vendor::Sqlite);
        assert!(text.ends_with(CUT) && text.len() <= SHOWN + CUT.len(), "{text}");
    }

    #[test]
    fn bodies_are_one_statement_with_their_create() {
        let sql = "CREATE TRIGGER t AFTER INSERT ON a BEGIN UPDATE b SET c = CASE WHEN d THEN 1 END; \
                   DELETE FROM e; END; SELECT ';'; ; DELETE FROM f;";
        let (tokens, _) = tokens_of(sql, Vendor::Sqlite, false);
        let firsts: Vec<String> =
            statements(&tokens).iter().map(|found| found[0].token.to_string()).collect();
        assert_eq!(firsts, ["CREATE", "SELECT", "DELETE"]);
    }
}
