//! The rows of each table, as the snapshot of a backup had them, and as a restore has them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::manifest::RowTotals;

/// A table that holds rows of its own: ordinary tables and partitions, not views, not partitioned or foreign tables.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TableName {
    /// Its schema.
    pub schema: String,
    /// Its name there.
    pub table: String,
}

/// The rows of one table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableRows {
    /// Which.
    #[serde(flatten)]
    pub name: TableName,
    /// How many.
    pub rows: u64,
}

/// The object `counts.json` of a backup: a list of [`TableRows`], sorted by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Counts(pub Vec<TableRows>);

/// A table that was restored with other rows, or not at all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// Which.
    #[serde(flatten)]
    pub name: TableName,
    /// Rows in the snapshot; none if the table was not there.
    pub expected: Option<u64>,
    /// Rows after the restore; none if the table is not there.
    pub found: Option<u64>,
}

impl Counts {
    /// Of what several have counted.
    pub(crate) fn together(parts: Vec<Counts>) -> Counts {
        let mut tables: Vec<_> = parts.into_iter().flat_map(|part| part.0).collect();
        tables.sort_by(|a, b| a.name.cmp(&b.name));
        Counts(tables)
    }

    /// All tables together.
    pub fn totals(&self) -> RowTotals {
        RowTotals { tables: self.0.len() as u64, rows: self.0.iter().map(|table| table.rows).sum() }
    }

    /// Where `found` differs, sorted by name.
    pub fn differences(&self, found: &Counts) -> Vec<Difference> {
        let mut tables: BTreeMap<&TableName, (Option<u64>, Option<u64>)> = BTreeMap::new();
        for table in &self.0 {
            tables.entry(&table.name).or_default().0 = Some(table.rows);
        }
        for table in &found.0 {
            tables.entry(&table.name).or_default().1 = Some(table.rows);
        }
        let differing = tables.into_iter().filter(|(_, (expected, found))| expected != found);
        differing
            .map(|(name, (expected, found))| Difference { name: name.clone(), expected, found })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Counts, TableName, TableRows};

    fn counts(tables: &[(&str, u64)]) -> Counts {
        let row = |(table, rows): &(&str, u64)| {
            let name = TableName { schema: "public".to_owned(), table: (*table).to_owned() };
            TableRows { name, rows: *rows }
        };
        Counts(tables.iter().map(row).collect())
    }

    #[test]
    fn a_missing_an_added_and_a_shorter_table_differ() {
        let (before, after) =
            (counts(&[("a", 1), ("b", 2), ("c", 3)]), counts(&[("b", 2), ("c", 1), ("d", 0)]));
        let found: Vec<_> = before
            .differences(&after)
            .into_iter()
            .map(|difference| (difference.name.table, difference.expected, difference.found))
            .collect();
        let expected = [("a", Some(1), None), ("c", Some(3), Some(1)), ("d", None, Some(0))];
        assert_eq!(found, expected.map(|(table, expected, found)| (table.to_owned(), expected, found)));
        assert_eq!(before.differences(&before), []);
        assert_eq!((before.totals().tables, before.totals().rows), (3, 6));
    }
}
