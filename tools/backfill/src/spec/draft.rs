//! A specification as it grows from flags and file: every value optional, every value with its place.

use release_common::units::Span;
use release_postgres::{Identifier, TableName};

use super::{Assignment, Batch, DualWrite, Duty, Order, Place, Spec, SpecError, Throttle, Timeouts, When};

/// The plan's words: batches of 1000 in the off-peak hours of Korea.
const DEFAULT_WINDOW: &str = "02:00-05:00 Asia/Seoul";
const DEFAULT_SIZE: u32 = 1000;
/// Several workers hinder each other by how long their transactions overlap: PostgreSQL looks in vain for index entries
/// that it could already remove. Measured with two on 2 M rows, in turn: 15.4 to 17.1 s with 1000, 10.7 to 13.9 s with 250,
/// 13.3 s with 100; one alone takes 17.7 s with either.
const DEFAULT_SIZE_OF_SEVERAL: u32 = 250;
/// A person does not notice a lock that is held this long.
const DEFAULT_TARGET_MS: u64 = 150;
/// Half of the time cannot be told from idle in the latency of other sessions (docs/backfill.md).
const DEFAULT_DUTY: f64 = 0.5;
/// More rows than this without a place for their value are no exception but a wrong expression.
const DEFAULT_DEAD_LETTERS: u64 = 100;

/// What is known so far. Earlier values win: flags are put in before the file.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    pub(crate) name: Slot<String>,
    pub(crate) table: Slot<TableName>,
    pub(crate) source: Slot<Vec<Identifier>>,
    pub(crate) set: Slot<Vec<Assignment>>,
    pub(crate) scope: Slot<String>,
    pub(crate) condition: Slot<String>,
    pub(crate) key: Slot<Vec<Identifier>>,
    pub(crate) order: Slot<Order>,
    pub(crate) dual_write: Slot<DualWrite>,
    pub(crate) size: Slot<u32>,
    pub(crate) target_ms: Slot<u64>,
    pub(crate) duty: Slot<Duty>,
    pub(crate) workers: Slot<u32>,
    pub(crate) window: Slot<When>,
    pub(crate) replica_lag_bytes: Slot<u64>,
    pub(crate) replica_lag: Slot<Span>,
    pub(crate) wal_rate_bytes: Slot<u64>,
    pub(crate) lock_waiters: Slot<u64>,
    pub(crate) active: Slot<u64>,
    pub(crate) dead_ratio: Slot<f64>,
    pub(crate) hook: Slot<String>,
    pub(crate) lock_timeout: Slot<Span>,
    pub(crate) statement_timeout: Slot<Span>,
    pub(crate) dead_letter_max: Slot<u64>,
    /// Where each column of `set` was written.
    pub(crate) set_places: Vec<Place>,
}

/// A value and its place, if it was given.
#[derive(Clone, Debug)]
pub(crate) struct Slot<T>(Option<(T, Place)>);

impl<T> Default for Slot<T> {
    fn default() -> Slot<T> {
        Slot(None)
    }
}

impl<T> Slot<T> {
    /// Puts a value in, unless one is there.
    pub(crate) fn offer(&mut self, value: Option<T>, place: impl FnOnce() -> Place) {
        if let (None, Some(value)) = (&self.0, value) {
            self.0 = Some((value, place()));
        }
    }

    pub(crate) fn is_given(&self) -> bool {
        self.0.is_some()
    }

    pub(crate) fn place(&self) -> Option<&Place> {
        self.0.as_ref().map(|(_, place)| place)
    }

    fn value(&self) -> Option<T>
    where
        T: Clone,
    {
        self.0.as_ref().map(|(value, _)| value.clone())
    }
}

/// A specification and where its values were written, to name the line when the database refuses one.
#[derive(Clone, Debug, PartialEq)]
pub struct Placed {
    /// The specification.
    pub spec: Spec,
    /// Where the table was named.
    pub table: Place,
    /// Where the old columns were.
    pub source: Place,
    /// Where each new column was.
    pub set: Vec<Place>,
    /// Where the scope was.
    pub scope: Place,
    /// Where the condition was.
    pub condition: Place,
    /// Where the key was.
    pub key: Place,
    /// Where the order was.
    pub order: Place,
}

impl Draft {
    /// Whether it says what a job does, and not only how a known one should run.
    pub(crate) fn says_what(&self) -> bool {
        self.table.is_given() || self.set.is_given()
    }

