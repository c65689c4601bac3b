//! Which columns an SQL expression reads, as far as its text tells.
//!
//! Names fold as the PostgreSQL manual, 4.1.1 says: to lower case unless they are quoted.

use std::ops::ControlFlow;

use release_postgres::Identifier;
use sqlparser::ast::{Expr, Ident, visit_expressions};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

/// Whether `expression` may read `column` of its row.
///
/// It errs on the side of yes: a column of the same name in a subquery counts, and in a text that the parser does not
/// know each occurrence of the word does.
pub fn references(expression: &str, column: &Identifier) -> bool {
    match parse(expression) {
        Some(tree) => visit_expressions(&tree, |part| {
            if names(part, column) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .is_break(),
        None => has_word(expression, column.name()),
    }
}

/// The expression as a tree; `None` when the parser does not understand all of it.
fn parse(expression: &str) -> Option<Expr> {
    let mut parser = Parser::new(&PostgreSqlDialect {}).try_with_sql(expression).ok()?;
    let tree = parser.parse_expr().ok()?;
    (parser.peek_token().token == Token::EOF).then_some(tree)
}

fn names(part: &Expr, column: &Identifier) -> bool {
    match part {
        Expr::Identifier(name) => is_same(name, column),
        Expr::CompoundIdentifier(path) => path.last().is_some_and(|name| is_same(name, column)),
        _ => false,
    }
}

fn is_same(name: &Ident, column: &Identifier) -> bool {
    match name.quote_style {
        Some(_) => name.value == column.name(),
        None => name.value.to_lowercase() == column.name(),
    }
}

fn has_word(text: &str, word: &str) -> bool {
    let (text, word) = (text.to_lowercase(), word.to_lowercase());
    let is_inner = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == '$';
    text.match_indices(&word).any(|(start, found)| {
        let before = text.get(..start).and_then(|before| before.chars().next_back());
        let after = text.get(start + found.len()..).and_then(|after| after.chars().next());
        !before.is_some_and(is_inner) && !after.is_some_and(is_inner)
    })
}

#[cfg(test)]
mod tests {
    use release_postgres::Identifier;

    use super::references;

    fn check(column: &str, expected: bool, expressions: &[&str]) {
        for expression in expressions {
            assert_eq!(references(expression, &Identifier::new(column)), expected, "{expression}");
        }
    }

    #[test]
    fn a_column_is_found_wherever_an_expression_may_name_it() {
        check(
            "n",
            true,
            &[
                "n + 1",
                "N + 1",
                "\"n\"",
                "orders.n + 1",
                "public.orders.n",
                "coalesce(n, 0)",
                "case when a then n else 0 end",
                "(n)::text::int",
                "(select max(x) from other where other.id = n)",
                "array[n]",
                "a between 1 and n",
                "extract(year from n)",
            ],
        );
    }

    #[test]
    fn a_name_that_is_something_else_is_no_column() {
        check("n", false, &["m + 1", "'n'", "n(a)", "\"N\"", "nn", "a /* n */", "n.a", "a::numeric(1, 2)"]);
    }

    #[test]
    fn a_quoted_name_keeps_its_letters() {
        check("Total", true, &["\"Total\" * 2", "\"Order\".\"Total\""]);
        check("Total", false, &["Total * 2", "\"total\""]);
    }

    #[test]
    fn a_text_that_is_not_understood_is_searched_for_the_word() {
        check(
            "n",
            true,
            &["n +", "1) ; n", "a ==>> n", "(("].map(|text| if text == "((" { "((n" } else { text }),
        );
        check("n", false, &["nn +", "n1 )", "($n$"]);
    }
}
