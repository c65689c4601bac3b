//! What the catalog says about a table, and the way through it that follows from that.
//!
//! Along a key each row is seen once whatever other sessions do, because the key of a row stays while its place moves.
//! Along the blocks each page is read and written once, which a random key would do row by row; rows that move meanwhile
//! are found by another pass. Row comparison follows the PostgreSQL manual, 9.24.5: `(a, b) > (x, y)` is one range of an
//! index only when all its columns run in one direction.

use release_postgres::Identifier;
use serde::{Deserialize, Serialize};

use crate::spec::Order;

/// Below it, neighbors by key lie on pages far apart (`pg_stats.correlation`).
const SCATTERED_BELOW: f64 = 0.5;
/// A table of fewer blocks fits into memory, and its order costs nothing.
const SMALL_BLOCKS: i64 = 4096;
/// The first version with range scans over `ctid`.
const CTID_RANGES_SINCE: u32 = 140_000;

/// The table of a job, as it was when the job was recorded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// Object id; another one means another table under the same name.
    pub oid: i64,
    /// Schema and name, quoted.
    pub name: String,
    /// The name alone, which expressions may use to qualify columns.
    pub alias: Identifier,
    /// The way through it.
    pub walk: Walk,
    /// The new columns.
    pub columns: Vec<Column>,
}

/// The way through a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum Walk {
    /// Along these columns of a unique index.
    Key {
        /// In the order of the index.
        columns: Vec<KeyColumn>,
        /// Whether new rows may lie before the cursor, so that a closing pass must look for them.
        is_scattered: bool,
    },
    /// Along its blocks.
    Ctid {
        /// The file on disk; another one means that the rows were moved as a whole (`VACUUM FULL`, `CLUSTER`).
        file_node: i64,
        /// About how many rows a block holds.
        rows_per_block: u32,
    },
}

/// A column of the key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeyColumn {
    /// Its name.
    pub name: Identifier,
    /// Its type, as a cast takes it.
    pub type_name: String,
    /// The collation of the index, where it is not the column's own.
    pub collation: Option<String>,
}

/// A new column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// Its name.
    pub name: Identifier,
    /// Its number.
    pub number: i64,
    /// Its exact type, with precision or length.
    pub type_name: String,
    /// False for a type whose values are compared as texts: it has no equality, or one of its own kind.
    #[serde(default = "yes")]
    pub has_equality: bool,
}

/// Most types have one.
fn yes() -> bool {
    true
}

/// What the catalog says about a table.
#[derive(Clone, Debug, Deserialize)]
pub struct Table {
    /// Object id.
    pub oid: i64,
    /// Schema, as the catalog spells it.
    pub schema: String,
    /// Name, likewise.
    pub table: String,
    /// `pg_class.relkind`.
    pub kind: String,
    /// Blocks on disk.
    pub blocks: i64,
    /// Rows as last estimated; below zero when never.
    pub rows: f64,
    /// Size without indexes, partitions together.
    pub heap_bytes: i64,
    /// Size of its indexes.
    pub index_bytes: i64,
    /// The file on disk; a partitioned table has none.
    pub file_node: Option<i64>,
    /// Whether the role may read it.
    pub can_select: bool,
    /// Whether row security hides rows from the role.
    pub is_row_secured: bool,
    /// Its columns by number.
    pub columns: Vec<TableColumn>,
    /// Its indexes by name.
    pub indexes: Vec<Index>,
    /// Row triggers that run before an update.
    pub before_update: Vec<String>,
}

/// A column of a table.
#[derive(Clone, Debug, Deserialize)]
pub struct TableColumn {
    /// Name, as the catalog spells it.
    pub name: String,
    /// `pg_attribute.attnum`.
    pub number: i64,
    /// Exact type, with precision or length.
    pub type_name: String,
    /// Whether it is declared so.
    pub is_not_null: bool,
    /// Whether it computes itself.
    pub is_generated: bool,
    /// `generated always as identity`.
    pub is_always_identity: bool,
    /// False for `json` and `xml`, which have no operator for it, and for shapes, whose `=` compares areas.
    pub has_equality: bool,
    /// Whether it decides the partition of a row.
    pub is_partition_key: bool,
    /// Whether the role may update it.
    pub can_update: bool,
    /// Like -1 or 1 when neighbors by value are neighbors on disk; `None` when never analyzed.
    pub correlation: Option<f64>,
}

