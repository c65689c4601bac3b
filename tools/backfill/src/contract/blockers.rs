//! What keeps an old column, and the statement that takes each out of the way.
//!
//! `alter table ... drop column` refuses to drop what others need and silently drops what it owns, such as indexes and
//! check constraints (ALTER TABLE, "DROP COLUMN"). Both are told: an index that goes may be missed by a query.

use serde::{Deserialize, Serialize};

use super::subject::Subject;

/// What the catalog says about the old columns.
#[derive(Clone, Debug)]
pub(crate) struct Findings {
    pub(crate) subject: Subject,
    /// Old columns that still exist.
    pub(crate) present: Vec<String>,
    pub(crate) dependents: Vec<Dependent>,
    pub(crate) functions: Vec<Function>,
    pub(crate) triggers: Vec<Trigger>,
}

/// An entry of the catalog that depends on an old column.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Dependent {
    kind: String,
    /// Quoted where it must be.
    name: String,
    on_table: Option<String>,
    /// Whether dropping the column drops it without a word.
    is_automatic: bool,
    /// Whether it belongs to another table.
    is_elsewhere: bool,
    /// Whether it is this tool's.
    is_ours: bool,
}

/// A function whose body is a string.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Function {
    name: String,
    /// `pg_proc.prokind`.
    kind: String,
    language: String,
    body: String,
    /// Whether a row of the table may come in or go out.
    takes_row: bool,
}

/// A trigger of the table with its function.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Trigger {
    name: String,
    on_table: String,
    function: String,
    language: String,
    body: String,
    /// The job whose trigger it is, where it is one of this tool's.
    job: Option<String>,
    is_ours: bool,
    /// What `create trigger` passes to the function, which may be the name of a column.
    arguments: String,
}

/// Something that must go before the column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Blocker {
    pub(crate) kind: &'static str,
    pub(crate) name: String,
    #[serde(rename = "table")]
    pub(crate) on_table: Option<String>,
    /// False where only the words of a body say so.
    pub(crate) is_certain: bool,
    /// Whether `drop column` takes it along silently instead of failing.
    pub(crate) goes_along: bool,
    /// The statement or command that removes it.
    pub(crate) removal: String,
}

/// All blockers, each once.
pub(crate) fn blockers(found: &Findings, job: &str) -> Vec<Blocker> {
    let Findings { subject, dependents, functions, triggers, .. } = found;
    let known = dependents.iter().map(|dependent| from_catalog(dependent, job));
    let by_trigger =
        triggers.iter().filter(|trigger| trigger.may_use(subject)).map(|trigger| trigger.blocker(job));
    let is_attached = |function: &Function| triggers.iter().any(|trigger| trigger.function == function.name);
    let by_words = functions
        .iter()
        .filter(|function| !is_attached(function) && function.may_use(subject))
        .map(Function::blocker);
    let mut all: Vec<Blocker> = Vec::new();
    for blocker in known.chain(by_trigger).chain(by_words) {
        let is_told = all.iter().any(|other| {
            other.name == blocker.name && other.on_table == blocker.on_table && {
                other.kind == blocker.kind || (other.kind == "trigger" && blocker.kind == "trigger_function")
            }
        });
        if !is_told {
            all.push(blocker);
        }
    }
    all
}

