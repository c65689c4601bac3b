//! Gathers what a `from` list brings into sight.
//!
//! Follows the PostgreSQL manual, 7.2.1 "The FROM Clause": a derived table sees what stands before it only if it is
//! lateral, and an alias for a whole join hides the names within.

use sqlparser::ast::{JoinConstraint, JoinOperator, ObjectName, TableAlias, TableFactor, TableWithJoins};

use super::scope::{Scope, Source, folded, parts};
use super::subject::Use;
use super::usage::Usage;

impl Usage<'_> {
    /// The sources of a `from` list; walks the subqueries in it.
    pub(super) fn sources(
        &mut self,
        from: &[TableWithJoins],
        outer: Option<&Scope<'_>>,
        tables: &[Source],
    ) -> Vec<Source> {
        let mut sources = Vec::new();
        for entry in from {
            self.entry(entry, &mut sources, outer, tables);
        }
        sources
    }

    fn entry(
        &mut self,
        entry: &TableWithJoins,
        sources: &mut Vec<Source>,
        outer: Option<&Scope<'_>>,
        tables: &[Source],
    ) {
        self.factor(&entry.relation, sources, outer, tables);
        for join in &entry.joins {
            self.factor(&join.relation, sources, outer, tables);
            let is_in_sight = sources.iter().any(|source| source.is_ours);
            let found = constraint(&join.join_operator).map_or(Use::NotUsing, |how| match how {
                JoinConstraint::Using(names) if names.iter().any(|name| self.is_column(name)) => {
                    Use::NamesColumn
                }
                // It compares all columns that both sides have.
                JoinConstraint::Natural => Use::Star,
                _ => Use::NotUsing,
            });
            if is_in_sight {
                self.add(found);
            }
        }
    }

    /// Adds one entry.
    pub(super) fn factor(
        &mut self,
        factor: &TableFactor,
        sources: &mut Vec<Source>,
        outer: Option<&Scope<'_>>,
        tables: &[Source],
    ) {
        match factor {
            TableFactor::Table { name, alias, args: None, .. } => {
                let source = self.table(name, alias.as_ref(), tables);
                sources.push(source);
            }
            TableFactor::Derived { lateral, subquery, alias, .. } => {
                let before = Scope { sources: sources.as_slice(), outer };
                let seen = if *lateral { Some(&before) } else { outer };
                let is_all = self.query(subquery, seen, tables);
                sources.push(self.aliased(String::new(), is_all, alias.as_ref()));
            }
            TableFactor::NestedJoin { table_with_joins, alias } => {
                let mut inner = Vec::new();
                self.entry(table_with_joins, &mut inner, outer, tables);
                if alias.is_some() {
                    let is_ours = inner.iter().any(|source| source.is_ours);
                    inner = vec![self.aliased(String::new(), is_ours, alias.as_ref())];
                }
                sources.extend(inner);
            }
            TableFactor::Table { name, alias, .. } | TableFactor::Function { name, alias, .. } => {
                let own = parts(name).pop().unwrap_or_default();
                sources.push(self.aliased(own, false, alias.as_ref()));
            }
            TableFactor::TableFunction { alias, .. }
            | TableFactor::UNNEST { alias, .. }
            | TableFactor::JsonTable { alias, .. }
            | TableFactor::XmlTable { alias, .. } => {
                sources.push(self.aliased(String::new(), false, alias.as_ref()));
            }
            // PostgreSQL has none of the others: whatever this is, it was not read rightly.
            _ => self.add(Use::Unparsed),
        }
    }

    /// A table, or a common table expression of this name.
    fn table(&mut self, name: &ObjectName, alias: Option<&TableAlias>, tables: &[Source]) -> Source {
        let parts = parts(name);
        let own = parts.last().cloned().unwrap_or_default();
        let schema = parts.iter().rev().nth(1).cloned();
        let common = tables.iter().rev().find(|table| schema.is_none() && table.name == own);
        let is_table = self.is_table(schema.as_deref(), &own);
        let is_ours = common.map_or(is_table, |table| table.is_ours);
        let source = self.aliased(own, is_ours, alias);
        Source { schema: schema.filter(|_| alias.is_none()), ..source }
    }

    fn aliased(&mut self, own: String, is_ours: bool, alias: Option<&TableAlias>) -> Source {
        let is_ours = self.renamed(is_ours, alias.is_some_and(|alias| !alias.columns.is_empty()));
        Source::new(alias.map_or(own, |alias| folded(&alias.name)), is_ours)
    }

    /// Whether a target such as `a` or `a.field` means an old column.
    pub(super) fn is_column(&self, name: &ObjectName) -> bool {
        parts(name).iter().any(|part| self.subject.is_column(part))
    }
}

fn constraint(operator: &JoinOperator) -> Option<&JoinConstraint> {
    match operator {
        JoinOperator::Join(how)
        | JoinOperator::Inner(how)
        | JoinOperator::Left(how)
        | JoinOperator::LeftOuter(how)
        | JoinOperator::Right(how)
        | JoinOperator::RightOuter(how)
        | JoinOperator::FullOuter(how)
        | JoinOperator::CrossJoin(how) => Some(how),
        _ => None,
    }
}
