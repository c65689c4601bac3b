//! The first batch for real, rolled back: what it costs, and whether rows and triggers behave.

use release_postgres::{DatabaseError, Session};
use serde::Deserialize;
use serde_json::Value;

use crate::connect::Connected;
use crate::error::Error;
use crate::examine::{Examined, refused};
use crate::reaction::Reaction;
use crate::spec::SpecError;
use crate::statements::{Position, Statements};
use crate::target::Walk;

/// Rows that show what a trigger does.
const TRIED_ROWS: u32 = 100;

/// What the first batch costs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cost {
    pub(crate) rows: f64,
    pub(crate) took_ms: f64,
    pub(crate) wal_bytes: f64,
    /// The planner's steps, outermost first.
    pub(crate) plan: Vec<String>,
    /// A row of this batch that cannot be filled, with the server's words.
    pub(crate) data_error: Option<String>,
}

/// Fills one row and rolls back: an expression that fails on the first row is wrong.
pub(crate) async fn first_row(connected: &mut Connected, examined: &Examined) -> Result<(), Error> {
    let statements = Statements::new(0, &examined.placed.spec, &examined.target);
    match one_row(&mut connected.session, &statements).await {
        Ok(()) => keeps_keys(connected, examined, &statements).await,
        // That says something about two rows and nothing about the expression.
        Err(source) if is_conflict(&source) => Ok(()),
        Err(source) => {
            let place = examined.placed.set.first().unwrap_or(&examined.placed.table).clone();
            Err(refused(connected, &place, source))
        }
    }
}

/// Fills a whole batch and rolls back.
pub(crate) async fn whole_batch(connected: &mut Connected, examined: &Examined) -> Result<Cost, Error> {
    let spec = &examined.placed.spec;
    let statements = Statements::new(0, spec, &examined.target);
    match batch(&mut connected.session, &statements, spec.batch.size).await {
        Ok(cost) => Ok(cost),
        // One bad row is what dead letters are for.
        Err(error) if is_about_a_row(&error) => {
            Ok(Cost { data_error: Some(error.to_string()), ..Cost::default() })
        }
        Err(error) => Err(connected.error("trying a batch", error)),
    }
}

fn is_conflict(error: &DatabaseError) -> bool {
    error.sqlstate().is_some_and(|code| matches!(code.code(), "23505" | "23P01"))
}

fn is_about_a_row(error: &DatabaseError) -> bool {
    error.sqlstate().is_some_and(|code| Reaction::to(code) == Reaction::Bisect)
}

/// Fills the first row that needs it, alone: a block holds more than one.
async fn one_row(session: &mut Session, statements: &Statements) -> Result<(), DatabaseError> {
    #[derive(Deserialize)]
    struct First {
        key: Position,
    }
    let upper = first_end(session, statements, TRIED_ROWS).await?;
    let first = statements.keys_in_need(None, upper.as_deref());
    let first = session.read::<First>(&format!("{first} limit 1")).await?.pop();
    if let Some(First { key }) = first {
        session.send(&format!("{} {}; rollback", statements.begin(), statements.update_row(&key))).await?;
    }
    Ok(())
}

async fn batch(session: &mut Session, statements: &Statements, keys: u32) -> Result<Cost, DatabaseError> {
    let upper = first_end(session, statements, keys).await?;
    let update = statements.update(None, upper.as_deref());
    let message =
        format!("{} explain (analyze, wal, buffers, format json) {update}; rollback", statements.begin());
    let answer = session.send(&message).await?;
    let text = answer.rows.last().and_then(|row| row.first()).and_then(Option::as_deref).unwrap_or("[]");
    let explained: Value = serde_json::from_str(text).unwrap_or_default();
    Ok(cost(&explained))
}

/// Where the first batch ends; `None` when it takes the whole table.
async fn first_end(
    session: &mut Session,
    statements: &Statements,
    keys: u32,
) -> Result<Option<Position>, DatabaseError> {
    if let Some(upper) = statements.upper_block(None, &[u32::MAX.to_string()], keys) {
        return Ok(Some(upper));
    }
    let probe = statements.upper_key(None, None, keys);
    let answer = session.send(&format!("{} {probe}; rollback", statements.begin())).await?;
    Ok(answer.rows.into_iter().next().map(|row| row.into_iter().flatten().collect()))
}

