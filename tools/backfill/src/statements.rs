//! The SQL of a job: ranges along its way, what a row needs, and the three messages of a batch.
//!
//! A batch is one transaction in three messages: begin and look for the upper key; update the range; write the checkpoint
//! and commit. The checkpoint names the epoch of the claim, so a worker whose chunk was taken writes nothing. Only rows
//! of the target are locked, in key order, and two workers never share a range.

use release_postgres::literal;
use serde_json::Value;

use crate::spec::{Spec, Timeouts};
use crate::state::jsonb;
use crate::target::{Column, KeyColumn, Target, Walk};

/// A killed worker's chunk is taken over after this; each checkpoint renews it.
pub const LEASE_S: u32 = 30;

/// A place on the way: the texts of a key, or the number of a block. As jsonb it is an array of texts.
pub type Position = Vec<String>;

/// A job's SQL.
#[derive(Clone, Debug)]
pub struct Statements {
    job_id: i64,
    target: Target,
    /// `"a" = (expr)::type, ...`
    assignments: String,
    /// `"a" is distinct from (expr)::type or ...`
    differs: String,
    /// The scope, or `true`.
    scope: String,
    /// Scope, condition and difference.
    needs: String,
    timeouts: Timeouts,
}

/// A worker's hold on a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The pass it belongs to.
    pub pass: i32,
    /// Its number.
    pub n: i32,
    /// The number of this claim.
    pub epoch: i64,
}

impl Statements {
    /// The SQL of job `job_id`.
    pub fn new(job_id: i64, spec: &Spec, target: &Target) -> Statements {
        let join = |between: &str, form: &dyn Fn(&Column, &str) -> String| {
            let pairs = spec.set.iter().zip(&target.columns);
            pairs.map(|(one, column)| form(column, &one.expression)).collect::<Vec<_>>().join(between)
        };
        let assignments = join(", ", &|column, expression| {
            format!("{} = ({expression})::{}", column.name, column.assigned_type())
        });
        let own = &target.alias;
        let differs = join(" or ", &|column, expression| {
            let text = if column.has_equality { "" } else { "::text" };
            let (name, type_name) = (&column.name, &column.type_name);
            format!("{own}.{name}{text} is distinct from ({expression})::{type_name}{text}")
        });
        let scope = spec.scope.as_ref().map_or_else(|| "true".to_owned(), |scope| format!("({scope})"));
        let condition =
            spec.condition.as_ref().map(|condition| format!("({condition}) and ")).unwrap_or_default();
        Statements {
            job_id,
            target: target.clone(),
            needs: format!("{scope} and {condition}({differs})"),
            assignments,
            differs: format!("({differs})"),
            scope,
            timeouts: spec.timeouts,
        }
    }

    /// The table and the way through it.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Quoted schema and name of the table.
    pub fn table(&self) -> &str {
        &self.target.name
    }

    /// True for a row whose new value is not what the expression gives.
    pub fn differs(&self) -> &str {
        &self.differs
    }

    /// True for a row that the job is about.
    pub fn scope(&self) -> &str {
        &self.scope
    }

    /// True for a row that must still be filled.
    pub fn needs(&self) -> &str {
        &self.needs
    }

    /// The key of a row as a jsonb array of texts; in ctid order the place of the row.
    pub fn key_json(&self) -> String {
        match &self.target.walk {
            Walk::Key { columns, .. } => {
                let texts: Vec<String> =
                    columns.iter().map(|column| format!("{}::text", self.own(column))).collect();
                format!("jsonb_build_array({})", texts.join(", "))
            }
            Walk::Ctid { .. } => "jsonb_build_array(ctid::text)".to_owned(),
        }
    }

    /// True for the one row of this key, as [`Statements::key_json`] gave it.
    pub fn is_row(&self, key: &[String]) -> String {
        match &self.target.walk {
            Walk::Key { columns, .. } => {
                let equal = columns
                    .iter()
                    .zip(key)
                    .map(|(column, text)| format!("{} = {}", self.compared(column), value(column, text)));
                equal.collect::<Vec<_>>().join(" and ")
            }
            Walk::Ctid { .. } => format!("ctid = {}::tid", literal(key.first().map_or("", String::as_str))),
        }
    }