    /// Lays the values that were given over a stored job's: only how it runs can be changed so.
    pub(crate) fn over(&self, stored: Spec) -> Placed {
        let mut spec = stored;
        let batch = &mut spec.batch;
        replace(&mut batch.size, &self.size);
        replace(&mut batch.target_ms, &self.target_ms);
        replace(&mut batch.duty, &self.duty);
        replace(&mut batch.workers, &self.workers);
        replace(&mut spec.window, &self.window);
        replace(&mut spec.dead_letter_max, &self.dead_letter_max);
        replace(&mut spec.timeouts.lock, &self.lock_timeout);
        replace(&mut spec.timeouts.statement, &self.statement_timeout);
        let set = spec.set.iter().map(|one| Place::Stored(format!("set.{}", one.column.name()))).collect();
        let stored = |key: &str| Place::Stored(key.to_owned());
        Placed {
            set,
            table: stored("table"),
            source: stored("source"),
            scope: stored("scope"),
            condition: stored("where"),
            key: stored("key"),
            order: stored("order"),
            spec,
        }
    }

    /// The whole specification, with the plan's defaults for what was not said.
    ///
    /// # Errors
    /// When it does not say what to do, or something that cannot be done.
    pub fn finish(self) -> Result<Placed, SpecError> {
        let flag = |name: &str| Place::Flag(name.to_owned());
        let missing = |name: &str, what: &str| SpecError::new(flag(name), format!("is missing: {what}"));
        let table = self.table.value().ok_or_else(|| missing("table", "the table to fill"))?;
        let set = self.set.value().filter(|set| !set.is_empty());
        let set = set.ok_or_else(|| missing("set", "COLUMN=EXPRESSION, what to fill with what"))?;
        let default_name = || {
            let columns: Vec<&str> = set.iter().map(|assignment| assignment.column.name()).collect();
            format!("{}-{}", table.table.name(), columns.join("-"))
        };
        let name = self.name.value().unwrap_or_else(default_name);
        let spec = Spec {
            source: self.source.value().unwrap_or_default(),
            scope: self.scope.value(),
            condition: self.condition.value(),
            key: self.key.value(),
            order: self.order.value().unwrap_or_default(),
            dual_write: self.dual_write.value().unwrap_or_default(),
            batch: self.batch()?,
            window: self.window.value().or_else(|| DEFAULT_WINDOW.parse().ok()).unwrap_or(When::Always),
            throttle: self.throttle(),
            timeouts: Timeouts {
                lock: self.lock_timeout.value().unwrap_or(Span(std::time::Duration::from_millis(500))),
                statement: self.statement_timeout.value().unwrap_or(Span(std::time::Duration::from_secs(10))),
            },
            dead_letter_max: self.dead_letter_max.value().unwrap_or(DEFAULT_DEAD_LETTERS),
            name,
            table,
            set,
        };
        let place = |given: Option<&Place>, name: &str| given.cloned().unwrap_or_else(|| flag(name));
        Ok(Placed {
            table: place(self.table.place(), "table"),
            source: place(self.source.place(), "source"),
            scope: place(self.scope.place(), "scope"),
            condition: place(self.condition.place(), "where"),
            key: place(self.key.place(), "key"),
            order: place(self.order.place(), "order"),
            set: self.set_places,
            spec,
        })
    }

    fn batch(&self) -> Result<Batch, SpecError> {
        let workers = self.workers.value().unwrap_or(1);
        let usual = if workers > 1 { DEFAULT_SIZE_OF_SEVERAL } else { DEFAULT_SIZE };
        let batch = Batch {
            size: self.size.value().unwrap_or(usual),
            target_ms: self.target_ms.value().unwrap_or(DEFAULT_TARGET_MS),
            duty: match self.duty.value() {
                Some(duty) => duty,
                None => Duty(DEFAULT_DUTY),
            },
            workers,
        };
        let refuse = |slot: Option<&Place>, reason: &str| {
            let place = slot.cloned().unwrap_or_else(|| Place::Flag("batch".to_owned()));
            Err(SpecError::new(place, reason))
        };
        if batch.size == 0 {
            return refuse(self.size.place(), "a batch of no rows never ends");
        }
        if batch.target_ms == 0 {
            return refuse(self.target_ms.place(), "a batch takes some time");
        }
        if batch.workers == 0 || batch.workers > 64 {
            return refuse(self.workers.place(), "from 1 to 64 workers");
        }
        Ok(batch)
    }

    fn throttle(&self) -> Throttle {
        Throttle {
            replica_lag_bytes: Some(self.replica_lag_bytes.value().unwrap_or(64_000_000)),
            replica_lag: Some(self.replica_lag.value().unwrap_or(Span(std::time::Duration::from_secs(5)))),
            wal_rate_bytes: self.wal_rate_bytes.value(),
            lock_waiters: Some(self.lock_waiters.value().unwrap_or(2)),
            active: self.active.value(),
            dead_ratio: self.dead_ratio.value(),
            hook: self.hook.value(),
        }
    }
}

fn replace<T: Clone>(value: &mut T, slot: &Slot<T>) {
    if let Some(given) = slot.value() {
        *value = given;
    }
}
