//! The SQL of a verification: counts by stretches of the way, and the rows that differ.
//!
//! The comparison lies within one row, so each stretch may have a snapshot of its own. One query counts a stretch and
//! tells where it ended: a second look for the end would read the table twice wherever the visibility map is not set,
//! as it is not after a backfill.

use release_postgres::literal;
use serde::Deserialize;

use crate::spec::Spec;
use crate::statements::{Position, Statements};
use crate::target::{KeyColumn, Target, Walk};

/// The queries of one job.
#[derive(Clone, Debug)]
pub struct Comparison {
    statements: Statements,
    spec: Spec,
    target: Target,
}

/// What one stretch holds.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Counted {
    /// All its rows.
    pub keys: u64,
    /// Those that the job is about.
    pub rows: u64,
    /// Those of them that differ.
    pub different: u64,
    /// The last key; `None` when there is no row, and in ctid order.
    pub upper: Option<Position>,
    /// In ctid order the length of the table.
    pub blocks: Option<u64>,
}

impl Comparison {
    /// The queries of job `job_id`.
    pub fn new(job_id: i64, spec: &Spec, target: &Target) -> Comparison {
        Comparison {
            statements: Statements::new(job_id, spec, target),
            spec: spec.clone(),
            target: target.clone(),
        }
    }

    /// The SQL that fills.
    pub fn statements(&self) -> &Statements {
        &self.statements
    }

    /// Whether rows are found by their place only.
    pub fn is_by_place(&self) -> bool {
        matches!(self.target.walk, Walk::Ctid { .. })
    }

    /// Settings of a transaction that reads stretches: without them an old estimate may turn a short range into a scan
    /// of the whole table.
    pub fn settings(&self) -> &'static str {
        match &self.target.walk {
            Walk::Key { .. } => "set local enable_seqscan = off; set local enable_sort = off; ",
            Walk::Ctid { .. } => "set local max_parallel_workers_per_gather = 0; ",
        }
    }

    /// Counts the `limit` rows after `lo`, or in ctid order the blocks up to `hi`; gives a [`Counted`].
    ///
    /// `offset 0`, as `limit` does, keeps the planner from computing the comparison once for each counter.
    pub fn count(&self, lo: Option<&[String]>, hi: Option<&[String]>, limit: u32) -> String {
        let (table, range, differs) =
            (self.statements.aliased(), self.statements.range(lo, hi), self.judged());
        let counts = "count(*) as keys, count(\"#\") as rows, count(*) filter (where \"#\") as different";
        match &self.target.walk {
            Walk::Key { columns, .. } => {
                let inner: Vec<String> = columns
                    .iter()
                    .zip(1..)
                    .map(|(column, n)| format!("{} as \"#{n}\"", kept(column)))
                    .collect();
                let last: Vec<String> =
                    (1..=columns.len()).map(|n| format!("((array_agg(\"#{n}\"))[count(*)])::text")).collect();
                format!(
                    "select {counts}, case when count(*) > 0 then json_build_array({}) end as upper \
                     from (select {}, {differs} as \"#\" from {table} where {range} {} limit {limit}) stretch",
                    last.join(", "),
                    inner.join(", "),
                    self.statements.order()
                )
            }
            Walk::Ctid { .. } => format!(
                "select {counts}, pg_relation_size({}::regclass) / current_setting('block_size')::int8 as blocks \
                 from (select {differs} as \"#\" from {table} where {range} offset 0) stretch",
                literal(self.statements.table())
            ),
        }
    }

    /// The keys of the rows of a stretch that differ.
    pub fn different_keys(&self, lo: Option<&[String]>, hi: Option<&[String]>) -> String {
        let (key, table, range) =
            (self.statements.key_json(), self.statements.aliased(), self.statements.range(lo, hi));
        format!(
            "select {key} as key from {table} where {range} and {} {}",
            self.judged(),
            self.statements.order()
        )
    }

    /// The keys of the `limit` rows after `lo`, or in ctid order those of the blocks up to `hi`.
    pub fn keys(&self, lo: Option<&[String]>, hi: Option<&[String]>, limit: u32) -> String {
        let (key, table, range) =
            (self.statements.key_json(), self.statements.aliased(), self.statements.range(lo, hi));
        let limit = if self.is_by_place() { String::new() } else { format!(" limit {limit}") };
        format!("select {key} as key from {table} where {range} {}{limit}", self.statements.order())
    }

    /// Whether the row of this key differs; no row when there is none, null when the job is not about it.
    pub fn one(&self, key: &[String]) -> String {
        let (table, row) = (self.statements.aliased(), self.statements.is_row(key));
        format!("select {} as differs from {table} where {row}", self.judged())
    }

    /// What rows hold in the old and new columns, and what the new ones should hold.
    pub fn values(&self, keys: &[Position]) -> String {
        let new = self.spec.set.iter().zip(&self.target.columns).map(|(one, column)| {
            let name = &column.name;
            let expected = format!("(({})::{})::text", one.expression, column.type_name);
            let label = literal(name.name());
            format!("json_build_object('column', {label}, 'found', {name}::text, 'expected', {expected})")
        });
        let old = self.spec.source.iter().map(|name| format!("{}, {name}::text", literal(name.name())));
        let rows: Vec<String> = keys.iter().map(|key| format!("({})", self.statements.is_row(key))).collect();
        format!(
            "select {} as key, json_build_array({}) as \"values\", json_build_object({}) as source from {} where {}",
            self.statements.key_json(),
            new.collect::<Vec<_>>().join(", "),
            old.collect::<Vec<_>>().join(", "),
            self.statements.aliased(),
            rows.join(" or ")
        )
    }

    /// Counts the rows of a share of the table's blocks; the same seed takes the same blocks.
    pub fn sample(&self, percent: f64, seed: u32) -> String {
        format!(
            "select count(*) as keys, count(\"#\") as rows, count(*) filter (where \"#\") as different from \
             (select {} as \"#\" from {} offset 0) stretch",
            self.judged(),
            self.sampled(percent, seed)
        )
    }

    /// The keys of rows of the same sample that differ, at most `limit`.
    pub fn sample_keys(&self, percent: f64, seed: u32, limit: u32) -> String {
        let (key, from) = (self.statements.key_json(), self.sampled(percent, seed));
        format!("select {key} as key from {from} where {} limit {limit}", self.judged())
    }

    fn sampled(&self, percent: f64, seed: u32) -> String {
        format!("{} tablesample system ({percent}) repeatable ({seed})", self.statements.aliased())
    }

    /// True where a row differs, null where the job is not about it: there the expression may not even be computable.
    fn judged(&self) -> String {
        match self.spec.scope {
            Some(_) => {
                format!("case when {} then {} end", self.statements.scope(), self.statements.differs())
            }
            None => self.statements.differs().to_owned(),
        }
    }
}

/// A key column within an array of its values; an array of arrays would be one array.
fn kept(column: &KeyColumn) -> String {
    let text = if column.type_name.ends_with(']') { "::text" } else { "" };
    format!("{}{text}", column.name)
}