    /// True for rows after `lo` (exclusive) up to `hi` (inclusive); `None` is unbounded. In ctid order `lo` is inclusive
    /// and `hi` exclusive, because blocks are whole.
    pub fn range(&self, lo: Option<&[String]>, hi: Option<&[String]>) -> String {
        let bounds: Vec<String> = match &self.target.walk {
            Walk::Key { columns, .. } => {
                let bound = |sign: &str, key: &[String]| self.compare(columns, sign, key);
                lo.map(|key| bound(">", key)).into_iter().chain(hi.map(|key| bound("<=", key))).collect()
            }
            Walk::Ctid { .. } => {
                let bound = |sign: &str, key: &[String]| {
                    format!("ctid {sign} '({},0)'::tid", key.first().map_or("0", String::as_str))
                };
                lo.map(|key| bound(">=", key)).into_iter().chain(hi.map(|key| bound("<", key))).collect()
            }
        };
        if bounds.is_empty() { "true".to_owned() } else { bounds.join(" and ") }
    }

    /// `order by` of the key, and nothing in ctid order.
    pub fn order(&self) -> String {
        match &self.target.walk {
            Walk::Key { columns, .. } => {
                format!(
                    "order by {}",
                    columns.iter().map(|column| self.compared(column)).collect::<Vec<_>>().join(", ")
                )
            }
            Walk::Ctid { .. } => String::new(),
        }
    }

    /// `order by` of the key, greatest first.
    pub fn order_descending(&self) -> String {
        match &self.target.walk {
            Walk::Key { columns, .. } => {
                let falling = columns.iter().map(|column| format!("{} desc", self.compared(column)));
                format!("order by {}", falling.collect::<Vec<_>>().join(", "))
            }
            Walk::Ctid { .. } => String::new(),
        }
    }

    /// The key that lies `count` rows after `lo`, as one row of texts; no row when fewer are left before `hi`.
    pub fn upper_key(&self, lo: Option<&[String]>, hi: Option<&[String]>, count: u32) -> String {
        let Walk::Key { columns, .. } = &self.target.walk else { return "select".to_owned() };
        let texts: Vec<String> = columns.iter().map(|column| format!("{}::text", self.own(column))).collect();
        format!(
            "select {} from {} where {} {} offset {} limit 1",
            texts.join(", "),
            self.aliased(),
            self.range(lo, hi),
            self.order(),
            count.saturating_sub(1)
        )
    }

    /// In ctid order the block at which a batch of about `count` rows ends; `None` in key order.
    pub fn upper_block(&self, lo: Option<&[String]>, hi: &[String], count: u32) -> Option<Position> {
        let Walk::Ctid { rows_per_block, .. } = self.target.walk else { return None };
        let number =
            |position: &[String]| position.first().and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        let blocks = (u64::from(count) / u64::from(rows_per_block.max(1))).max(1);
        let upper = (number(lo.unwrap_or_default()) + blocks).min(number(hi));
        Some(vec![upper.to_string()])
    }

    /// The keys of a range's rows that must still be filled.
    pub fn keys_in_need(&self, lo: Option<&[String]>, hi: Option<&[String]>) -> String {
        let (key, table, range) = (self.key_json(), self.aliased(), self.range(lo, hi));
        format!("select {key} as key from {table} where {range} and {} {}", self.needs, self.order())
    }

    /// The column of the table: without its table an `order by` would mean the text that is selected under its name.
    fn own(&self, column: &KeyColumn) -> String {
        format!("{}.{}", self.target.alias, column.name)
    }

    /// The column as the index orders it.
    fn compared(&self, column: &KeyColumn) -> String {
        match &column.collation {
            Some(collation) => format!("{} collate {collation}", self.own(column)),
            None => self.own(column),
        }
    }

    /// One comparison of a row, which is one range of the index (manual, 9.24.5); the spelled-out form with `or` is not.
    fn compare(&self, columns: &[KeyColumn], sign: &str, key: &[String]) -> String {
        let names: Vec<String> = columns.iter().map(|column| self.compared(column)).collect();
        let values: Vec<String> = columns.iter().zip(key).map(|(column, text)| value(column, text)).collect();
        match (names.as_slice(), values.as_slice()) {
            ([name], [value]) => format!("{name} {sign} {value}"),
            _ => format!("({}) {sign} ({})", names.join(", "), values.join(", ")),
        }
    }

    /// The table under the name that expressions may use. The mark tells the contract check that a statement in the
    /// server's statistics is ours and no use of the old column.
    pub fn aliased(&self) -> String {
        let only = if matches!(self.target.walk, Walk::Ctid { .. }) { "only " } else { "" };
        format!("{only}{} as {} /* backfill */", self.target.name, self.target.alias)
    }

