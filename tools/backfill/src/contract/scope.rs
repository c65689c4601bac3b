//! Which names a part of a statement sees, and what a column reference in it means.
//!
//! Follows the PostgreSQL manual, 4.2.1 "Column References" and 7.2.1.2 "Table and Column Aliases": a name is looked
//! for in the innermost query first, and an alias hides the name of its table.

use sqlparser::ast::{Ident, ObjectName, ObjectNamePart};

use super::subject::{Subject, Use};

/// One entry of a `from` list, or a common table expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    /// The name by which columns are qualified.
    pub(super) name: String,
    /// The schema, where the entry is a table without an alias that was named with its schema.
    pub(super) schema: Option<String>,
    /// Whether its columns are those of our table: the table itself, or a subquery that hands all of them on.
    pub(super) is_ours: bool,
}

impl Source {
    pub(super) fn new(name: String, is_ours: bool) -> Source {
        Source { name, schema: None, is_ours }
    }
}

/// The sources of one query, within those of the queries around it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope<'a> {
    pub(super) sources: &'a [Source],
    pub(super) outer: Option<&'a Scope<'a>>,
}

impl<'a> Scope<'a> {
    fn around(&'a self) -> impl Iterator<Item = &'a Scope<'a>> {
        std::iter::successors(Some(self), |scope| scope.outer)
    }

    /// The sources of the innermost query that has this name; several when only their schemas differ.
    fn named(&'a self, schema: Option<&str>, name: &str) -> Option<Vec<&'a Source>> {
        self.around().find_map(|scope| {
            let is_it = |source: &&Source| {
                source.name == name
                    && (schema.is_none() || source.schema.is_none() || source.schema.as_deref() == schema)
            };
            let found: Vec<&Source> = scope.sources.iter().filter(is_it).collect();
            (!found.is_empty()).then_some(found)
        })
    }

    /// Whether `alias.*` hands on our columns. A name that nobody here has introduced may be anything.
    pub(super) fn is_ours(&self, parts: &[String]) -> bool {
        let Some((name, schema)) = parts.split_last() else { return true };
        let schema = schema.last().map(String::as_str);
        self.named(schema, name).is_none_or(|found| found.iter().any(|source| source.is_ours))
    }

    /// What a reference such as `a`, `t.a` or `s.t.a` means for our columns.
    pub(super) fn reference(&self, parts: &[String], subject: &Subject) -> Use {
        match parts {
            [] => Use::NotUsing,
            [name] => self.plain(name, subject),
            [.., qualifier, name] => {
                let schema = parts.iter().rev().nth(2).map(String::as_str);
                self.qualified(schema, qualifier, name, subject)
            }
        }
    }

    /// Without a qualifier: it is our column if our table is in sight at all. Where another table of the same query had
    /// that column as well, PostgreSQL itself would call it ambiguous.
    fn plain(&self, name: &str, subject: &Subject) -> Use {
        let is_in_sight = self.around().any(|scope| scope.sources.iter().any(|source| source.is_ours));
        if subject.is_column(name) {
            return if is_in_sight { Use::NamesColumn } else { Use::NotUsing };
        }
        let is_row = self.named(None, name).is_some_and(|found| found.iter().any(|source| source.is_ours));
        if is_row && !subject.is_in_row(name) { Use::Star } else { Use::NotUsing }
    }

    fn qualified(&self, schema: Option<&str>, qualifier: &str, name: &str, subject: &Subject) -> Use {
        match self.named(schema, qualifier) {
            Some(found) => {
                let is_ours = subject.is_column(name) && found.iter().any(|source| source.is_ours);
                if is_ours { Use::NamesColumn } else { Use::NotUsing }
            }
            // Nobody here has introduced the qualifier, so in doubt it is ours.
            None if subject.is_column(name) => Use::NamesColumn,
            None if schema.is_none() && subject.is_table(Some(qualifier), name) => Use::Star,
            None => Use::NotUsing,
        }
    }
}

/// A name as the catalog holds it: folded to lower case unless it is quoted.
pub(super) fn folded(ident: &Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}

/// The parts of a name as the catalog holds them.
pub(super) fn parts(name: &ObjectName) -> Vec<String> {
    name.0.iter().filter_map(ObjectNamePart::as_ident).map(folded).collect()
}
