//! A specification file into the draft, each value checked where it stands.

use std::path::Path;
use std::str::FromStr;

use release_common::units::{ByteSize, Span};
use release_postgres::Identifier;

use super::document::{self, Node, Value};
use super::draft::Slot;
use super::{Assignment, Draft, DualWrite, Duty, Order, Place, SpecError, When};

/// Puts what the file says into `draft`; what is there already, from flags, stays.
///
/// # Errors
/// The first thing that is wrong, with its line.
pub fn merge_file(path: &Path, text: &str, draft: &mut Draft) -> Result<(), SpecError> {
    let line = |line: usize, key: &str| Place::Line { path: path.to_owned(), line, key: key.to_owned() };
    let root = document::read(text).map_err(|error| SpecError::new(line(error.line, ""), error.reason))?;
    let Value::Table(entries) = &root.value else {
        return Err(SpecError::new(line(1, ""), "is no table of keys"));
    };
    entries.iter().try_for_each(|(key, node)| Entry { path, key: key.clone(), node }.top(draft))
}

/// One key with its value.
struct Entry<'a> {
    path: &'a Path,
    /// With its table, as `batch.size`.
    key: String,
    node: &'a Node,
}

impl<'a> Entry<'a> {
    fn top(&self, draft: &mut Draft) -> Result<(), SpecError> {
        match self.key.as_str() {
            "name" => self.put(&mut draft.name, self.text()?),
            "table" => self.put(&mut draft.table, self.parsed()?),
            "source" => self.put(&mut draft.source, self.names()?),
            "set" => return self.set(draft),
            "scope" => self.put(&mut draft.scope, self.text()?),
            "where" => self.put(&mut draft.condition, self.text()?),
            "key" => self.put(&mut draft.key, self.names()?),
            "order" => self.put(
                &mut draft.order,
                self.one_of(&[("auto", Order::Auto), ("key", Order::Key), ("ctid", Order::Ctid)])?,
            ),
            "dual_write" => self.put(
                &mut draft.dual_write,
                self.one_of(&[
                    ("application", DualWrite::Application),
                    ("trigger", DualWrite::Trigger),
                    ("none", DualWrite::None),
                ])?,
            ),
            "window" => return self.window(draft),
            "batch" => return self.each(|entry| entry.batch(draft)),
            "throttle" => return self.each(|entry| entry.throttle(draft)),
            "timeouts" => return self.each(|entry| entry.timeouts(draft)),
            "errors" => return self.each(|entry| entry.errors(draft)),
            _ => {
                return Err(self.unknown(
                    "name, table, source, set, scope, where, key, order, dual_write, batch, window, throttle, \
                     timeouts and errors",
                ));
            }
        }
        Ok(())
    }

    fn batch(&self, draft: &mut Draft) -> Result<(), SpecError> {
        match self.last() {
            "size" => self.put(&mut draft.size, self.whole()?),
            "target_ms" => self.put(&mut draft.target_ms, self.whole()?),
            "duty" => self.put(&mut draft.duty, self.duty()?),
            "workers" => self.put(&mut draft.workers, self.whole()?),
            _ => return Err(self.unknown("size, target_ms, duty and workers")),
        }
        Ok(())
    }

    fn throttle(&self, draft: &mut Draft) -> Result<(), SpecError> {
        match self.last() {
            "replica_lag_bytes" => self.put(&mut draft.replica_lag_bytes, self.size("")?),
            "replica_lag" => self.put(&mut draft.replica_lag, self.parsed()?),
            "wal_rate" => self.put(&mut draft.wal_rate_bytes, self.size("/s")?),
            "lock_waiters" => self.put(&mut draft.lock_waiters, self.whole()?),
            "active" => self.put(&mut draft.active, self.whole()?),
            "dead_ratio" => self.put(&mut draft.dead_ratio, self.ratio()?),
            "hook" => self.put(&mut draft.hook, self.text()?),
            _ => {
                return Err(self.unknown(
                    "replica_lag_bytes, replica_lag, wal_rate, lock_waiters, active, dead_ratio and hook",
                ));
            }
        }
        Ok(())
    }

    fn timeouts(&self, draft: &mut Draft) -> Result<(), SpecError> {
        match self.last() {
            "lock" => self.put(&mut draft.lock_timeout, self.timeout()?),
            "statement" => self.put(&mut draft.statement_timeout, self.timeout()?),
            _ => return Err(self.unknown("lock and statement")),
        }
        Ok(())
    }

    fn errors(&self, draft: &mut Draft) -> Result<(), SpecError> {
        match self.last() {
            "dead_letter_max" => self.put(&mut draft.dead_letter_max, self.whole()?),
            _ => return Err(self.unknown("dead_letter_max")),
        }
        Ok(())
    }