fn from_catalog(dependent: &Dependent, job: &str) -> Blocker {
    let Dependent { name, .. } = dependent;
    let table = dependent.on_table.as_deref().unwrap_or_default();
    let constraint = || format!("ALTER TABLE {table} DROP CONSTRAINT {name}");
    let (kind, removal) = match dependent.kind.as_str() {
        "constraint_c" => ("check_constraint", constraint()),
        "constraint_p" => ("primary_key", constraint()),
        "constraint_u" => ("unique_constraint", constraint()),
        "constraint_x" => ("exclusion_constraint", constraint()),
        "constraint_f" if dependent.is_elsewhere => ("referencing_foreign_key", constraint()),
        "constraint_f" => ("foreign_key", constraint()),
        "relation_i" | "relation_I" => ("index", format!("DROP INDEX {name}")),
        "relation_v" => ("view", format!("DROP VIEW {name}")),
        "relation_m" => ("materialized_view", format!("DROP MATERIALIZED VIEW {name}")),
        "generated_column" => ("generated_column", format!("ALTER TABLE {table} DROP COLUMN {name}")),
        "default" => ("default", format!("ALTER TABLE {table} ALTER COLUMN {name} DROP DEFAULT")),
        "rule" => ("rule", format!("DROP RULE {name} ON {table}")),
        "trigger" if dependent.is_ours => ("dual_write_trigger", format!("backfill trigger drop {job}")),
        "trigger" => ("trigger", format!("DROP TRIGGER {name} ON {table}")),
        "policy" => ("policy", format!("DROP POLICY {name} ON {table}")),
        "statistics" => ("statistics", format!("DROP STATISTICS {name}")),
        "publication" => ("publication", format!("ALTER PUBLICATION {name} DROP TABLE {table}")),
        "function" => ("function", format!("DROP FUNCTION {name}")),
        "procedure" => ("procedure", format!("DROP PROCEDURE {name}")),
        "aggregate" => ("aggregate", format!("DROP AGGREGATE {name}")),
        "partition_key" => ("partition_key", format!("create {table} anew with another PARTITION BY")),
        "inherited_column" => ("inherited_column", format!("ALTER TABLE {table} DROP COLUMN {name}")),
        _ => ("other", format!("look at {name}")),
    };
    Blocker {
        kind,
        name: name.clone(),
        on_table: dependent.on_table.clone(),
        is_certain: true,
        goes_along: dependent.is_automatic && !dependent.is_elsewhere && kind != "partition_key",
        removal,
    }
}

impl Function {
    /// A body that names the column reaches it only through the table, a row, or a statement made of strings.
    fn may_use(&self, subject: &Subject) -> bool {
        let names_table = || subject.tables.iter().any(|table| has_word(&self.body, &table.name));
        let is_dynamic =
            || !["sql", "plpgsql"].contains(&self.language.as_str()) || has_word(&self.body, "execute");
        names_column(&self.body, subject) && (self.takes_row || names_table() || is_dynamic())
    }

    fn blocker(&self) -> Blocker {
        let word = if self.kind == "p" { "PROCEDURE" } else { "FUNCTION" };
        Blocker {
            kind: "function_body",
            name: self.name.clone(),
            on_table: None,
            is_certain: false,
            goes_along: false,
            removal: format!("CREATE OR REPLACE {word} without the column, or DROP {word} {}", self.name),
        }
    }
}

impl Trigger {
    fn may_use(&self, subject: &Subject) -> bool {
        names_column(&self.body, subject) || names_column(&self.arguments, subject)
    }

    fn blocker(&self, job: &str) -> Blocker {
        let (kind, removal) = if self.is_ours {
            ("dual_write_trigger", format!("backfill trigger drop {}", self.job.as_deref().unwrap_or(job)))
        } else {
            let name = &self.name;
            let removal = format!(
                "DROP TRIGGER {name} ON {}, or replace {} ({})",
                self.on_table, self.function, self.language
            );
            ("trigger_function", removal)
        };
        Blocker {
            kind,
            name: self.name.clone(),
            on_table: Some(self.on_table.clone()),
            is_certain: self.is_ours,
            goes_along: false,
            removal,
        }
    }
}

fn names_column(text: &str, subject: &Subject) -> bool {
    subject.columns.iter().any(|column| has_word(text, column))
}

/// Whether a text holds a name that is not part of a longer one, in whatever case: SQL folds what is not quoted.
fn has_word(text: &str, name: &str) -> bool {
    let (text, name) = (text.to_lowercase(), name.to_lowercase());
    let is_inner = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == '$';
    text.match_indices(&name).any(|(start, found)| {
        let before = text.get(..start).and_then(|before| before.chars().next_back());
        let after = text.get(start + found.len()..).and_then(|after| after.chars().next());
        !before.is_some_and(is_inner) && !after.is_some_and(is_inner)
    })
}
