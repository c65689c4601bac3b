//! The tables of a database, and how many rows each has.

use release_postgres::Identifier;
use serde::Deserialize;

use crate::counts::{Counts, TableName, TableRows};
use crate::error::Error;
use crate::server::Server;

/// Tables in one statement: few round trips, and texts that stay small with 100,000 tables.
const AT_ONCE: usize = 100;

/// Those that hold rows and are dumped with them: ordinary tables and partitions, but not what an extension brings.
const TABLES: &str = "select n.nspname as schema, c.relname as table
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind = 'r' and c.relpersistence <> 't' and n.nspname not like 'pg\\_%'
      and n.nspname <> 'information_schema'
      and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid
        and d.deptype = 'e')
    order by 1, 2";

/// The tables of the database, in a transaction of its own.
///
/// # Errors
/// When the server refuses.
pub(crate) async fn list(server: &mut Server) -> Result<Vec<TableName>, Error> {
    server.read("listing tables", TABLES).await
}

/// Keeps tables from being dropped, truncated or rewritten until the open transaction ends.
///
/// # Errors
/// When a lock is not had in time, or the role may not read a table.
pub(crate) async fn lock(server: &mut Server, tables: &[TableName]) -> Result<(), Error> {
    for some in tables.chunks(AT_ONCE) {
        let names: Vec<_> = some.iter().map(quoted).collect();
        let statement = format!("lock table only {} in access share mode", names.join(", only "));
        server.send::<()>("locking tables", &statement).await?;
    }
    Ok(())
}

/// Counts rows within the open transaction. A table whose rows a policy would hide is an error.
///
/// # Errors
/// When the server refuses.
pub(crate) async fn count(server: &mut Server, tables: &[TableName]) -> Result<Counts, Error> {
    #[derive(Deserialize)]
    struct Row {
        number: usize,
        rows: u64,
    }
    let mut counted = Vec::with_capacity(tables.len());
    for some in tables.chunks(AT_ONCE) {
        let one = |(number, name): (usize, &TableName)| {
            format!(
                "select json_build_object('number', {number}, 'rows', count(*))::text from only {}",
                quoted(name)
            )
        };
        let parts: Vec<_> = some.iter().enumerate().map(one).collect();
        let found: Vec<Row> = server.send("counting rows", &parts.join(" union all ")).await?;
        for row in found {
            if let Some(name) = some.get(row.number) {
                counted.push(TableRows { name: name.clone(), rows: row.rows });
            }
        }
    }
    counted.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Counts(counted))
}

/// Deals tables out to so many who count, none of whom gets nothing.
pub(crate) fn shares(tables: &[TableName], count: usize) -> Vec<Vec<TableName>> {
    let mut shares = vec![Vec::new(); count.min(tables.len())];
    for (share, table) in (0..shares.len()).cycle().zip(tables) {
        if let Some(share) = shares.get_mut(share) {
            share.push(table.clone());
        }
    }
    shares
}

fn quoted(name: &TableName) -> String {
    format!("{}.{}", Identifier::new(&name.schema), Identifier::new(&name.table))
}

#[cfg(test)]
mod tests {
    use super::shares;
    use crate::counts::TableName;

    #[test]
    fn every_table_is_dealt_out_once_and_nobody_gets_nothing() {
        let name = |number: usize| TableName { schema: "public".to_owned(), table: number.to_string() };
        for (tables, count, expected) in [(0, 4, vec![]), (3, 8, vec![1, 1, 1]), (7, 2, vec![4, 3])] {
            let tables: Vec<_> = (0..tables).map(name).collect();
            let shares = shares(&tables, count);
            assert_eq!(shares.iter().map(Vec::len).collect::<Vec<_>>(), expected);
            let mut dealt = shares.concat();
            dealt.sort();
            assert_eq!(dealt, tables);
        }
    }
}