fn cost(explained: &Value) -> Cost {
    let Some(top) = explained.get(0) else { return Cost::default() };
    let plan = top.get("Plan").unwrap_or(&Value::Null);
    let number = |node: &Value, key: &str| node.get(key).and_then(Value::as_f64).unwrap_or(0.0);
    let mut steps = Vec::new();
    collect(plan, &mut steps);
    let scan = plan.get("Plans").and_then(|plans| plans.get(0)).unwrap_or(&Value::Null);
    Cost {
        rows: number(scan, "Actual Rows") * number(scan, "Actual Loops").max(1.0),
        took_ms: number(top, "Execution Time"),
        wal_bytes: number(plan, "WAL Bytes"),
        plan: steps,
        data_error: None,
    }
}

fn collect(node: &Value, steps: &mut Vec<String>) {
    let text = |key: &str| node.get(key).and_then(Value::as_str);
    if let Some(kind) = text("Node Type") {
        let what = text("Index Name").map(|index| format!(" using {index}"));
        let on = text("Relation Name").map(|table| format!(" on {table}"));
        let condition = ["Index Cond", "TID Cond", "Recheck Cond"].iter().find_map(|key| text(key));
        let condition = condition.map(|condition| format!(" where {condition}"));
        let parts = [what, on, condition].into_iter().flatten().collect::<String>();
        steps.push(format!("{}{kind}{parts}", "  ".repeat(steps.len())));
    }
    for child in node.get("Plans").and_then(Value::as_array).into_iter().flatten() {
        collect(child, steps);
    }
}

/// Rows of the first batch that are not there any more, or not filled, when it was filled.
async fn lost(session: &mut Session, statements: &Statements, rows: u32) -> Result<u64, DatabaseError> {
    let upper = first_end(session, statements, rows).await?;
    let range = statements.range(None, upper.as_deref());
    let (key, table, needs) = (statements.key_json(), statements.aliased(), statements.needs());
    // A row's place changes with each update; its key must not.
    let count = match statements.target().walk {
        Walk::Key { .. } => {
            "select count(*) from (select key from before except select key from done) as lost"
        }
        Walk::Ctid { .. } => "select (select count(*) from before) - (select count(*) from done)",
    };
    let message = format!(
        "{} with before as materialized (select {key} as key from {table} where {range} and {needs}), \
         done as ({} returning {key} as key) {count}; rollback",
        statements.begin(),
        statements.update(None, upper.as_deref()),
    );
    let answer = session.send(&message).await?;
    let count = answer.rows.last().and_then(|row| row.first()).and_then(Option::as_deref);
    Ok(count.and_then(|text| text.parse().ok()).unwrap_or(0))
}

/// Refuses a table whose triggers change keys or swallow updates: rows would be missed silently.
async fn keeps_keys(
    connected: &mut Connected,
    examined: &Examined,
    statements: &Statements,
) -> Result<(), Error> {
    if examined.table.before_update.is_empty() {
        return Ok(());
    }
    let lost = match lost(&mut connected.session, statements, TRIED_ROWS).await {
        // One bad row is what dead letters are for: the first row has to do.
        Err(error) if is_about_a_row(&error) => lost(&mut connected.session, statements, 1).await,
        lost => lost,
    };
    if lost.as_ref().is_err_and(is_about_a_row) {
        return Ok(());
    }
    if lost.map_err(|source| connected.error("trying a batch", source))? == 0 {
        return Ok(());
    }
    let triggers = examined.table.before_update.join(", ");
    let reason = format!("a trigger before update changes keys or drops updates ({triggers})");
    let hint = Some("disable it for the role of this tool, or exclude those rows by scope".to_owned());
    Err(Error::Spec(SpecError { place: examined.placed.table.clone(), reason, hint }))
}
