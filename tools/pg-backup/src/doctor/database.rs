//! Whether the server can be asked and dumped, what time it has, and whether it archives WAL.

use jiff::{SignedDuration, Timestamp};
use release_common::Failure;
use serde::Deserialize;

use super::finding::Finding;
use super::store::seconds;
use crate::answer;
use crate::cli::ConnectArgs;
use crate::error::Error;
use crate::server::{Facts, Server};

/// As for the store.
const SKEW: SignedDuration = SignedDuration::from_mins(5);

/// What this role may, and how WAL is archived.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Rights {
    role: String,
    is_superuser: bool,
    reads_everything: bool,
    may_replicate: bool,
    /// Tables that it may not read.
    unreadable: i64,
    /// One of them.
    example: Option<String>,
    archive_mode: String,
    archive_timeout_s: i64,
    wal_level: String,
    failed_count: i64,
    is_failing: bool,
    last_failed_wal: Option<String>,
    /// Relations with row security that does not let this role pass.
    secured: i64,
}

const RIGHTS: &str = "select current_user::text as role,
    (select rolsuper from pg_roles where rolname = current_user) as is_superuser,
    coalesce((select pg_has_role(current_user, oid, 'usage') from pg_roles where rolname = 'pg_read_all_data'), false)
      as reads_everything,
    (select rolsuper or rolreplication from pg_roles where rolname = current_user) as may_replicate,
    (select count(*) from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where c.relkind in ('r', 'p', 'm', 'S') and c.oid >= 16384 and n.nspname !~ '^pg_'
        and not (has_schema_privilege(n.oid, 'usage') and case c.relkind when 'S'
          then has_sequence_privilege(c.oid, 'select') else has_table_privilege(c.oid, 'select') end)) as unreadable,
    (select min(c.oid::regclass::text) from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where c.relkind in ('r', 'p', 'm') and c.oid >= 16384 and n.nspname !~ '^pg_'
        and not (has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select'))) as example,
    current_setting('archive_mode') as archive_mode,
    (select setting::bigint from pg_settings where name = 'archive_timeout') as archive_timeout_s,
    current_setting('wal_level') as wal_level,
    coalesce((select failed_count from pg_stat_archiver), 0) as failed_count,
    coalesce((select last_failed_time > coalesce(last_archived_time, '-infinity') from pg_stat_archiver), false)
      as is_failing,
    (select last_failed_wal from pg_stat_archiver) as last_failed_wal,
    (select count(*) from pg_class c where c.relkind in ('r', 'p') and c.relrowsecurity
      and not (select rolsuper or rolbypassrls from pg_roles where rolname = current_user)
      and (c.relforcerowsecurity or not pg_has_role(current_user, c.relowner, 'usage'))) as secured";

/// Looks; none when the server cannot be asked for a reason that waiting does not mend.
///
/// # Errors
/// When it cannot be reached.
pub(super) async fn look(
    args: &ConnectArgs,
    now: Timestamp,
    findings: &mut Vec<Finding>,
) -> Result<Option<(Facts, Rights)>, Error> {
    match ask(args).await {
        Ok((facts, rights)) => {
            let version = facts.server_version / 10_000;
            let text = format!("PostgreSQL {version}, database {}", facts.database);
            findings.push(Finding::ok("database", text));
            findings.push(clock(facts.now.duration_since(now)));
            findings.extend(rights.reading());
            findings.push(rights.replication());
            findings.push(rights.archive());
            Ok(Some((facts, rights)))
        }
        Err(error) if error.exit() == release_common::Exit::Temporary => Err(error),
        Err(error) => {
            let hint = error.hint().unwrap_or_default();
            findings.push(Finding::fail("database", answer::with_causes(&error), hint));
            Ok(None)
        }
    }
}

async fn ask(args: &ConnectArgs) -> Result<(Facts, Rights), Error> {
    let mut server = Server::open(args).await?;
    let facts = server.facts().await?;
    let rights: Vec<Rights> = server.read("asking what this role may do", RIGHTS).await?;
    let absent = || Error::Source { reason: "the server tells nothing of this role".to_owned() };
    Ok((facts, rights.into_iter().next().ok_or_else(absent)?))
}

fn clock(ahead: SignedDuration) -> Finding {
    let text = format!("the server's clock differs from this machine's by {}", seconds(ahead));
    if ahead.abs() > SKEW {
        Finding::fail("database_clock", text, "set both clocks right: `rpo` refuses a snapshot of the future")
    } else {
        Finding::ok("database_clock", text)
    }
}

impl Rights {
    fn reading(&self) -> Vec<Finding> {
        let role = &self.role;
        let mut findings =
            vec![match (self.is_superuser || self.reads_everything, self.unreadable, &self.example) {
                (true, ..) => Finding::ok("role", format!("{role} reads every table")),
                (false, 0, _) => Finding::warn(
                    "role",
                    format!("{role} reads every table that there is now"),
                    format!(
                        "grant pg_read_all_data to {role}, so that a new table does not fail the next dump"
                    ),
                ),
                (false, count, example) => Finding::fail(
                    "role",
                    format!(
                        "{role} may not read {count} tables or sequences{}",
                        example.as_ref().map(|name| format!(", such as {name}")).unwrap_or_default()
                    ),
                    format!("grant pg_read_all_data to {role}"),
                ),
            }];
        if self.secured > 0 {
            findings.push(Finding::fail(
                "row_security",
                format!("row security hides rows of {} tables from {role}", self.secured),
                format!("alter role {role} bypassrls: pg_dump refuses to leave rows out"),
            ));
        }
        findings
    }

    fn replication(&self) -> Finding {
        if self.may_replicate {
            Finding::ok("replication", format!("{} may stream WAL and base backups", self.role))
        } else {
            Finding::warn(
                "replication",
                format!("{} may not stream: no `base`, no `wal-receive`", self.role),
                format!("alter role {} replication, or rely on dumps: RPO is their interval then", self.role),
            )
        }
    }

    fn archive(&self) -> Finding {
        let failed = self.last_failed_wal.as_deref().unwrap_or_default();
        match (self.archive_mode.as_str(), self.is_failing, self.archive_timeout_s) {
            ("off", ..) => Finding::warn(
                "archive",
                format!(
                    "archive_mode is off (wal_level {}): what is lost is the interval of dumps",
                    self.wal_level
                ),
                "set archive_mode = on and archive_command = 'pg-backup wal-push %p', or run `pg-backup wal-receive`",
            ),
            (_, true, _) => Finding::fail(
                "archive",
                format!("archiving fails ({} times), last for {failed}", self.failed_count),
                "look at the server's log: WAL piles up until its disk is full",
            ),
            (_, false, 0) => Finding::warn(
                "archive",
                "archive_timeout is 0: a quiet server archives a segment only when it is full",
                "set archive_timeout = 300; a segment that is nearly empty is small when compressed",
            ),
            (_, false, timeout) => {
                Finding::ok("archive", format!("WAL is archived, at the latest every {timeout} s"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::Rights;

    fn rights() -> Rights {
        Rights {
            role: "backup".to_owned(),
            is_superuser: false,
            reads_everything: true,
            may_replicate: true,
            unreadable: 0,
            example: None,
            archive_mode: "on".to_owned(),
            archive_timeout_s: 300,
            wal_level: "replica".to_owned(),
            failed_count: 0,
            is_failing: false,
            last_failed_wal: None,
            secured: 0,
        }
    }

    /// The worst that is found after a change.
    fn check(change: impl FnOnce(&mut Rights), expected: Level) {
        let mut rights = rights();
        change(&mut rights);
        let mut levels: Vec<_> = rights.reading().iter().map(|finding| finding.level).collect();
        levels.extend([rights.replication().level, rights.archive().level]);
        let worst = levels.into_iter().max_by_key(|level| *level as u8).unwrap();
        assert_eq!(worst, expected, "{rights:?}");
    }

    #[test]
    fn what_fails_a_dump_fails_and_what_only_limits_it_warns() {
        check(|_| {}, Level::Ok);
        check(|rights| rights.reads_everything = false, Level::Warn);
        check(|rights| (rights.reads_everything, rights.unreadable) = (false, 2), Level::Fail);
        check(|rights| (rights.is_superuser, rights.unreadable) = (true, 2), Level::Ok);
        check(|rights| rights.secured = 1, Level::Fail);
        check(|rights| rights.may_replicate = false, Level::Warn);
        check(|rights| rights.archive_mode = "off".to_owned(), Level::Warn);
        check(|rights| rights.archive_timeout_s = 0, Level::Warn);
        check(|rights| (rights.is_failing, rights.failed_count) = (true, 7), Level::Fail);
    }
}
