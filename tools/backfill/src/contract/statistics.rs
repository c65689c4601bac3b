//! Reads what the server counts about statements, and what its sessions do.

use release_postgres::{DatabaseError, Identifier, Session, literal};
use serde::Deserialize;

use super::observation::{Counted, Statistics};
use super::sessions::{Client, shortened};
use super::statements::classify;
use super::subject::Subject;
use super::verdict::Reason;
use crate::catalog;

/// What a role without the right sees instead of a text.
const HIDDEN: &str = "<insufficient privilege>";

/// What was read.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// `None` when the statements cannot be read at all.
    pub(crate) statistics: Option<Statistics>,
    pub(crate) clients: Vec<Client>,
    /// Streaming standbys: what runs there is counted there.
    pub(crate) standbys: i64,
    /// What could not be seen.
    pub(crate) blind: Vec<Reason>,
}

/// What the server can tell.
#[derive(Deserialize)]
struct Means {
    schema: Option<String>,
    has_toplevel: bool,
    info: Option<String>,
    track: Option<String>,
    is_saved: bool,
    computes_ids: bool,
    postmaster_start: String,
    cluster_reset: Option<String>,
    standbys: i64,
}

#[derive(Deserialize)]
struct Info {
    dealloc: i64,
    stats_reset: Option<String>,
}

#[derive(Deserialize)]
struct Row {
    userid: i64,
    dbid: i64,
    queryid: Option<i64>,
    toplevel: bool,
    calls: i64,
    query: Option<String>,
    role: Option<String>,
}

/// Reads it all.
pub(crate) async fn read(session: &mut Session, subject: &Subject) -> Result<Seen, DatabaseError> {
    let means = session.read::<Means>(MEANS).await?.pop();
    let means = means.ok_or_else(|| DatabaseError::Row("no answer about the statistics".to_owned()))?;
    let mut blind = Vec::new();
    if !catalog::server(session).await?.sees_all {
        blind.push(Reason::RightsMissing);
    }
    if means.track.as_deref() == Some("none") || !means.computes_ids {
        blind.push(Reason::TrackingOff);
    }
    let statistics = match &means.schema {
        None => {
            blind.insert(0, Reason::ExtensionMissing);
            None
        }
        Some(schema) => match counted(session, schema, &means, subject, &mut blind).await {
            Ok(statistics) => Some(statistics),
            Err(error) => {
                blind.insert(0, unreadable(error)?);
                None
            }
        },
    };
    let clients = session.read(CLIENTS).await?;
    Ok(Seen { statistics, clients, standbys: means.standbys, blind })
}

/// Why the view cannot be read; an error of another kind is one.
fn unreadable(error: DatabaseError) -> Result<Reason, DatabaseError> {
    match error.sqlstate() {
        Some(code) if code.code() == "55000" => Ok(Reason::ExtensionNotLoaded),
        Some(code) if code.code() == "42501" => Ok(Reason::ExtensionUnreadable),
        _ => Err(error),
    }
}

async fn counted(
    session: &mut Session,
    schema: &str,
    means: &Means,
    subject: &Subject,
    blind: &mut Vec<Reason>,
) -> Result<Statistics, DatabaseError> {
    // Before the statements: what is evicted between the two reads is then missed by neither.
    let info = match &means.info {
        Some(view) => {
            session.read::<Info>(&format!("select dealloc, stats_reset::text from {view}")).await?.pop()
        }
        None => None,
    };
    if info.is_none() {
        blind.push(Reason::ResetTimeMissing);
    }
    let rows: Vec<Row> = session.read(&statements(schema, means, subject)).await?;
    let is_read = |row: &&Row| row.query.as_deref().is_some_and(|text| text != HIDDEN);
    if rows.iter().any(|row| row.query.is_none()) {
        blind.push(Reason::TextsMissing);
    }
    if rows.iter().any(|row| row.query.as_deref() == Some(HIDDEN)) && !blind.contains(&Reason::RightsMissing)
    {
        blind.push(Reason::RightsMissing);
    }
    Ok(Statistics {
        stats_reset: info.as_ref().and_then(|info| info.stats_reset.clone()),
        dealloc: info.map(|info| info.dealloc),
        postmaster_start: means.postmaster_start.clone(),
        cluster_reset: means.cluster_reset.clone(),
        is_saved: means.is_saved,
        statements: rows.iter().filter(is_read).filter_map(|row| row.counted(subject)).collect(),
    })
}

impl Row {
    /// `None` unless it uses the columns, or backs them up.
    fn counted(&self, subject: &Subject) -> Option<Counted> {
        let text = self.query.as_deref()?;
        let class = classify(text, subject).filter(|class| *class != super::subject::Use::NotUsing)?;
        Some(Counted {
            userid: self.userid,
            dbid: self.dbid,
            queryid: self.queryid?,
            toplevel: self.toplevel,
            calls: self.calls,
            class,
            query: shortened(text),
            role: self.role.clone(),
        })
    }
}

/// Statements of this database whose text has the name of the table, or no text.
fn statements(schema: &str, means: &Means, subject: &Subject) -> String {
    let words: Vec<String> =
        subject.tables.iter().map(|table| literal(&table.name.to_lowercase().replace('"', "\"\""))).collect();
    format!(
        "select s.userid::int8, s.dbid::int8, s.queryid, {} as toplevel, s.calls, s.query, r.rolname::text as role \
         from {}.pg_stat_statements s left join pg_roles r on r.oid = s.userid \
         where s.dbid = (select oid from pg_database where datname = current_database()) \
         and (s.query is null or s.query = {} \
         or exists (select from unnest(array[{}]) as table_name (word) where strpos(lower(s.query), word) > 0)) \
         order by 1, 3, 4",
        if means.has_toplevel { "s.toplevel" } else { "true" },
        Identifier::new(schema),
        literal(HIDDEN),
        words.join(", ")
    )
}

const MEANS: &str = "
with extension as (select n.nspname, format('%I.pg_stat_statements', n.nspname) as name
    from pg_extension e join pg_namespace n on n.oid = e.extnamespace where e.extname = 'pg_stat_statements')
select (select nspname::text from extension) as schema,
       exists (select from extension e join pg_attribute a on a.attrelid = to_regclass(e.name)
               where a.attname = 'toplevel') as has_toplevel,
       (select e.name || '_info' from extension e where to_regclass(e.name || '_info') is not null) as info,
       current_setting('pg_stat_statements.track', true) as track,
       coalesce(current_setting('pg_stat_statements.save', true), 'off') = 'on' as is_saved,
       coalesce(current_setting('compute_query_id', true), 'on') <> 'off' as computes_ids,
       pg_postmaster_start_time()::text as postmaster_start,
       (select stats_reset::text from pg_stat_bgwriter) as cluster_reset,
       (select count(*) from pg_stat_replication) as standbys";

const CLIENTS: &str = "
select a.pid::int8, a.application_name, a.usename::text as role, a.backend_start, a.state, a.query,
       octet_length(a.query) >= (select setting::int from pg_settings where name = 'track_activity_query_size') - 1
           as is_cut
from pg_stat_activity a
where a.datname = current_database() and a.pid <> pg_backend_pid()
  and coalesce(a.backend_type, 'client backend') = 'client backend'
order by a.backend_start, a.pid";
