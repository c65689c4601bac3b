//! Finds uses of the old columns in a parsed statement.
//!
//! Queries are walked by hand, because what a name means depends on where it stands; expressions are walked by the
//! parser's own visitor, so that no clause is forgotten. A subquery that selects all columns of the table uses none by
//! itself: it hands them on, and what the query around it takes from it decides. Prisma's joins have this form.

use sqlparser::ast::{
    Expr, OrderByKind, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, Statement, Visit,
};

use super::expressions::Expressions;
use super::scope::{Scope, Source, folded, parts};
use super::subject::{Subject, Use};

/// What has been found so far.
pub(super) struct Usage<'s> {
    pub(super) subject: &'s Subject,
    found: Use,
    has_met_it: bool,
}

/// What a walk has found.
pub(super) struct Found {
    /// The surest use.
    pub(super) how: Use,
    /// Whether no table of this name was read or written, not even one of another schema.
    pub(super) has_not_met_it: bool,
}

/// Walks `statements`.
pub(super) fn usage(statements: &[Statement], subject: &Subject) -> Found {
    let mut usage = Usage { subject, found: Use::NotUsing, has_met_it: false };
    for statement in statements {
        usage.top(statement);
    }
    Found { how: usage.found, has_not_met_it: !usage.has_met_it }
}

impl Usage<'_> {
    pub(super) fn add(&mut self, found: Use) {
        self.found = self.found.max(found);
    }

    /// Whether a name in the place of a table means ours.
    pub(super) fn is_table(&mut self, schema: Option<&str>, name: &str) -> bool {
        self.has_met_it |= self.subject.is_table(None, name);
        self.subject.is_table(schema, name)
    }

    /// All columns go to somebody who cannot be looked at.
    pub(super) fn hand_out(&mut self, is_all: bool) {
        if is_all {
            self.add(Use::Star);
        }
    }

    fn top(&mut self, statement: &Statement) {
        match statement {
            Statement::Query(query) => self.handed_out(query),
            Statement::Explain { statement, .. } | Statement::Prepare { statement, .. } => {
                self.top(statement)
            }
            Statement::Declare { stmts } => {
                for query in stmts.iter().filter_map(|cursor| cursor.for_query.as_ref()) {
                    self.handed_out(query);
                }
            }
            Statement::CreateView(view) => self.handed_out(&view.query),
            Statement::CreateTable(table) => {
                if let Some(query) = &table.query {
                    self.handed_out(query);
                }
            }
            Statement::Copy { source, to, .. } => self.copy(source, *to),
            _ => {
                let is_all = self.change(statement, &[]);
                self.hand_out(is_all);
            }
        }
    }

    /// A query whose rows leave the database.
    pub(super) fn handed_out(&mut self, query: &Query) {
        let is_all = self.query(query, None, &[]);
        self.hand_out(is_all);
    }

    /// Walks a query; whether its rows hold all columns of the table.
    pub(super) fn query(&mut self, query: &Query, outer: Option<&Scope<'_>>, tables: &[Source]) -> bool {
        let mut tables = tables.to_vec();
        if let Some(with) = &query.with {
            for table in &with.cte_tables {
                let name = folded(&table.alias.name);
                let mut seen = tables.clone();
                if with.recursive {
                    seen.push(Source::new(name.clone(), false));
                }
                let is_all = self.query(&table.query, outer, &seen);
                let is_ours = self.renamed(is_all, !table.alias.columns.is_empty());
                tables.push(Source::new(name, is_ours));
            }
        }
        self.body(&query.body, Some(query), outer, &tables)
    }

    /// Columns that get other names cannot be followed any further.
    pub(super) fn renamed(&mut self, is_ours: bool, has_names: bool) -> bool {
        self.hand_out(is_ours && has_names);
        is_ours && !has_names
    }

    /// `tail` is the query whose `order by` and `limit` belong to this body.
    fn body(
        &mut self,
        body: &SetExpr,
        tail: Option<&Query>,
        outer: Option<&Scope<'_>>,
        tables: &[Source],
    ) -> bool {
        match body {
            SetExpr::Select(select) => self.select(select, tail, outer, tables),
            SetExpr::Query(query) => self.query(query, outer, tables),
            SetExpr::SetOperation { left, right, .. } => {
                // Both sides must have as many columns, so a star here fails when one goes.
                for side in [left, right] {
                    let is_all = self.body(side, None, outer, tables);
                    self.hand_out(is_all);
                }
                false
            }
            SetExpr::Values(values) => {
                self.expressions(values, &Scope { sources: &[], outer }, tables);
                false
            }
            SetExpr::Insert(change)
            | SetExpr::Update(change)
            | SetExpr::Delete(change)
            | SetExpr::Merge(change) => self.change(change, tables),
            SetExpr::Table(table) => table.table_name.as_ref().is_some_and(|name| {
                // The parser keeps no quotes here.
                let folded = [name.clone(), name.to_lowercase()];
                folded.iter().any(|name| self.is_table(None, name))
            }),
        }
    }

    fn select(
        &mut self,
        select: &Select,
        tail: Option<&Query>,
        outer: Option<&Scope<'_>>,
        tables: &[Source],
    ) -> bool {
        let sources = self.sources(&select.from, outer, tables);
        let scope = Scope { sources: &sources, outer };
        self.expressions(select, &scope, tables);
        if let Some(tail) = tail {
            self.order(tail, select, &scope, tables);
            self.expressions(&tail.limit_clause, &scope, tables);
            self.expressions(&tail.fetch, &scope, tables);
        }
        self.is_all(&select.projection, &scope)
    }

    /// A bare name in `order by` means an output column first (SELECT, "ORDER BY Clause").
    fn order(&mut self, tail: &Query, select: &Select, scope: &Scope<'_>, tables: &[Source]) {
        let Some(OrderByKind::Expressions(orders)) = tail.order_by.as_ref().map(|order| &order.kind) else {
            return;
        };
        let outputs: Vec<String> = select
            .projection
            .iter()
            .filter_map(|item| match item {
                SelectItem::ExprWithAlias { alias, .. } => Some(folded(alias)),
                _ => None,
            })
            .collect();
        for order in orders {
            let is_output = matches!(&order.expr, Expr::Identifier(name) if outputs.contains(&folded(name)));
            if !is_output {
                self.expressions(&order.expr, scope, tables);
            }
        }
    }

    /// Whether a list of results holds all columns of the table.
    pub(super) fn is_all(&self, items: &[SelectItem], scope: &Scope<'_>) -> bool {
        items.iter().any(|item| match item {
            SelectItem::Wildcard(_) => scope.sources.iter().any(|source| source.is_ours),
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                scope.is_ours(&parts(name))
            }
            _ => false,
        })
    }

    /// Walks the expressions below `node`, subqueries among them.
    pub(super) fn expressions(&mut self, node: &impl Visit, scope: &Scope<'_>, tables: &[Source]) {
        let _ = node.visit(&mut Expressions::new(self, scope, tables));
    }
}