    /// First message: the limits of the transaction; in key order followed by [`Statements::upper_key`].
    pub fn begin(&self) -> String {
        // The planner sees one small range of a huge table; no statistics however old may turn that into a scan of
        // all of it. A bitmap would lock rows in the order of the blocks instead of the key. A just-in-time compiler
        // would cost more than the batch.
        let plan = match &self.target.walk {
            Walk::Key { .. } => "set local enable_seqscan = off; set local enable_bitmapscan = off; ",
            Walk::Ctid { .. } => "",
        };
        format!(
            "begin; set local lock_timeout = {}; set local statement_timeout = {}; \
             set local idle_in_transaction_session_timeout = {}; set local synchronous_commit = off; \
             set local jit = off; {plan}",
            self.timeouts.lock.0.as_millis(),
            self.timeouts.statement.0.as_millis(),
            // A stopped process must not hold row locks for longer than a slow statement may.
            self.timeouts.statement.0.as_millis(),
        )
    }

    /// Second message: fills the rows of a range that need it.
    pub fn update(&self, lo: Option<&[String]>, hi: Option<&[String]>) -> String {
        format!(
            "update {} set {} where {} and {} /* backfill */",
            self.aliased(),
            self.assignments,
            self.range(lo, hi),
            self.needs
        )
    }

    /// Fills one row that needs it.
    pub fn update_row(&self, key: &[String]) -> String {
        let (table, set) = (self.aliased(), &self.assignments);
        format!("update {table} set {set} where {} and {} /* backfill */", self.is_row(key), self.needs)
    }

    /// Fills one row that differs, whatever the job's condition says of it.
    pub fn repair_row(&self, key: &[String]) -> String {
        let (table, set, row) = (self.aliased(), &self.assignments, self.is_row(key));
        format!("update {table} set {set} where {row} and {} and {} /* backfill */", self.scope, self.differs)
    }

    /// Third message: moves the checkpoint, or raises `BF001` when the claim is no more; answers with what is desired,
    /// the duty and the number of the checkpoint.
    pub fn checkpoint(&self, claim: Claim, cursor: &[String], step: &Step) -> String {
        let cursor = jsonb(Some(&Value::from(cursor.to_vec())));
        format!(
            "with moved as (update backfill.chunk set cursor = {cursor}, keys_seen = keys_seen + {}, \
             rows_written = rows_written + {}, seq = seq + 1, is_done = {}, lease_until = {} \
             where job_id = {} and pass = {} and n = {} and epoch = {} and not is_done returning seq) \
             select j.desired, j.duty::text, coalesce((select seq from moved), backfill.lost_lease())::text \
             from backfill.job j where j.id = {}",
            step.keys,
            step.rows,
            step.is_last,
            if step.is_last { "null".to_owned() } else { lease_end() },
            self.job_id,
            claim.pass,
            claim.n,
            claim.epoch,
            self.job_id
        )
    }
}

/// What a batch did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Keys that it covered.
    pub keys: u64,
    /// Rows that it wrote.
    pub rows: u64,
    /// Whether it reached the end of the chunk.
    pub is_last: bool,
}

/// When a lease that begins now ends, by the server's clock.
pub fn lease_end() -> String {
    format!("clock_timestamp() + interval '{LEASE_S} s'")
}

/// Keys travel as texts and are cast back, so that none loses precision.
fn value(column: &KeyColumn, text: &str) -> String {
    format!("{}::{}", literal(text), column.type_name)
}

#[cfg(test)]
mod tests {
    use super::Statements;
    use crate::spec::Spec;
    use crate::target::Target;

    /// What tells that a row differs, for a column of this type.
    fn differs(type_name: &str) -> String {
        let spec: Spec = serde_json::from_value(serde_json::json!({
            "name": "job", "table": "t", "source": [], "set": [{"column": "n", "expression": "o"}],
            "order": "auto", "dual_write": "none", "batch": {"size": 1, "target_ms": 1, "duty": 1.0, "workers": 1},
            "window": "always", "throttle": {}, "timeouts": {"lock": "1s", "statement": "1s"}, "dead_letter_max": 1,
        }))
        .unwrap();
        let target: Target = serde_json::from_value(serde_json::json!({
            "oid": 1, "name": "public.t", "alias": "t", "walk": {"by": "key", "columns": [], "is_scattered": false},
            "columns": [{"name": "n", "number": 1, "type_name": type_name, "has_equality": type_name != "json"}],
        }))
        .unwrap();
        Statements::new(1, &spec, &target).differs().to_owned()
    }

    #[test]
    fn texts_of_json_are_compared_because_it_has_no_equality() {
        assert_eq!(differs("json"), "(\"t\".\"n\"::text is distinct from (o)::json::text)");
        assert_eq!(differs("jsonb"), "(\"t\".\"n\" is distinct from (o)::jsonb)");
    }
}
