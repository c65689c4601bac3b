//! What a statement's text, as the server's statistics hold it, does with the old columns.
//!
//! A search for the name is wrong both ways: `select *` uses a column that it does not name, and `select b as a` names
//! one that it does not use. So each text is parsed and its names are resolved. Where that is in doubt, the answer is
//! that the column is used: a column kept for too long costs little.

use sqlparser::ast::{CopySource, Statement};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, Tokenizer, Whitespace, Word};

use super::subject::{Subject, Use};
use super::usage::usage;

/// Beyond it a chain of operators would be walked so deep that the stack may not hold it.
const MOST_OPERATORS: usize = 300;
/// The mark in statements of ours.
const OWN_MARK: &str = "backfill";
/// What our state consists of, so that a table of a user's with the name `backfill` is not taken for it.
const OWN_TABLES: [&str; 9] = [
    "layout",
    "job",
    "chunk",
    "deadletter",
    "event",
    "sample",
    "verification",
    "difference",
    "contract_observation",
];
/// Statements that no client reads or writes rows by. What they make of the table, the catalog tells.
const MAINTENANCE: [&str; 27] = [
    "alter",
    "analyze",
    "begin",
    "checkpoint",
    "close",
    "cluster",
    "comment",
    "commit",
    "deallocate",
    "discard",
    "drop",
    "fetch",
    "grant",
    "listen",
    "lock",
    "move",
    "notify",
    "refresh",
    "reindex",
    "release",
    "reset",
    "revoke",
    "rollback",
    "savepoint",
    "set",
    "truncate",
    "vacuum",
];
/// `create` followed by one of these may read rows.
const READING_CREATIONS: [&str; 11] = [
    "table",
    "temp",
    "temporary",
    "local",
    "global",
    "unlogged",
    "view",
    "materialized",
    "recursive",
    "or",
    "foreign",
];

/// How the statement uses the old columns; `None` when it is one of ours.
pub(crate) fn classify(text: &str, subject: &Subject) -> Option<Use> {
    let Ok(tokens) = Tokenizer::new(&PostgreSqlDialect {}, text).tokenize() else {
        return Some(unread(text, subject));
    };
    if is_own(&tokens) {
        return None;
    }
    let words: Vec<String> = tokens.iter().filter_map(word).collect();
    let is_named = subject.tables.iter().any(|table| words.contains(&table.name));
    if !is_named || is_maintenance(&words) {
        return Some(Use::NotUsing);
    }
    let operators = tokens.iter().filter(|token| is_operator(token)).count();
    let Some(statements) = (operators <= MOST_OPERATORS).then(|| parsed(tokens)).flatten() else {
        return Some(Use::Unparsed);
    };
    if is_backup(text, &statements, subject) {
        return Some(Use::Backup);
    }
    let found = usage(&statements, subject);
    // The parser is lenient: where it met no table of this name at all, it may have taken the words for others.
    let is_column_named = subject.columns.iter().any(|column| words.contains(column));
    let is_missed = found.has_not_met_it && is_column_named;
    Some(if is_missed { found.how.max(Use::Unparsed) } else { found.how })
}

/// `from only orders` reads the same columns; the parser takes `only` for the table and `orders` for its alias.
fn without_only(tokens: Vec<Token>) -> Vec<Token> {
    let mut kept: Vec<Token> = Vec::with_capacity(tokens.len());
    let mut before = String::new();
    for token in tokens {
        let this = match &token {
            Token::Whitespace(_) => {
                kept.push(token);
                continue;
            }
            Token::Word(word) if word.quote_style.is_none() => word.value.to_lowercase(),
            other => other.to_string(),
        };
        let is_only =
            this == "only" && ["from", "join", "update", "into", "using", ","].contains(&before.as_str());
        before = this;
        if !is_only {
            kept.push(token);
        }
    }
    kept
}

