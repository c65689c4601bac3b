//! Reads what the catalog says: the server, the table with its columns, keys and triggers.

use release_postgres::{DatabaseError, Session, literal};
use serde::Deserialize;

use crate::target::Table;

/// The server and who we are on it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Server {
    /// `server_version_num`.
    pub(crate) version_num: u32,
    /// The version as people write it.
    pub(crate) version: String,
    /// Identifies the cluster, standbys included; `None` when it may not be asked.
    pub(crate) system_identifier: Option<String>,
    /// Whether it is a standby.
    pub(crate) is_standby: bool,
    /// Whether the role sees what other sessions do.
    pub(crate) sees_all: bool,
    /// Whether the schema of our state is there.
    pub(crate) has_state: bool,
    /// Whether the role may create it.
    pub(crate) may_create: bool,
    /// The role.
    pub(crate) role: String,
    /// Whether autovacuum is on.
    pub(crate) autovacuum: bool,
}

const SERVER: &str = "
select current_setting('server_version_num')::int as version_num,
       split_part(current_setting('server_version'), ' ', 1) as version,
       case when has_function_privilege('pg_catalog.pg_control_system()', 'execute')
            then (select system_identifier::text from pg_control_system()) end as system_identifier,
       pg_is_in_recovery() as is_standby,
       coalesce((select rolsuper from pg_roles where rolname = current_user), false)
           or pg_has_role(current_user, 'pg_read_all_stats', 'usage') as sees_all,
       to_regclass('backfill.layout') is not null as has_state,
       has_database_privilege(current_database(), 'create') as may_create,
       current_user::text as role,
       current_setting('autovacuum')::bool as autovacuum";

/// Asks the server about itself.
///
/// # Errors
/// Those of the session.
pub(crate) async fn server(session: &mut Session) -> Result<Server, DatabaseError> {
    let mut found = session.read::<Server>(SERVER).await?;
    found.pop().ok_or_else(|| DatabaseError::Row("the server says nothing about itself".to_owned()))
}

/// Asks for a table; `None` when there is none of this name. `name` is quoted where it must be.
///
/// # Errors
/// Those of the session.
pub(crate) async fn table(session: &mut Session, name: &str) -> Result<Option<Table>, DatabaseError> {
    Ok(session.read::<Table>(&table_query(name)).await?.pop())
}

/// Asks for a table; gives a [`Table`].
pub(crate) fn table_query(name: &str) -> String {
    TABLE.replace("{name}", &literal(name))
}

const TABLE: &str = "
select c.oid::int8 as oid, n.nspname::text as schema, c.relname::text as table, c.relkind::text as kind,
       case when c.relkind = 'p' then (select coalesce(sum(pg_relation_size(relid)), 0) from pg_partition_tree(c.oid))
                 / current_setting('block_size')::int8
            else coalesce(nullif(c.relpages, 0), pg_relation_size(c.oid) / current_setting('block_size')::int8)
            end::int8 as blocks,
       case when c.relkind = 'p' then (select coalesce(sum(l.reltuples), 0) from pg_partition_tree(c.oid) t
                 join pg_class l on l.oid = t.relid where t.isleaf and l.reltuples > 0)
            else c.reltuples end::float8 as rows,
       case when c.relkind = 'p' then (select coalesce(sum(pg_table_size(relid)), 0) from pg_partition_tree(c.oid))
            else pg_table_size(c.oid) end::int8 as heap_bytes,
       case when c.relkind = 'p' then (select coalesce(sum(pg_indexes_size(relid)), 0) from pg_partition_tree(c.oid))
            else pg_indexes_size(c.oid) end::int8 as index_bytes,
       pg_relation_filenode(c.oid)::int8 as file_node,
       has_table_privilege(c.oid, 'select') as can_select,
       row_security_active(c.oid) as is_row_secured,
       (select json_agg(json_build_object(
            'name', a.attname, 'number', a.attnum, 'type_name', format_type(a.atttypid, a.atttypmod),
            'is_not_null', a.attnotnull, 'is_generated', a.attgenerated <> '',
            'is_always_identity', a.attidentity = 'a',
            'is_partition_key', exists (select from pg_partition_tree(c.oid) t
                join pg_attribute k on k.attrelid = t.relid and k.attname = a.attname
                join pg_depend d on d.classid = 'pg_class'::regclass and d.objid = k.attrelid
                    and d.objsubid = k.attnum and d.refclassid = d.classid and d.refobjid = k.attrelid
                    and d.refobjsubid = 0 and d.deptype = 'i'),
            'has_equality', (select base.typcategory <> 'G' and base.typname not in ('json', 'xml') from pg_type own
                join pg_type item on item.oid = case when own.typcategory = 'A' then own.typelem else own.oid end
                join pg_type base on base.oid = coalesce(nullif(item.typbasetype, 0), item.oid)
                where own.oid = a.atttypid),
            'can_update', has_column_privilege(c.oid, a.attnum, 'update'),
            'correlation', (select max(s.correlation) from pg_stats s where s.schemaname = n.nspname
                and s.tablename = c.relname and s.attname = a.attname)) order by a.attnum)
        from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns,
       coalesce((select json_agg(json_build_object(
            'name', ic.relname, 'is_primary', i.indisprimary, 'is_unique', i.indisunique,
            'is_valid', i.indisvalid and i.indisready, 'is_immediate', i.indimmediate,
            'is_partial', i.indpred is not null, 'is_btree', am.amname = 'btree',
            'columns', (select json_agg(json_build_object(
                'name', a.attname, 'is_descending', (i.indoption[k.place - 1] & 1) = 1,
                'has_default_operators', oc.opcdefault,
                'collation', case when i.indcollation[k.place - 1] not in (0, a.attcollation)
                    then (select format('%I.%I', cn.nspname, co.collname) from pg_collation co
                          join pg_namespace cn on cn.oid = co.collnamespace
                          where co.oid = i.indcollation[k.place - 1]) end) order by k.place)
                from unnest(i.indkey::int2[]) with ordinality k (number, place)
                join pg_opclass oc on oc.oid = i.indclass[k.place - 1]
                left join pg_attribute a on a.attrelid = c.oid and a.attnum = k.number and k.number > 0
                where k.place <= i.indnkeyatts)) order by ic.relname)
        from pg_index i join pg_class ic on ic.oid = i.indexrelid join pg_am am on am.oid = ic.relam
        where i.indrelid = c.oid), '[]') as indexes,
       coalesce((select json_agg(distinct t.tgname) from pg_trigger t
        where (t.tgrelid = c.oid or t.tgrelid in (select relid from pg_partition_tree(c.oid))) and not t.tgisinternal and t.tgenabled in ('O', 'A')
          and (t.tgtype & 1) = 1 and (t.tgtype & 2) = 2 and (t.tgtype & 16) = 16), '[]') as before_update
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.oid = to_regclass({name})";