    fn set(&self, draft: &mut Draft) -> Result<(), SpecError> {
        if draft.set.is_given() {
            return Ok(());
        }
        let mut set = Vec::new();
        let mut places = Vec::new();
        self.each(|entry| {
            // Keys of TOML are exact, so a column of mixed case needs no second pair of quotes.
            let column = Identifier::new(entry.last());
            set.push(Assignment { column, expression: entry.text()? });
            places.push(entry.place());
            Ok(())
        })?;
        draft.set.offer(Some(set), || self.place());
        draft.set_places = places;
        Ok(())
    }

    /// `"02:00-05:00 Asia/Seoul"`, or a table of `tz`, `from`, `to` and `days`.
    fn window(&self, draft: &mut Draft) -> Result<(), SpecError> {
        if let Value::Text(text) = &self.node.value {
            let window = text.parse::<When>().map_err(|error| self.refuse(error.to_string()))?;
            self.put(&mut draft.window, window);
            return Ok(());
        }
        let (mut zone, mut from, mut to, mut days) = (None, None, None, Vec::new());
        self.each(|entry| {
            match entry.last() {
                "tz" => zone = Some(entry.text()?),
                "from" => from = Some(entry.text()?),
                "to" => to = Some(entry.text()?),
                "days" => days = entry.texts()?,
                _ => return Err(entry.unknown("tz, from, to and days")),
            }
            Ok(())
        })?;
        let (Some(zone), Some(from), Some(to)) = (zone, from, to) else {
            return Err(self.refuse("needs tz, from and to"));
        };
        let days = if days.is_empty() { String::new() } else { format!("{} ", days.join(",")) };
        let window = format!("{days}{from}-{to} {zone}").parse::<When>();
        self.put(&mut draft.window, window.map_err(|error| self.refuse(error.to_string()))?);
        Ok(())
    }

