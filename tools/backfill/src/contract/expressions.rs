//! The visitor of expressions: each reference is looked up, each subquery is walked as a query of its own.

use std::ops::ControlFlow;

use sqlparser::ast::{
    DataType, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Query, TableFactor, Visitor,
};

use super::scope::{Scope, Source, folded, parts};
use super::subject::Use;
use super::usage::Usage;

/// Visits the expressions of one query.
pub(super) struct Expressions<'a, 's> {
    usage: &'a mut Usage<'s>,
    scope: &'a Scope<'a>,
    tables: &'a [Source],
    /// How deep the visitor is within what somebody else walks: subqueries and derived tables.
    depth: usize,
}

impl<'a, 's> Expressions<'a, 's> {
    pub(super) fn new(
        usage: &'a mut Usage<'s>,
        scope: &'a Scope<'a>,
        tables: &'a [Source],
    ) -> Expressions<'a, 's> {
        Expressions { usage, scope, tables, depth: 0 }
    }

    fn expression(&mut self, expression: &Expr) {
        let found = match expression {
            Expr::Identifier(name) => self.scope.reference(&[folded(name)], self.usage.subject),
            Expr::CompoundIdentifier(names) => {
                let names: Vec<String> = names.iter().map(folded).collect();
                self.scope.reference(&names, self.usage.subject)
            }
            Expr::QualifiedWildcard(name, _) => self.star(self.scope.is_ours(&parts(name))),
            Expr::Function(function) => self.arguments(&function.args),
            Expr::Cast { data_type: DataType::Custom(name, _), .. } => {
                let parts = parts(name);
                let schema = parts.iter().rev().nth(1).map(String::as_str);
                let is_row = parts.last().is_some_and(|name| self.usage.subject.is_table(schema, name));
                self.star(is_row)
            }
            _ => Use::NotUsing,
        };
        self.usage.add(found);
    }

    /// `f(t.*)`, which the parser does not hold to be an expression.
    fn arguments(&self, arguments: &FunctionArguments) -> Use {
        let FunctionArguments::List(list) = arguments else { return Use::NotUsing };
        let is_all = list.args.iter().any(|argument| {
            let (FunctionArg::Named { arg, .. }
            | FunctionArg::ExprNamed { arg, .. }
            | FunctionArg::Unnamed(arg)) = argument;
            matches!(arg, FunctionArgExpr::QualifiedWildcard(name) if self.scope.is_ours(&parts(name)))
        });
        self.star(is_all)
    }

    fn star(&self, is_all: bool) -> Use {
        if is_all { Use::Star } else { Use::NotUsing }
    }
}

impl Visitor for Expressions<'_, '_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
        if self.depth == 0 {
            self.expression(expression);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        if self.depth == 0 {
            let is_all = self.usage.query(query, Some(self.scope), self.tables);
            self.usage.hand_out(is_all);
        }
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
        self.depth = self.depth.saturating_sub(1);
        ControlFlow::Continue(())
    }

    /// Derived tables were walked when the sources were gathered.
    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        if matches!(factor, TableFactor::Derived { .. }) {
            self.depth += 1;
        }
        ControlFlow::Continue(())
    }

    fn post_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        if matches!(factor, TableFactor::Derived { .. }) {
            self.depth = self.depth.saturating_sub(1);
        }
        ControlFlow::Continue(())
    }
}
