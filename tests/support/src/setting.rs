//! A line of a program's configuration, `NAME=VALUE`.

use std::fmt;
use std::str::FromStr;

use crate::error::Error;

/// A setting of PostgreSQL or PgBouncer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    name: String,
    value: String,
}

impl Setting {
    /// A setting by its name and value.
    pub fn new(name: impl Into<String>, value: impl fmt::Display) -> Self {
        Self { name: name.into(), value: value.to_string() }
    }

    /// As `postgresql.conf` has it: the value in quotes
    /// (<https://www.postgresql.org/docs/15/config-setting.html>, "Parameter Names and Values").
    pub(crate) fn quoted(&self) -> String {
        format!("{} = '{}'\n", self.name, self.value.replace('\'', "''"))
    }

    /// As `pgbouncer.ini` has it: the value to the end of the line.
    pub(crate) fn plain(&self) -> String {
        format!("{} = {}\n", self.name, self.value)
    }
}

impl FromStr for Setting {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text.split_once('=') {
            Some((name, value)) if !name.trim().is_empty() => Ok(Self::new(name.trim(), value.trim())),
            _ => Err(Error::Setting { text: text.to_owned() }),
        }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}={}", self.name, self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_what_it_prints_and_quotes_values() {
        let setting: Setting = "log_line_prefix=it's %p = ".parse().unwrap();
        assert_eq!(setting.to_string().parse::<Setting>().unwrap(), setting);
        assert_eq!(setting.quoted(), "log_line_prefix = 'it''s %p ='\n");
        assert_eq!("fsync".parse::<Setting>().unwrap_err().to_string(), "fsync: a setting is NAME=VALUE");
    }
}
