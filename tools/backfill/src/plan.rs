//! What would be done and what it costs, before anything is.

use std::io::Write;

use release_common::output::Format;
use release_common::units::{ByteSize, Span};
use release_common::{Context, Outcome};
use serde_json::{Value, json};

use crate::cli::PlanArgs;
use crate::connect::{self, Connected};
use crate::error::Error;
use crate::estimate::{self, Outlook};
use crate::examine::{self, Examined};
use crate::intake::{self, Wanted};
use crate::sampler;
use crate::spec::{DualWrite, Placed};
use crate::split::estimated_rows;
use crate::trial::{self, Cost};

/// Runs `plan`.
pub(crate) fn run(args: &PlanArgs, context: &mut Context) -> Result<Outcome, Error> {
    let wanted = intake::read(&args.spec)?;
    crate::runtime()?.block_on(async {
        let mut connected = connect::open(&args.connect, context).await?;
        let placed = placed(&mut connected, wanted).await?;
        show(&mut connected, placed, args.report.format(), context).await
    })
}

/// The specification that is asked for, a recorded one among them.
pub(crate) async fn placed(connected: &mut Connected, wanted: Wanted) -> Result<Placed, Error> {
    match wanted {
        Wanted::Spec(placed) => Ok(*placed),
        Wanted::Recorded { name, draft } => Ok(draft.over(connected.job(&name).await?.spec)),
    }
}

/// A plan, ready to be told.
struct Plan<'a> {
    examined: &'a Examined,
    cost: Cost,
    rows: f64,
    rows_per_s: f64,
    outlook: Outlook,
    wal_bytes: f64,
    blind: Vec<&'static str>,
}

/// Examines, tries one batch, rolls it back, and tells.
pub(crate) async fn show(
    connected: &mut Connected,
    placed: Placed,
    format: Format,
    context: &mut Context,
) -> Result<Outcome, Error> {
    let examined = examine::examine(connected, placed).await?;
    trial::first_row(connected, &examined).await?;
    let cost = trial::whole_batch(connected, &examined).await?;
    let plan = Plan::new(&examined, cost, connected.clock.now());
    if format == Format::Json {
        let mut lines = release_common::output::JsonLines::new(context.stdout());
        lines.write(&plan.to_json(connected.actor.clock()))?;
    } else {
        plan.write(context.stdout())?;
    }
    Ok(Outcome::Good)
}

impl<'a> Plan<'a> {
    fn new(examined: &'a Examined, cost: Cost, now: jiff::Timestamp) -> Plan<'a> {
        let spec = &examined.placed.spec;
        let rows = estimated_rows(&examined.table);
        let workers = f64::from(spec.batch.workers);
        let rows_per_s = cost.rows / (cost.took_ms / 1000.0).max(1e-6) * spec.batch.duty.share() * workers;
        let wal_bytes = if cost.rows > 0.0 { cost.wal_bytes / cost.rows * rows } else { 0.0 };
        Plan {
            outlook: estimate::outlook(estimate::work(rows, rows_per_s), &spec.window, now),
            blind: sampler::blind_signals(&examined.server),
            examined,
            cost,
            rows,
            rows_per_s,
            wal_bytes,
        }
    }

    /// What no batch can guarantee.
    fn promise(&self) -> &'static str {
        match self.examined.placed.spec.dual_write {
            DualWrite::Application => {
                "rows written meanwhile are the application's dual write's: deploy it everywhere first"
            }
            DualWrite::Trigger => "rows written meanwhile are a trigger's: create it first",
            DualWrite::None => "nobody writes both columns: rows that change behind the cursor stay wrong",
        }
    }

    fn to_json(&self, clock: &str) -> Value {
        let (spec, table) = (&self.examined.placed.spec, &self.examined.table);
        json!({
            "type": "summary", "reason": "planned", "job": spec.name, "table": self.examined.target.name,
            "walk": self.examined.target.walk, "why": self.examined.why,
            "server_version": self.examined.server.version, "rows_estimate": self.rows,
            "batch_size": spec.batch.size, "duty": spec.batch.duty, "workers": spec.batch.workers,
            "window": spec.window, "explain": self.cost.plan, "trial_rows": self.cost.rows,
            "trial_ms": self.cost.took_ms, "trial_error": self.cost.data_error, "rows_per_s": self.rows_per_s,
            "nights": self.outlook.nights, "ends_at": self.outlook.ends_at, "wal_bytes": self.wal_bytes,
            "heap_bytes": table.heap_bytes, "index_bytes": table.index_bytes,
            "growth_bytes": table.heap_bytes + table.index_bytes, "blind_signals": self.blind,
            "remarks": self.examined.remarks, "promise": self.promise(), "clock": clock,
        })
    }

    fn write(&self, out: &mut (dyn Write + Send)) -> Result<(), Error> {
        let (spec, table) = (&self.examined.placed.spec, &self.examined.table);
        let batch = &spec.batch;
        let size = |bytes: i64| ByteSize(u64::try_from(bytes).unwrap_or(0));
        writeln!(out, "job         {}", spec.name)?;
        writeln!(out, "table       {} (about {:.0} rows)", self.examined.target.name, self.rows)?;
        for one in &spec.set {
            writeln!(out, "fills       {} with {}", one.column, one.expression)?;
        }
        writeln!(out, "way         {}", self.examined.why)?;
        let target = Span(std::time::Duration::from_millis(batch.target_ms));
        writeln!(
            out,
            "batches     up to {} rows, {target} each, {} of the time",
            batch.size,
            percent(batch.duty.share())
        )?;
        writeln!(out, "window      {}", spec.window)?;
        for step in &self.cost.plan {
            writeln!(out, "explain     {step}")?;
        }
        match &self.cost.data_error {
            Some(error) => writeln!(out, "one batch   fails on a row, which will be a dead letter: {error}")?,
            None => writeln!(
                out,
                "one batch   {:.0} rows in {:.1} ms, {} of WAL, rolled back",
                self.cost.rows,
                self.cost.took_ms,
                bytes(self.cost.wal_bytes)
            )?,
        }
        if self.rows_per_s > 0.0 {
            let nights = if self.outlook.nights == 1 { "night" } else { "nights" };
            let ends = self
                .outlook
                .ends_at
                .map(|at| format!(", until {}", at.strftime("%F %R UTC")))
                .unwrap_or_default();
            writeln!(
                out,
                "time        {} {nights}{ends} at {:.0} rows/s",
                self.outlook.nights, self.rows_per_s
            )?;
        }
        writeln!(out, "WAL         about {}", bytes(self.wal_bytes))?;
        let growth = size(table.heap_bytes + table.index_bytes);
        writeln!(
            out,
            "disk        up to {growth} more: each filled row is a new version until vacuum takes the old one"
        )?;
        if !self.examined.server.autovacuum {
            writeln!(out, "vacuum      autovacuum is off: nothing takes the old versions")?;
        }
        if !self.blind.is_empty() {
            writeln!(
                out,
                "blind to    {}: GRANT pg_monitor TO {}",
                self.blind.join(", "),
                self.examined.server.role
            )?;
        }
        for remark in &self.examined.remarks {
            writeln!(out, "note        {remark}")?;
        }
        writeln!(out, "promise     {}", self.promise())?;
        Ok(writeln!(out, "result      nothing is kept: this is a plan")?)
    }
}

fn percent(share: f64) -> String {
    format!("{:.0}%", share * 100.0)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a float cast saturates")]
fn bytes(value: f64) -> ByteSize {
    ByteSize(value.max(0.0) as u64)
}
