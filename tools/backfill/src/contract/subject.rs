//! What is asked about: the old columns, by all the names under which statements can reach them.

use serde::{Deserialize, Serialize};

/// A table by its names in the catalog.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Relation {
    pub(crate) schema: String,
    pub(crate) name: String,
}

/// The old columns and their table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subject {
    /// The table, the tables it inherits from and those that inherit from it: all of them hold the column.
    pub(crate) tables: Vec<Relation>,
    /// The old columns.
    pub(crate) columns: Vec<String>,
    /// All columns of the table, in its order.
    pub(crate) row: Vec<String>,
    /// Those of them that are not computed, which is what `pg_dump` copies.
    pub(crate) stored: Vec<String>,
}

impl Subject {
    /// Whether a name means one of the tables. Without a schema the search path decides, which nobody here knows, so
    /// the name alone is enough.
    pub(crate) fn is_table(&self, schema: Option<&str>, name: &str) -> bool {
        self.tables
            .iter()
            .any(|table| table.name == name && schema.is_none_or(|schema| table.schema == schema))
    }

    /// Whether a name means one of the old columns.
    pub(crate) fn is_column(&self, name: &str) -> bool {
        self.columns.iter().any(|column| column == name)
    }

    /// Whether a name means any column of the table, and so not the table's row as a whole.
    pub(crate) fn is_in_row(&self, name: &str) -> bool {
        self.row.iter().any(|column| column == name)
    }
}

/// How a statement uses an old column; the later, the surer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Use {
    /// Not at all.
    NotUsing,
    /// `pg_dump` copies it, and asks the catalog each time what there is to copy.
    Backup,
    /// Nobody here could read the statement, but it names the table.
    Unparsed,
    /// It reads all columns, so the application may need this one.
    Star,
    /// It writes values by their place, so it fails when a column goes.
    InsertWithoutList,
    /// It names the column.
    NamesColumn,
}

impl Use {
    /// Whether the column must stay because of it.
    pub(crate) fn is_use(self) -> bool {
        self > Use::Backup
    }

    /// As a reader is told.
    pub(crate) fn told(self) -> &'static str {
        match self {
            Use::NotUsing => "does not use it",
            Use::Backup => "is a backup, which follows the catalog",
            Use::Unparsed => "names the table and could not be read further",
            Use::Star => "reads all columns",
            Use::InsertWithoutList => "inserts without a column list",
            Use::NamesColumn => "names it",
        }
    }
}
