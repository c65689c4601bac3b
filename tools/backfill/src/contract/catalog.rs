//! Reads from the catalog what depends on the old columns, and who could use them without the catalog knowing.
//!
//! The walk follows the PostgreSQL manual, 53.18 "pg_depend": from a column to what depends on it, from the rule of a view
//! to the view, from a generated column to what depends on that. Bodies that are plain strings have no dependencies,
//! so functions and triggers are read as a whole and judged by their words.

use release_postgres::{DatabaseError, Identifier, Session, literal};
use serde::Deserialize;

use super::blockers::Findings;
use super::subject::{Relation, Subject};
use crate::job::Job;

#[derive(Deserialize)]
struct Shape {
    oid: Option<i64>,
    tables: Vec<Relation>,
    row: Vec<String>,
    stored: Vec<String>,
}

/// Reads it all for `columns` of the table of `job`.
pub(crate) async fn read(
    session: &mut Session,
    job: &Job,
    columns: &[Identifier],
) -> Result<Findings, DatabaseError> {
    let columns: Vec<String> = columns.iter().map(|column| column.name().to_owned()).collect();
    let names = columns.iter().map(|name| literal(name)).collect::<Vec<_>>().join(", ");
    let fill = |query: &str, oid: i64| {
        query
            .replace("{tree}", TREE)
            .replace("{oid}", &oid.to_string())
            .replace("{name}", &literal(&job.target.name))
            .replace("{columns}", &names)
    };
    let shape = session.read::<Shape>(&fill(SHAPE, job.target.oid)).await?.pop();
    let shape = shape.ok_or_else(|| DatabaseError::Row("no answer about the table".to_owned()))?;
    // A table that was dropped took everything with it that the catalog knew; functions may still name it.
    let oid = shape.oid.unwrap_or(0);
    let tables = if shape.tables.is_empty() { vec![named(job)] } else { shape.tables };
    let present = columns.iter().filter(|name| shape.row.contains(name)).cloned().collect();
    Ok(Findings {
        subject: Subject { tables, columns, row: shape.row, stored: shape.stored },
        present,
        dependents: session.read(&fill(DEPENDENTS, oid)).await?,
        functions: session.read(&fill(FUNCTIONS, oid)).await?,
        triggers: session.read(&fill(TRIGGERS, oid)).await?,
    })
}

/// The table as the job knew it.
fn named(job: &Job) -> Relation {
    let schema = job.spec.table.schema.as_ref().map_or("public", Identifier::name);
    Relation { schema: schema.to_owned(), name: job.spec.table.table.name().to_owned() }
}

/// The table and all that inherit from it: they lose the column with it.
const TREE: &str = "tree (oid) as (select {oid}::oid union select i.inhrelid from pg_inherits i join tree on i.inhparent = tree.oid)";

const SHAPE: &str = "
with recursive root as (select coalesce((select oid from pg_class where oid = {oid}), to_regclass({name})::oid) as oid),
     down (oid) as (select oid from root union select i.inhrelid from pg_inherits i join down on i.inhparent = down.oid),
     up (oid) as (select oid from root union select i.inhparent from pg_inherits i join up on i.inhrelid = up.oid),
     family as (select oid from down union select oid from up)
select (select oid::int8 from root) as oid,
       (select coalesce(json_agg(json_build_object('schema', n.nspname, 'name', c.relname) order by n.nspname, c.relname), '[]')
        from family join pg_class c on c.oid = family.oid join pg_namespace n on n.oid = c.relnamespace) as tables,
       (select coalesce(json_agg(a.attname order by a.attnum), '[]') from pg_attribute a, root
        where a.attrelid = root.oid and a.attnum > 0 and not a.attisdropped) as row,
       (select coalesce(json_agg(a.attname order by a.attnum), '[]') from pg_attribute a, root
        where a.attrelid = root.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = '') as stored";

const DEPENDENTS: &str = include_str!("dependents.sql");

const FUNCTIONS: &str = "
with recursive {tree},
     types as (select c.reltype as oid from tree join pg_class c on c.oid = tree.oid
               union select t.typarray from tree join pg_class c on c.oid = tree.oid join pg_type t on t.oid = c.reltype)
select format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)) as name,
       p.prokind::text as kind, l.lanname::text as language, p.prosrc as body,
       exists (select from unnest(p.proargtypes::oid[] || p.prorettype || coalesce(p.proallargtypes, '{}')) as of (type)
               where of.type in (select oid from types)
                  or of.type in ('record'::regtype, 'anyelement'::regtype, 'anyarray'::regtype)) as takes_row
from pg_proc p join pg_namespace n on n.oid = p.pronamespace join pg_language l on l.oid = p.prolang
where l.lanname not in ('c', 'internal') and n.nspname not in ('pg_catalog', 'information_schema', 'backfill')
  and n.nspname !~ '^pg_t'
  and exists (select from unnest(array[{columns}]) as old (name) where strpos(lower(p.prosrc), lower(old.name)) > 0)
  and not exists (select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')
order by 1";

const TRIGGERS: &str = "
with recursive {tree}
select quote_ident(t.tgname) as name, format('%I.%I', tn.nspname, c.relname) as on_table,
       format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)) as function,
       l.lanname::text as language, p.prosrc as body, n.nspname = 'backfill' as is_ours,
       (select j.name from backfill.job j where t.tgname = 'zz_backfill_' || j.id) as job, encode(t.tgargs, 'escape') as arguments
from tree join pg_trigger t on t.tgrelid = tree.oid join pg_class c on c.oid = t.tgrelid
     join pg_namespace tn on tn.oid = c.relnamespace join pg_proc p on p.oid = t.tgfoid
     join pg_namespace n on n.oid = p.pronamespace join pg_language l on l.oid = p.prolang
where not t.tgisinternal and t.tgparentid = 0 and l.lanname not in ('c', 'internal')
order by 2, 1";
