//! Statements that write: what they name, what they write by place, and what they return.

use sqlparser::ast::{
    Assignment, AssignmentTarget, ConflictTarget, CopySource, Delete, FromTable, Insert, Merge, MergeAction,
    MergeInsertKind, MergeUpdateKind, OnConflictAction, OnInsert, OutputClause, SelectItem, Statement,
    TableFactor, TableObject, TableWithJoins, Update, UpdateTableFromKind,
};

use super::scope::{Scope, Source, folded, parts};
use super::subject::Use;
use super::usage::Usage;

impl Usage<'_> {
    /// Walks a statement that is no query; whether it returns all columns of the table.
    pub(super) fn change(&mut self, statement: &Statement, tables: &[Source]) -> bool {
        match statement {
            Statement::Insert(insert) => self.insert(insert, tables),
            Statement::Update(update) => self.update(update, tables),
            Statement::Delete(delete) => self.delete(delete, tables),
            Statement::Merge(merge) => self.merge(merge, tables),
            // Calls and the like have expressions, which may hold subqueries.
            _ => {
                self.expressions(statement, &Scope { sources: &[], outer: None }, tables);
                false
            }
        }
    }

    fn insert(&mut self, insert: &Insert, tables: &[Source]) -> bool {
        let TableObject::TableName(name) = &insert.table else {
            self.add(Use::Unparsed);
            return false;
        };
        let names = parts(name);
        let schema = names.iter().rev().nth(1).map(String::as_str);
        let own = names.last().cloned().unwrap_or_default();
        let is_ours = self.is_table(schema, &own);
        if is_ours {
            self.columns(insert);
        }
        if let Some(source) = &insert.source {
            // What is selected is written by place, or it would not be all columns.
            let is_all = self.query(source, None, tables);
            self.hand_out(is_all);
        }
        let alias = insert.table_alias.as_ref().map(|alias| folded(&alias.alias));
        let schema = schema.filter(|_| alias.is_none()).map(ToOwned::to_owned);
        let target = Source { schema, ..Source::new(alias.unwrap_or(own), is_ours) };
        let sources = [target, Source::new("excluded".to_owned(), is_ours)];
        let scope = Scope { sources: &sources, outer: None };
        self.conflict(insert.on.as_ref(), is_ours);
        self.expressions(&insert.on, &scope, tables);
        self.returned(insert.returning.as_deref(), &scope, tables)
    }

    fn columns(&mut self, insert: &Insert) {
        let names_it = insert.columns.iter().any(|column| self.is_column(column));
        let is_by_place = insert.columns.is_empty() && insert.source.is_some();
        self.add(match (names_it, is_by_place) {
            (true, _) => Use::NamesColumn,
            (_, true) => Use::InsertWithoutList,
            _ => Use::NotUsing,
        });
    }

    fn conflict(&mut self, on: Option<&OnInsert>, is_ours: bool) {
        let Some(OnInsert::OnConflict(conflict)) = on else { return };
        if let Some(ConflictTarget::Columns(columns)) = &conflict.conflict_target
            && is_ours
            && columns.iter().any(|column| self.subject.is_column(&folded(column)))
        {
            self.add(Use::NamesColumn);
        }
        if let OnConflictAction::DoUpdate(update) = &conflict.action {
            self.assignments(&update.assignments, is_ours);
        }
    }

    fn assignments(&mut self, assignments: &[Assignment], is_ours: bool) {
        let names_it = assignments.iter().any(|assignment| match &assignment.target {
            AssignmentTarget::ColumnName(name) => self.is_column(name),
            AssignmentTarget::Tuple(names) => names.iter().any(|name| self.is_column(name)),
        });
        if names_it && is_ours {
            self.add(Use::NamesColumn);
        }
    }

    fn update(&mut self, update: &Update, tables: &[Source]) -> bool {
        let mut sources = self.sources(std::slice::from_ref(&update.table), None, tables);
        let is_ours = sources.iter().any(|source| source.is_ours);
        if let Some(UpdateTableFromKind::BeforeSet(from) | UpdateTableFromKind::AfterSet(from)) = &update.from
        {
            sources.extend(self.sources(from, None, tables));
        }
        let scope = Scope { sources: &sources, outer: None };
        self.assignments(&update.assignments, is_ours);
        self.expressions(update, &scope, tables);
        self.is_returned(update.returning.as_deref(), &scope)
    }

    fn delete(&mut self, delete: &Delete, tables: &[Source]) -> bool {
        let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
        let entries: Vec<TableWithJoins> =
            from.iter().chain(delete.using.iter().flatten()).cloned().collect();
        let sources = self.sources(&entries, None, tables);
        let scope = Scope { sources: &sources, outer: None };
        self.expressions(delete, &scope, tables);
        self.is_returned(delete.returning.as_deref(), &scope)
    }

    fn merge(&mut self, merge: &Merge, tables: &[Source]) -> bool {
        let mut sources = Vec::new();
        for factor in [&merge.table, &merge.source] {
            self.factor(factor, &mut sources, None, tables);
        }
        let is_ours = matches!(&merge.table, TableFactor::Table { .. })
            && sources.first().is_some_and(|first| first.is_ours);
        for clause in &merge.clauses {
            self.action(&clause.action, is_ours);
        }
        let scope = Scope { sources: &sources, outer: None };
        self.expressions(merge, &scope, tables);
        match &merge.output {
            Some(
                OutputClause::Output { select_items, .. } | OutputClause::Returning { select_items, .. },
            ) => self.is_all(select_items, &scope),
            None => false,
        }
    }

    fn action(&mut self, action: &MergeAction, is_ours: bool) {
        match action {
            MergeAction::Insert(insert) if is_ours => {
                let is_by_place =
                    insert.columns.is_empty() && matches!(insert.kind, MergeInsertKind::Values(_));
                if insert.columns.iter().any(|column| self.is_column(column)) {
                    self.add(Use::NamesColumn);
                } else if is_by_place {
                    self.add(Use::InsertWithoutList);
                }
            }
            MergeAction::Update(update) => {
                if let MergeUpdateKind::Set(assignments) = &update.kind {
                    self.assignments(assignments, is_ours);
                }
            }
            _ => {}
        }
    }

    /// `copy`: without a list of columns it takes all of them, by place.
    pub(super) fn copy(&mut self, source: &CopySource, is_out: bool) {
        match source {
            CopySource::Query(query) => self.handed_out(query),
            CopySource::Table { table_name, columns } => {
                let names = parts(table_name);
                let schema = names.iter().rev().nth(1).map(String::as_str);
                if !names.last().is_some_and(|name| self.is_table(schema, name)) {
                    return;
                }
                if columns.iter().any(|column| self.subject.is_column(&folded(column))) {
                    self.add(Use::NamesColumn);
                } else if columns.is_empty() {
                    self.add(if is_out { Use::Star } else { Use::InsertWithoutList });
                }
            }
        }
    }

    fn returned(&mut self, items: Option<&[SelectItem]>, scope: &Scope<'_>, tables: &[Source]) -> bool {
        for item in items.unwrap_or_default() {
            self.expressions(item, scope, tables);
        }
        self.is_returned(items, scope)
    }

    fn is_returned(&self, items: Option<&[SelectItem]>, scope: &Scope<'_>) -> bool {
        self.is_all(items.unwrap_or_default(), scope)
    }
}
