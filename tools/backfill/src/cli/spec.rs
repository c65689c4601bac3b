//! The flags that say what to fill with what.

use std::path::PathBuf;

use clap::Args;
use release_postgres::{Identifier, NameError, TableName};

use crate::spec::{Assignment, Draft, Duty, Place, When};

/// What to fill with what. A file and flags may be mixed; flags win.
#[derive(Args, Clone, Debug)]
pub struct SpecArgs {
    /// Specification in TOML or JSON, - for stdin
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Name of the job; alone it means the job recorded earlier
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Table to fill
    #[arg(long, value_name = "TABLE")]
    pub table: Option<TableName>,
    /// Column to fill and the SQL expression to fill it with; repeatable
    #[arg(long, value_name = "COLUMN=EXPRESSION", value_parser = assignment)]
    pub set: Vec<Assignment>,
    /// Old column, for the trigger and the contract check; repeatable
    #[arg(long, value_name = "COLUMN")]
    pub source: Vec<Identifier>,
    /// SQL condition: which rows the job is about at all
    #[arg(long, value_name = "CONDITION")]
    pub scope: Option<String>,
    /// SQL condition: which rows still need it [default: those that differ]
    #[arg(long = "where", value_name = "CONDITION")]
    pub condition: Option<String>,
    /// Column of the unique key to walk along; repeat it for a key of several
    #[arg(long, value_name = "COLUMN")]
    pub key: Vec<Identifier>,
    /// Hours to work in, or `always` [default: 02:00-05:00 Asia/Seoul]
    #[arg(long, value_name = "WINDOW")]
    pub window: Option<When>,
    /// Most rows per transaction [default: 1000; 250 with several workers]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    pub batch_size: Option<u32>,
    /// Share of the time that a worker works [default: 0.5]
    #[arg(long, value_name = "SHARE")]
    pub duty: Option<Duty>,
    /// Workers of this process [default: 1]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub workers: Option<u32>,
}

impl SpecArgs {
    /// What the flags say, before any file.
    pub fn draft(&self) -> Draft {
        let flag = |name: &'static str| move || Place::Flag(name.to_owned());
        let mut draft = Draft::default();
        draft.name.offer(self.name.clone(), flag("name"));
        draft.table.offer(self.table.clone(), flag("table"));
        draft.set.offer(given(&self.set), flag("set"));
        draft.set_places = self.set.iter().map(|_| Place::Flag("set".to_owned())).collect();
        draft.source.offer(given(&self.source), flag("source"));
        draft.scope.offer(self.scope.clone(), flag("scope"));
        draft.condition.offer(self.condition.clone(), flag("where"));
        draft.key.offer(given(&self.key), flag("key"));
        draft.window.offer(self.window.clone(), flag("window"));
        draft.size.offer(self.batch_size, flag("batch-size"));
        draft.duty.offer(self.duty, flag("duty"));
        draft.workers.offer(self.workers, flag("workers"));
        draft
    }
}

fn given<T: Clone>(values: &[T]) -> Option<Vec<T>> {
    (!values.is_empty()).then(|| values.to_vec())
}

/// `column=expression`; the expression may hold equal signs of its own.
fn assignment(text: &str) -> Result<Assignment, String> {
    let Some((column, expression)) = text.split_once('=') else {
        return Err(format!("`{text}` is not COLUMN=EXPRESSION"));
    };
    if expression.trim().is_empty() {
        return Err(format!("`{text}` has no expression"));
    }
    let column = column.trim().parse().map_err(|error: NameError| error.to_string())?;
    Ok(Assignment { column, expression: expression.trim().to_owned() })
}