/// An index of a table.
#[derive(Clone, Debug, Deserialize)]
pub struct Index {
    /// Name.
    pub name: String,
    /// Whether it is the primary key's.
    pub is_primary: bool,
    /// Whether no two rows share a key.
    pub is_unique: bool,
    /// Whether queries may use it: not while or after a failed `create index concurrently`.
    pub is_valid: bool,
    /// Whether uniqueness holds within a transaction as well (not deferrable).
    pub is_immediate: bool,
    /// Whether it covers some rows only.
    pub is_partial: bool,
    /// Whether it is ordered.
    pub is_btree: bool,
    /// Its key columns, without those it merely includes.
    pub columns: Vec<IndexColumn>,
}

/// A column of an index; the name is missing for an expression.
#[derive(Clone, Debug, Deserialize)]
pub struct IndexColumn {
    /// The column's name.
    pub name: Option<String>,
    /// Whether greater values come first.
    pub is_descending: bool,
    /// Whether it is ordered as `<` orders; `text_pattern_ops` is not.
    pub has_default_operators: bool,
    /// The index's collation, where it is not the column's own; quoted.
    pub collation: Option<String>,
}

/// The chosen way, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// The way.
    pub walk: Walk,
    /// A sentence for the plan.
    pub why: String,
}

/// What the choice depends on besides the table.
#[derive(Clone, Copy, Debug)]
pub struct Wishes<'a> {
    /// The order asked for.
    pub order: Order,
    /// The key asked for.
    pub key: Option<&'a [Identifier]>,
    /// `server_version_num`.
    pub server_version: u32,
    /// Whether filling a row twice would be wrong, as in `n = n + 1`.
    pub must_be_once: bool,
}

impl Column {
    /// The type of a value on its way into the column. A cast to `varchar(9)` cuts what is longer without a word, where
    /// assigning refuses it (SQL standard, so PostgreSQL manual 8.3): the length is left to the assignment.
    pub fn assigned_type(&self) -> String {
        for (limited, unlimited) in [("character varying(", "character varying"), ("character(", "bpchar")] {
            let after = self
                .type_name
                .strip_prefix(limited)
                .and_then(|length| length.split_once(')'))
                .map(|(_, a)| a);
            if let Some(after) = after {
                return format!("{unlimited}{after}");
            }
        }
        self.type_name.clone()
    }
}

impl Table {
    /// The column of this name.
    pub fn column(&self, name: &str) -> Option<&TableColumn> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Schema and name, quoted.
    pub fn quoted(&self) -> String {
        format!("{}.{}", Identifier::new(&self.schema), Identifier::new(&self.table))
    }

    /// Whether it is only the roof over its partitions.
    pub fn is_partitioned(&self) -> bool {
        self.kind == "p"
    }

    /// Chooses the way through the table.
    ///
    /// # Errors
    /// Why there is none, as a sentence.
    pub fn choose(&self, wishes: &Wishes<'_>) -> Result<Choice, String> {
        let usable: Vec<(&Index, Vec<KeyColumn>)> = self.usable_keys();
        let key = match wishes.key {
            Some(asked) => Some(self.asked_key(asked, &usable)?),
            None => best_key(&usable),
        };
        let blocks = self.ctid_refusal(wishes);
        let wants_blocks = match (wishes.order, &key) {
            (Order::Ctid, _) => true,
            (Order::Key, None) => return Err(self.no_key()),
            (Order::Key, Some(_)) => false,
            (Order::Auto, None) => true,
            (Order::Auto, Some((_, columns))) => {
                wishes.key.is_none() && blocks.is_none() && self.is_large() && self.is_scattered(columns)
            }
        };
        match (wants_blocks, blocks, key) {
            (true, None, key) => Ok(self.along_blocks(key.is_some(), wishes.order)),
            (true, Some(refusal), None) => Err(format!("{}, and {refusal}", self.no_key())),
            (true, Some(refusal), Some(_)) => Err(refusal),
            (false, _, Some((index, columns))) => Ok(self.along_key(index, columns)),
            (false, _, None) => Err(self.no_key()),
        }
    }

    fn along_key(&self, index: &Index, columns: Vec<KeyColumn>) -> Choice {
        let kind = if index.is_primary { "primary key" } else { "unique index" };
        let names: Vec<String> = columns.iter().map(|column| column.name.name().to_owned()).collect();
        let is_scattered = !is_ascending_by_nature(&columns);
        let why = format!("along the {kind} {} ({})", index.name, names.join(", "));
        Choice { walk: Walk::Key { columns, is_scattered }, why }
    }

    fn along_blocks(&self, has_key: bool, order: Order) -> Choice {
        let why = match (order, has_key) {
            (Order::Ctid, _) => "along the blocks, as asked",
            (_, false) => "along the blocks: there is no unique key to walk along",
            (_, true) => "along the blocks: neighbors by key lie on pages far apart",
        };
        let walk =
            Walk::Ctid { file_node: self.file_node.unwrap_or(0), rows_per_block: self.rows_per_block() };
        Choice { walk, why: why.to_owned() }
    }