    fn each(&self, mut read: impl FnMut(&Entry<'a>) -> Result<(), SpecError>) -> Result<(), SpecError> {
        let Value::Table(entries) = &self.node.value else { return Err(self.wanted("a table")) };
        entries.iter().try_for_each(|(key, node)| {
            read(&Entry { path: self.path, key: format!("{}.{key}", self.key), node })
        })
    }

    fn put<T>(&self, slot: &mut Slot<T>, value: T) {
        slot.offer(Some(value), || self.place());
    }

    fn text(&self) -> Result<String, SpecError> {
        match &self.node.value {
            Value::Text(text) if text.trim().is_empty() => Err(self.refuse("is empty")),
            Value::Text(text) => Ok(text.clone()),
            _ => Err(self.wanted("a text")),
        }
    }

    fn texts(&self) -> Result<Vec<String>, SpecError> {
        let Value::List(items) = &self.node.value else { return Err(self.wanted("a list of texts")) };
        items.iter().map(|node| Entry { path: self.path, key: self.key.clone(), node }.text()).collect()
    }

    fn names(&self) -> Result<Vec<Identifier>, SpecError> {
        Ok(self.texts()?.into_iter().map(Identifier::new).collect())
    }

    fn parsed<T: FromStr<Err: std::fmt::Display>>(&self) -> Result<T, SpecError> {
        self.text()?.parse().map_err(|error: T::Err| self.refuse(error.to_string()))
    }

    fn timeout(&self) -> Result<Span, SpecError> {
        let span: Span = self.parsed()?;
        // PostgreSQL reads zero as "no limit".
        if span.0.is_zero() { Err(self.refuse("zero would be no limit at all")) } else { Ok(span) }
    }

    /// A size in bytes, as a number or with a unit.
    fn size(&self, suffix: &str) -> Result<u64, SpecError> {
        match &self.node.value {
            Value::Number(_) => self.whole(),
            Value::Text(text) => {
                let bytes = text.trim().strip_suffix(suffix).unwrap_or(text).trim().parse::<ByteSize>();
                bytes.map(|size| size.0).map_err(|error| self.refuse(error.to_string()))
            }
            _ => Err(self.wanted("a size such as 64MB")),
        }
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked just before")]
    fn whole<T: TryFrom<u64>>(&self) -> Result<T, SpecError> {
        let Value::Number(number) = self.node.value else { return Err(self.wanted("a whole number")) };
        let is_whole = number.fract() == 0.0 && (0.0..9e15).contains(&number);
        let whole = is_whole.then(|| T::try_from(number as u64).ok()).flatten();
        whole.ok_or_else(|| self.refuse(format!("{number} is not a whole number in range")))
    }

    fn ratio(&self) -> Result<f64, SpecError> {
        match self.node.value {
            Value::Number(number) if number > 0.0 => Ok(number),
            _ => Err(self.wanted("a number above zero")),
        }
    }

    fn duty(&self) -> Result<Duty, SpecError> {
        match &self.node.value {
            Value::Number(number) => Duty::new(*number).map_err(|error| self.refuse(error)),
            _ => self.parsed(),
        }
    }

    fn one_of<T: Copy>(&self, choices: &[(&str, T)]) -> Result<T, SpecError> {
        let text = self.text()?;
        choices.iter().find(|(name, _)| *name == text).map(|(_, value)| *value).ok_or_else(|| {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            self.refuse(format!("`{text}` is none of {}", names.join(", ")))
        })
    }

    fn last(&self) -> &str {
        self.key.split_once('.').map_or(self.key.as_str(), |(_, last)| last)
    }

    fn place(&self) -> Place {
        Place::Line { path: self.path.to_owned(), line: self.node.line, key: self.key.clone() }
    }

    fn refuse(&self, reason: impl Into<String>) -> SpecError {
        SpecError::new(self.place(), reason)
    }

    fn wanted(&self, what: &str) -> SpecError {
        self.refuse(format!("wants {what}, not {}", self.node.kind()))
    }

    fn unknown(&self, known: &str) -> SpecError {
        let hint = Some(format!("the keys here are {known}"));
        SpecError { hint, ..self.refuse("unknown key") }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{Draft, DualWrite, Order, When};
    use super::merge_file;

    const WHOLE: &str = r#"
name = "post-status"
table = 'public."Post"'
source = ["published"]
where = '"status" is null'
set = { status = "(case when published then 'Published' else 'Draft' end)::\"Status\"" }
dual_write = "trigger"
order = "key"
batch = { size = 500, target_ms = 100, duty = 0.25, workers = 2 }
window = { tz = "Asia/Seoul", from = "02:00", to = "05:00", days = ["mon", "tue", "wed"] }
throttle = { replica_lag_bytes = "64MB", replica_lag = "5s", wal_rate = "20MB/s", lock_waiters = 2, active = 20, dead_ratio = 0.3 }
timeouts = { lock = "500ms", statement = "10s" }
errors = { dead_letter_max = 7 }
"#;

    fn finished(text: &str) -> Result<super::super::draft::Placed, String> {
        let mut draft = Draft::default();
        merge_file(Path::new("job.toml"), text, &mut draft).map_err(|error| error.to_string())?;
        draft.finish().map_err(|error| error.to_string())
    }

    #[test]
    fn every_key_is_read() {
        let spec = finished(WHOLE).unwrap().spec;
        assert_eq!(spec.table.to_string(), "\"public\".\"Post\"");
        assert_eq!((spec.order, spec.dual_write, spec.dead_letter_max), (Order::Key, DualWrite::Trigger, 7));
        assert_eq!(
            (spec.batch.size, spec.batch.workers, spec.throttle.wal_rate_bytes),
            (500, 2, Some(20_000_000))
        );
        assert_eq!(spec.window.to_string(), "mon-wed 02:00-05:00 Asia/Seoul");
        let stored = serde_json::to_string(&spec).unwrap();
        assert_eq!(serde_json::from_str::<super::super::Spec>(&stored).unwrap(), spec);
    }

    #[test]
    fn the_words_of_the_plan_are_the_defaults() {
        let spec = finished("table = 't'\nset.b = 'a'").unwrap().spec;
        assert_eq!((spec.batch.size, spec.name.as_str()), (1000, "t-b"));
        assert_eq!(spec.window, "02:00-05:00 Asia/Seoul".parse::<When>().unwrap());
        assert_eq!(spec.dual_write, DualWrite::Application);
        let shared = finished("table = 't'\nset.b = 'a'\nbatch.workers = 2").unwrap().spec;
        assert_eq!(shared.batch.size, 250, "several workers overlap less");
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (text, expected) in [
            (
                "table = 't'\nbatch.size = 0\nset.b = 'a'",
                "job.toml:2: batch.size: a batch of no rows never ends",
            ),
            ("tabel = 't'", "job.toml:1: tabel: unknown key"),
            ("\nbatch = { siz = 1 }", "job.toml:2: batch.siz: unknown key"),
            (
                "table = 't u'",
                "job.toml:1: table: `t u` is not a name such as total, \"Total\" or public.\"Post\"",
            ),
            ("set = { b = 1 }", "job.toml:1: set.b: wants a text, not a number"),
            (
                "window = 'night'",
                "job.toml:1: window: `night` is not a window such as 'mon-fri 02:00-05:00 Asia/Seoul'",
            ),
            ("batch.duty = 2", "job.toml:1: batch.duty: `2` is not a share of time such as 0.5 or 50%"),
            ("timeouts.lock = '0s'", "job.toml:1: timeouts.lock: zero would be no limit at all"),
            ("order = 'up'", "job.toml:1: order: `up` is none of auto, key, ctid"),
            ("set.b = 'a'", "--table: is missing: the table to fill"),
            ("table = 't'", "--set: is missing: COLUMN=EXPRESSION, what to fill with what"),
        ] {
            assert_eq!(finished(text).unwrap_err(), expected, "{text}");
        }
    }

    #[test]
    fn json_says_the_same() {
        let json = "{\"table\": \"t\",\n \"set\": {\"b\": \"a\"}, \"batch\": {\"size\": 7}}";
        let toml = "table = 't'\nset.b = 'a'\nbatch.size = 7";
        assert_eq!(finished(json).unwrap().spec, finished(toml).unwrap().spec);
        assert_eq!(finished("{\n\"set\": []}").unwrap_err(), "job.toml:2: set: wants a table, not a list");
    }
}
