//! The dual-write trigger as SQL, and what tells that the one in the database is another.
//!
//! Follows the PostgreSQL manual, 43.10 "Trigger Functions" and 39.1 "Overview of Trigger Behavior": triggers of one
//! kind fire in the order of their names, so ours, whose name begins with `zz`, sees what others have made of the row.

use release_postgres::{Identifier, literal};
use serde::Deserialize;

use crate::job::Job;

/// `pg_trigger.tgtype` of `before insert or update for each row`.
const BEFORE_WRITE_OF_ROW: i32 = 1 + 2 + 4 + 16;

/// What is to be in the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Definition {
    table: String,
    /// The trigger's name.
    pub(crate) trigger: Identifier,
    /// The function's name, with its schema.
    pub(crate) function: String,
    body: String,
}

/// What is in the database.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Found {
    /// The body of the function; `None` when there is no such function.
    pub(crate) body: Option<String>,
    /// Whether the function runs as its owner.
    pub(crate) is_security_definer: bool,
    /// `pg_trigger.tgtype`; `None` when there is no such trigger.
    pub(crate) kind: Option<i32>,
    /// Whether it calls our function.
    pub(crate) calls_ours: bool,
    /// Whether it has a condition, or columns, that keep it from firing.
    pub(crate) is_conditional: bool,
    /// Tables, the partitions among them, where it is disabled or fires for replicas only.
    #[serde(default)]
    pub(crate) disabled_on: Vec<String>,
    /// Triggers that fire after it and may change the row again.
    #[serde(default)]
    pub(crate) later: Vec<String>,
}

/// How the two differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Difference {
    /// There is no trigger.
    NoTrigger,
    /// There is no function.
    NoFunction,
    /// The function has another body or other rights.
    Function,
    /// The trigger fires at other times or calls something else.
    Trigger,
    /// The trigger is disabled somewhere.
    Disabled,
}

impl Definition {
    /// The trigger of a job.
    pub(crate) fn of(job: &Job) -> Definition {
        let target = &job.target;
        let alias = &target.alias;
        let values: Vec<String> = job
            .spec
            .set
            .iter()
            .zip(&target.columns)
            .map(|(one, column)| {
                let value = format!("({})::{}", one.expression, column.type_name);
                // Rows that the job is not about keep what the application wrote.
                match &job.spec.scope {
                    Some(scope) => format!("case when {scope} then {value} else {alias}.{} end", column.name),
                    None => value,
                }
            })
            .collect();
        let into: Vec<String> = target.columns.iter().map(|column| format!("new.{}", column.name)).collect();
        let body = format!(
            "\n#variable_conflict use_column\nbegin\n    select {}\n        into {}\n        \
             from (select new.*) as {alias};\n    return new;\nend\n",
            values.join(",\n           "),
            into.join(", ")
        );
        Definition {
            table: target.name.clone(),
            trigger: Identifier::new(format!("zz_backfill_{}", job.id)),
            function: format!("backfill.fill_{}", job.id),
            body,
        }
    }

    /// What is different in the database.
    pub(crate) fn compare(&self, found: &Found) -> Vec<Difference> {
        let mut differences = Vec::new();
        match &found.body {
            None => differences.push(Difference::NoFunction),
            Some(body) if *body != self.body || found.is_security_definer => {
                differences.push(Difference::Function);
            }
            Some(_) => {}
        }
        match found.kind {
            None => differences.push(Difference::NoTrigger),
            Some(kind) if kind != BEFORE_WRITE_OF_ROW || found.is_conditional || !found.calls_ours => {
                differences.push(Difference::Trigger);
            }
            Some(_) if !found.disabled_on.is_empty() => differences.push(Difference::Disabled),
            Some(_) => {}
        }
        differences
    }

    /// The statements that make it so; none when nothing is different.
    pub(crate) fn create(&self, differences: &[Difference]) -> Vec<String> {
        let has = |kind: Difference| differences.contains(&kind);
        let mut statements = Vec::new();
        if has(Difference::NoFunction) || has(Difference::Function) {
            statements.push(self.create_function());
        }
        if has(Difference::Trigger) || has(Difference::Disabled) {
            statements.push(self.drop_trigger());
        }
        if has(Difference::Trigger) || has(Difference::Disabled) || has(Difference::NoTrigger) {
            statements.push(format!(
                "create trigger {} before insert or update on {} for each row execute function {}()",
                self.trigger, self.table, self.function
            ));
        }
        statements
    }

    /// The statements that remove it.
    pub(crate) fn drop(&self) -> Vec<String> {
        vec![self.drop_trigger(), format!("drop function if exists {}()", self.function)]
    }

    fn drop_trigger(&self) -> String {
        format!("drop trigger if exists {} on {}", self.trigger, self.table)
    }

    /// The expressions mean what they meant to whoever created the trigger, whatever the writer's search path.
    fn create_function(&self) -> String {
        let quote = dollar_quote(&self.body);
        format!(
            "create or replace function {}() returns trigger language plpgsql security invoker \
             set search_path from current as {quote}{}{quote}",
            self.function, self.body
        )
    }

    /// Asks for what is in the database; gives a [`Found`].
    pub(crate) fn query(&self) -> String {
        let (table, trigger) = (literal(&self.table), literal(self.trigger.name()));
        let function = literal(&format!("{}()", self.function));
        format!(
            "select p.prosrc as body, coalesce(p.prosecdef, false) as is_security_definer, t.tgtype::int as kind, \
             coalesce(t.tgfoid = p.oid, false) as calls_ours, \
             coalesce(t.tgqual is not null or cardinality(t.tgattr::int2[]) > 0, false) as is_conditional, \
             (select coalesce(json_agg(o.tgrelid::regclass::text order by 1), '[]') from pg_trigger o \
              where o.tgname = {trigger} and o.tgfoid = t.tgfoid and o.tgenabled not in ('O', 'A')) as disabled_on, \
             (select coalesce(json_agg(o.tgname order by o.tgname), '[]') from pg_trigger o \
              where o.tgrelid = to_regclass({table}) and not o.tgisinternal and o.tgname > {trigger} \
              and (o.tgtype & 3) = 3 and (o.tgtype & 20) <> 0 and o.tgenabled in ('O', 'A')) as later \
             from (select) one left join pg_proc p on p.oid = to_regprocedure({function}) \
             left join pg_trigger t on t.tgrelid = to_regclass({table}) and t.tgname = {trigger}"
        )
    }
}

impl Difference {
    /// In words.
    pub(crate) fn told(self, found: &Found) -> String {
        match self {
            Difference::NoTrigger => "there is no trigger".to_owned(),
            Difference::NoFunction => "its function is missing".to_owned(),
            Difference::Function => "its function is not what the job's expressions make".to_owned(),
            Difference::Trigger => "it does not fire before each insert and update of a row".to_owned(),
            Difference::Disabled => format!("it is disabled on {}", found.disabled_on.join(", ")),
        }
    }
}

/// A quote that the text does not hold.
fn dollar_quote(text: &str) -> String {
    let mut quote = "$fill$".to_owned();
    let mut number = 0;
    while text.contains(&quote) {
        number += 1;
        quote = format!("$fill{number}$");
    }
    quote
}