    /// As last analyzed; a guess before that.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 1 and 300"
    )]
    fn rows_per_block(&self) -> u32 {
        let known = self.rows / self.blocks.max(1) as f64;
        if self.rows > 0.0 { known.clamp(1.0, 300.0) as u32 } else { 50 }
    }

    fn no_key(&self) -> String {
        format!(
            "{} has no usable key: a valid, immediate unique index over columns that are not null, all in one \
             direction",
            self.quoted()
        )
    }

    /// Why the table cannot be walked by blocks, if it cannot.
    fn ctid_refusal(&self, wishes: &Wishes<'_>) -> Option<String> {
        if wishes.must_be_once {
            return Some(
                "an expression that reads the column it fills needs a key: blocks may be seen twice".into(),
            );
        }
        if self.is_partitioned() {
            return Some("a partitioned table has no blocks of its own: run one job per partition".into());
        }
        (wishes.server_version < CTID_RANGES_SINCE)
            .then(|| "ranges of blocks need PostgreSQL 14 or newer".to_owned())
    }

    fn is_large(&self) -> bool {
        self.blocks >= SMALL_BLOCKS
    }

    fn is_scattered(&self, columns: &[KeyColumn]) -> bool {
        let first = columns.first().and_then(|column| self.column(column.name.name()));
        first.and_then(|column| column.correlation).is_some_and(|known| known.abs() < SCATTERED_BELOW)
    }

    fn usable_keys(&self) -> Vec<(&Index, Vec<KeyColumn>)> {
        self.indexes.iter().filter_map(|index| Some((index, self.key_of(index)?))).collect()
    }

    /// The key that an index gives, if row comparison can walk along it.
    fn key_of(&self, index: &Index) -> Option<Vec<KeyColumn>> {
        let is_fit =
            index.is_unique && index.is_valid && index.is_immediate && index.is_btree && !index.is_partial;
        let direction = index.columns.first()?.is_descending;
        let is_plain = index.columns.iter().all(|column| {
            column.has_default_operators
                && column.is_descending == direction
                && column
                    .name
                    .as_ref()
                    .and_then(|name| self.column(name))
                    .is_some_and(|found| found.is_not_null)
        });
        if !is_fit || !is_plain {
            return None;
        }
        let columns = index.columns.iter().filter_map(|column| {
            let name = column.name.as_ref()?;
            let type_name = self.column(name)?.type_name.clone();
            Some(KeyColumn { name: Identifier::new(name), type_name, collation: column.collation.clone() })
        });
        Some(columns.collect())
    }

    fn asked_key<'a>(
        &self,
        asked: &[Identifier],
        usable: &[(&'a Index, Vec<KeyColumn>)],
    ) -> Result<(&'a Index, Vec<KeyColumn>), String> {
        if let Some(unknown) = asked.iter().find(|name| self.column(name.name()).is_none()) {
            return Err(format!("{} has no column {unknown}", self.quoted()));
        }
        let is_same = |columns: &[KeyColumn]| {
            columns.len() == asked.len() && columns.iter().all(|column| asked.contains(&column.name))
        };
        let found = usable.iter().find(|(_, columns)| is_same(columns));
        found.cloned().ok_or_else(|| {
            let names: Vec<&str> = asked.iter().map(Identifier::name).collect();
            format!("no usable unique index of {} is over exactly ({})", self.quoted(), names.join(", "))
        })
    }
}

/// The primary key, else the unique index of the fewest columns.
fn best_key<'a>(usable: &[(&'a Index, Vec<KeyColumn>)]) -> Option<(&'a Index, Vec<KeyColumn>)> {
    let best =
        usable.iter().min_by_key(|(index, columns)| (!index.is_primary, columns.len(), index.name.clone()));
    best.cloned()
}

/// Whether new keys are larger than old ones, as those of sequences and clocks. Of several columns a leading number is
/// rather somebody else's key, as in (author, post): new rows come between old ones.
fn is_ascending_by_nature(columns: &[KeyColumn]) -> bool {
    let is_number = |name: &str| ["smallint", "integer", "bigint"].contains(&name);
    let is_time = |name: &str| name == "date" || name.starts_with("timestamp") && !name.ends_with("[]");
    match columns {
        [only] => is_number(&only.type_name) || is_time(&only.type_name),
        [first, ..] => is_time(&first.type_name),
        [] => false,
    }
}
