//! What the server that a backup is restored into tells of itself and of the databases in question.

use release_postgres::{Database, literal};
use serde::Deserialize;

use super::decision::{DatabaseFacts, ServerFacts};
use super::mark::beside;
use crate::error::Error;
use crate::layout::BackupId;
use crate::server::Server;

/// What keeps a database from being empty. What belongs to an extension is the extension's.
const CONTENT: &str = "select what from (
    select 'table ' || c.oid::regclass as what from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where c.relkind in ('r', 'p', 'f', 'v', 'm', 'S') and n.nspname not like 'pg\\_%'
        and n.nspname <> 'information_schema' and not exists (select from pg_depend d
          where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
    union all select 'schema ' || nspname from pg_namespace
      where nspname not like 'pg\\_%' and nspname not in ('public', 'information_schema')
    union all select 'function ' || p.oid::regprocedure from pg_proc p join pg_namespace n on n.oid = p.pronamespace
      where n.nspname not like 'pg\\_%' and n.nspname <> 'information_schema' and not exists (select from pg_depend d
        where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')
    union all select 'type ' || t.oid::regtype from pg_type t join pg_namespace n on n.oid = t.typnamespace
      where t.typtype in ('e', 'd', 'r') and n.nspname not like 'pg\\_%' and n.nspname <> 'information_schema'
        and not exists (select from pg_depend d
          where d.classid = 'pg_type'::regclass and d.objid = t.oid and d.deptype = 'e')
    union all select 'extension ' || extname from pg_extension where extname <> 'plpgsql'
    union all select 'large object ' || oid from pg_largeobject_metadata
    union all select 'publication ' || pubname from pg_publication
    union all select 'foreign server ' || srvname from pg_foreign_server
    union all select 'event trigger ' || evtname from pg_event_trigger) content limit 6";

/// The database that is connected to while others are made and renamed: any but the target.
///
/// # Errors
/// When none can be reached.
pub(super) async fn maintenance(given: &Database, target: &str) -> Result<Server, Error> {
    let names = ["postgres", given.database(), "template1"];
    let mut failure = None;
    for name in names.into_iter().filter(|name| *name != target) {
        match Server::connect(given.with_database(name)).await {
            Ok(server) => return Ok(server),
            // The first one says best what is wrong with the server.
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    Err(failure.unwrap_or(Error::Source { reason: "there is no database to connect to".to_owned() }))
}

/// Asks the server.
///
/// # Errors
/// When it does not answer.
pub(super) async fn ask(server: &mut Server, target: &str, id: &BackupId) -> Result<ServerFacts, Error> {
    #[derive(Deserialize)]
    struct Row {
        system_id: String,
        server_version: u32,
        lock_slots: u64,
        databases: Vec<String>,
        extensions: Vec<String>,
        roles: Vec<String>,
    }
    let query = "select (select system_identifier::text from pg_control_system()) as system_id,
        current_setting('server_version_num')::int as server_version,
        current_setting('max_locks_per_transaction')::bigint * current_setting('max_connections')::bigint
          as lock_slots,
        (select coalesce(json_agg(datname), '[]') from pg_database) as databases,
        (select coalesce(json_agg(name), '[]') from pg_available_extensions) as extensions,
        (select coalesce(json_agg(rolname), '[]') from pg_roles) as roles";
    let rows: Vec<Row> = server.read("asking the server", query).await?;
    let Some(row) = rows.into_iter().next() else { return Ok(ServerFacts::default()) };
    let aside = beside(target, "restore", id, 1);
    Ok(ServerFacts {
        target: database(server, target, &row.databases).await?,
        aside: database(server, &aside, &row.databases).await?,
        server_version: row.server_version,
        system_id: row.system_id,
        lock_slots: row.lock_slots,
        databases: row.databases,
        extensions: row.extensions,
        roles: row.roles,
    })
}

async fn database(
    server: &mut Server,
    name: &str,
    databases: &[String],
) -> Result<Option<DatabaseFacts>, Error> {
    #[derive(Deserialize)]
    struct Row {
        comment: Option<String>,
    }
    #[derive(Deserialize)]
    struct Thing {
        what: String,
    }
    if !databases.iter().any(|database| database == name) {
        return Ok(None);
    }
    let sessions = sessions(server, name).await?;
    let query = format!(
        "select shobj_description(oid, 'pg_database') as comment from pg_database where datname = {}",
        literal(name)
    );
    let found: Vec<Row> = server.read("asking for a comment", &query).await?;
    let comment = found.into_iter().next().and_then(|row| row.comment);
    let mut inside = Server::connect(server.database.with_database(name)).await?;
    let content: Vec<Thing> = inside.read("looking into the database", CONTENT).await?;
    let content = content.into_iter().map(|thing| thing.what).collect();
    Ok(Some(DatabaseFacts { comment, content, sessions }))
}

/// Who is connected to a database.
///
/// # Errors
/// When the server does not answer.
pub(super) async fn sessions(server: &mut Server, name: &str) -> Result<Vec<String>, Error> {
    #[derive(Deserialize)]
    struct Row {
        who: String,
    }
    let query = format!(
        "select concat(usename, ' by ', coalesce(nullif(application_name, ''), 'an unnamed program'), ' from ',
           coalesce(host(client_addr), 'this machine'), ' (pid ', pid, ')') as who
         from pg_stat_activity where datname = {} and backend_type = 'client backend' order by pid",
        literal(name)
    );
    let found: Vec<Row> = server.read("listing sessions", &query).await?;
    Ok(found.into_iter().map(|row| row.who).collect())
}