/// Not even its words can be told apart.
fn unread(text: &str, subject: &Subject) -> Use {
    let text = text.to_lowercase();
    let is_named = subject.tables.iter().any(|table| text.contains(&table.name.to_lowercase()));
    if is_named { Use::Unparsed } else { Use::NotUsing }
}

/// The statements of a text; `None` when the parser does not know their form.
fn parsed(tokens: Vec<Token>) -> Option<Vec<Statement>> {
    let parse = |tokens| Parser::new(&PostgreSqlDialect {}).with_tokens(tokens).parse_statements().ok();
    let tokens = without_only(tokens);
    parse(tokens.clone()).or_else(|| parse(with_constants(tokens)))
}

/// The statistics put `$1` where `date '2026-01-01'` and `extract(year from ...)` had words that the grammar needs.
fn with_constants(tokens: Vec<Token>) -> Vec<Token> {
    let mut before = (String::new(), String::new());
    let mut replaced = Vec::with_capacity(tokens.len());
    for token in tokens {
        let is_field = before == ("extract".to_owned(), "(".to_owned());
        let token = match token {
            Token::Placeholder(_) if is_field => Token::make_keyword("year"),
            Token::Placeholder(_) => Token::SingleQuotedString(String::new()),
            other => other,
        };
        if !matches!(token, Token::Whitespace(_)) {
            before = (before.1, token.to_string().to_lowercase());
        }
        replaced.push(token);
    }
    replaced
}

fn word(token: &Token) -> Option<String> {
    match token {
        Token::Word(Word { value, quote_style: None, .. }) => Some(value.to_lowercase()),
        Token::Word(Word { value, .. }) => Some(value.clone()),
        _ => None,
    }
}

fn is_operator(token: &Token) -> bool {
    match token {
        Token::Word(word) => {
            word.quote_style.is_none()
                && matches!(word.value.to_lowercase().as_str(), "and" | "or" | "not" | "union" | "join")
        }
        Token::Plus | Token::Minus | Token::Mul | Token::Div | Token::StringConcat | Token::DoubleColon => {
            true
        }
        _ => false,
    }
}

/// Statements of this tool carry its mark or touch its schema.
fn is_own(tokens: &[Token]) -> bool {
    let is_marked = tokens.iter().any(|token| {
        matches!(token, Token::Whitespace(Whitespace::MultiLineComment(text)) if text.trim() == OWN_MARK)
    });
    let names =
        |token: &Token, wanted: &[&str]| word(token).is_some_and(|word| wanted.contains(&word.as_str()));
    is_marked
        || tokens.windows(3).any(|three| match three {
            [schema, Token::Period, table] => names(schema, &[OWN_MARK]) && names(table, &OWN_TABLES),
            _ => false,
        })
}

/// What `create index`, `create function` and the like do with the table, if anything, the catalog then holds.
fn is_maintenance(words: &[String]) -> bool {
    let mut leading = words.iter().map(String::as_str);
    match leading.next() {
        Some("create") => {
            let may_read = leading.next().is_some_and(|second| READING_CREATIONS.contains(&second));
            let has_query = words.iter().any(|word| word == "select")
                || words.windows(2).any(|pair| pair == ["as", "table"]);
            !may_read || !has_query
        }
        Some(first) => MAINTENANCE.contains(&first),
        None => false,
    }
}

/// `pg_dump` names all columns, as it found them in the catalog just before, so it needs none of them. Its own form
/// tells it from an application's copy.
fn is_backup(text: &str, statements: &[Statement], subject: &Subject) -> bool {
    match statements {
        [Statement::Declare { stmts }] => {
            stmts.iter().flat_map(|cursor| &cursor.names).any(|name| name.value == "_pg_dump_cursor")
        }
        [Statement::Copy { source: CopySource::Table { columns, .. }, to: true, .. }] => {
            let text = text.trim_end().trim_end_matches(';');
            let is_its_form = text.starts_with("COPY ") && text.ends_with(" TO stdout");
            is_its_form && columns.iter().map(|column| &column.value).eq(&subject.stored)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
