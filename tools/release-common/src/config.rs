//! `slipway.toml`: one file of defaults for all tools. Flag beats environment beats file beats built-in default.
//!
//! `[backfill]` holds the tool's defaults, `[env.PROD.backfill]` overrides them under `--env PROD`; a table within
//! the tool's table is a subcommand's. Keys are the long names of flags. The values become the defaults of the
//! command line's own definition, so they pass the same checks as flags. Unknown keys in the tool's own tables are
//! errors with file and line; other tools' tables are skipped.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgAction, Command};
use thiserror::Error;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A configuration file that could not be used. Nothing has started.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{path}: cannot be read", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{path}:{line}: {reason}", path = path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Counted from one.
        line: usize,
        /// What the parser says.
        reason: String,
    },
    /// A key names no flag.
    #[error("{path}:{line}: unknown key `{key}` in [{table}]", path = path.display())]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// Counted from one.
        line: usize,
        /// The key.
        key: String,
        /// The table it stands in.
        table: String,
    },
    /// A value is not what the flag takes.
    #[error("{path}:{line}: {key}: {reason}", path = path.display())]
    BadValue {
        /// The file.
        path: PathBuf,
        /// Counted from one.
        line: usize,
        /// The key.
        key: String,
        /// What is wrong with the value.
        reason: String,
    },
    /// `--env` names no environment of the file.
    #[error("{path}: has no environment `{name}`", path = path.display())]
    UnknownEnvironment {
        /// The file.
        path: PathBuf,
        /// The environment asked for.
        name: String,
    },
}

/// A default that a file gave, to name its line when the flag's own parser refuses it.
#[derive(Clone, Debug)]
struct Origin {
    key: String,
    line: usize,
}

/// A command line whose defaults come from a file.
pub(crate) struct Configured {
    path: PathBuf,
    origins: Vec<Origin>,
}

/// Reads `path` and makes its values for `command` and `environment` the command's defaults.
pub(crate) fn configure(
    command: Command,
    path: &Path,
    environment: Option<&str>,
) -> Result<(Command, Configured), ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    let reader = Reader { path, text: &text };
    let root = DeTable::parse(&text).map_err(|error| ConfigError::Malformed {
        path: path.to_owned(),
        line: reader.line(error.span().map_or(0, |span| span.start)),
        reason: error.message().to_owned(),
    })?;
    let tool = command.get_name().to_owned();
    let mut tables: Vec<(String, &DeTable<'_>)> = Vec::new();
    if let Some(table) = reader.table(root.get_ref(), &tool)? {
        tables.push((tool.clone(), table));
    }
    if let Some(name) = environment {
        let environments = reader.table(root.get_ref(), "env")?;
        let chosen = environments.map(|all| reader.table(all, name)).transpose()?.flatten();
        let Some(chosen) = chosen else {
            return Err(ConfigError::UnknownEnvironment { path: path.to_owned(), name: name.to_owned() });
        };
        if let Some(table) = reader.table(chosen, &tool)? {
            tables.push((format!("env.{name}.{tool}"), table));
        }
    }
    let mut origins = Vec::new();
    let configured = tables
        .into_iter()
        .try_fold(command, |command, (name, table)| reader.apply(command, &name, table, &mut origins))?;
    Ok((configured, Configured { path: path.to_owned(), origins }))
}

impl Configured {
    /// The line of the file to blame when `error` refuses a value that was not typed in `arguments`.
    pub(crate) fn blame(&self, error: &clap::Error, arguments: &[OsString]) -> Option<ConfigError> {
        if !matches!(error.kind(), ErrorKind::InvalidValue | ErrorKind::ValueValidation) {
            return None;
        }
        let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg) else {
            return None;
        };
        let key = argument.trim_start_matches('-').split([' ', '=']).next()?;
        let flag = format!("--{key}");
        let is_typed = arguments.iter().filter_map(|word| word.to_str()).any(|word| word.starts_with(&flag));
        let origin = self.origins.iter().rev().find(|origin| origin.key == key && !is_typed)?;
        let refused = match error.get(ContextKind::InvalidValue) {
            Some(ContextValue::String(value)) => format!("`{value}` is refused"),
            _ => "the value is refused".to_owned(),
        };
        let reason = std::error::Error::source(error).map_or(refused, ToString::to_string);
        Some(ConfigError::BadValue {
            path: self.path.clone(),
            line: origin.line,
            key: key.to_owned(),
            reason,
        })
    }
}

struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
}

impl<'a> Reader<'a> {
    fn line(&self, offset: usize) -> usize {
        self.text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
    }

    fn table<'t>(&self, parent: &'t DeTable<'a>, name: &str) -> Result<Option<&'t DeTable<'a>>, ConfigError> {
        let Some((key, value)) = parent.iter().find(|(key, _)| key.get_ref() == name) else {
            return Ok(None);
        };
        match value.get_ref() {
            DeValue::Table(table) => Ok(Some(table)),
            _ => Err(self.refuse(name, key.span().start, "must be a table")),
        }
    }

    fn refuse(&self, key: &str, offset: usize, reason: &str) -> ConfigError {
        ConfigError::BadValue {
            path: self.path.to_owned(),
            line: self.line(offset),
            key: key.to_owned(),
            reason: reason.to_owned(),
        }
    }

    fn apply(
        &self,
        command: Command,
        table_name: &str,
        table: &DeTable<'a>,
        origins: &mut Vec<Origin>,
    ) -> Result<Command, ConfigError> {
        table.iter().try_fold(command, |command, (key, value)| {
            let name = key.get_ref().to_string();
            let offset = key.span().start;
            if let (DeValue::Table(inner), Some(_)) = (value.get_ref(), command.find_subcommand(&name)) {
                let inner_name = format!("{table_name}.{name}");
                let configured = self.apply(
                    command.find_subcommand(&name).cloned().unwrap_or_default(),
                    &inner_name,
                    inner,
                    origins,
                )?;
                return Ok(command.mut_subcommand(&name, |_| configured));
            }
            let argument = command.get_arguments().find(|argument| argument.get_long() == Some(&name));
            let is_reserved = ["config", "env", "help", "version", "test-clock"].contains(&name.as_str());
            let Some(argument) = argument.filter(|_| !is_reserved) else {
                let (path, table) = (self.path.to_owned(), table_name.to_owned());
                return Err(ConfigError::UnknownKey { path, line: self.line(offset), key: name, table });
            };
            let id = argument.get_id().clone();
            let takes_values = argument.get_action().takes_values();
            let values = self.values(&name, offset, value, takes_values, argument.get_action())?;
            origins.push(Origin { key: name, line: self.line(offset) });
            Ok(command.mut_arg(id, |argument| argument.required(false).default_values(values)))
        })
    }

    fn values(
        &self,
        key: &str,
        offset: usize,
        value: &Spanned<DeValue<'a>>,
        takes_values: bool,
        action: &ArgAction,
    ) -> Result<Vec<String>, ConfigError> {
        match value.get_ref() {
            DeValue::Array(items) if matches!(action, ArgAction::Append) => items
                .iter()
                .map(|item| scalar(item.get_ref()))
                .collect::<Option<Vec<_>>>()
                .ok_or_else(|| self.refuse(key, offset, "must be a list of plain values")),
            DeValue::Array(_) => Err(self.refuse(key, offset, "takes one value, not a list")),
            DeValue::Boolean(_) if takes_values => {
                Err(self.refuse(key, offset, "takes a value, not true or false"))
            }
            DeValue::String(_) if !takes_values => Err(self.refuse(key, offset, "must be true or false")),
            plain => match scalar(plain) {
                Some(text) => Ok(vec![text]),
                None => Err(self.refuse(key, offset, "must be a plain value")),
            },
        }
    }
}

fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(number.to_string()),
        DeValue::Float(number) => Some(number.to_string()),
        DeValue::Boolean(is_on) => Some(is_on.to_string()),
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
    }
}
