//! What the server tells before its WAL is received, and what it means when the stream ends.

use release_postgres::{Identifier, literal};
use serde::Deserialize;

use super::LOOK_AGAIN;
use crate::child::Ended;
use crate::error::Error;
use crate::server::Server;
use crate::wal_name::{Lsn, SegmentSize};
use crate::wal_push::Pusher;

/// What the server tells.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Facts {
    pub(super) system_id: String,
    pub(super) server_version: u32,
    segment_bytes: u64,
    may_replicate: bool,
    user: String,
    is_standby: bool,
    slot: Option<Slot>,
    /// Where the server writes, or has replayed to.
    position: Lsn,
}

#[derive(Clone, Debug, Deserialize)]
struct Slot {
    is_physical: bool,
    /// Who receives by it now.
    used_by: Option<String>,
    /// What the server keeps for it begins here.
    restart_lsn: Option<Lsn>,
}

/// What `--once` waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Goal {
    /// The number of the last segment.
    pub(super) number: u64,
    /// Whether everything up to now is in it.
    pub(super) is_whole: bool,
}

impl Facts {
    /// How large segments are.
    pub(super) fn size(&self) -> SegmentSize {
        SegmentSize::new(self.segment_bytes).unwrap_or(SegmentSize::USUAL)
    }

    /// The number of the first segment that can arrive.
    pub(super) fn first(&self) -> u64 {
        let begin = self.slot.as_ref().and_then(|slot| slot.restart_lsn).unwrap_or(self.position);
        self.size().number_of(begin)
    }
}

/// Asks, refuses what cannot work, and makes the slot if it is absent.
///
/// # Errors
/// When the role may not replicate, or the slot is somebody else's.
pub(super) async fn ask(server: &mut Server, slot: &str) -> Result<Facts, Error> {
    let facts = asked(server, slot).await?;
    if facts.slot.is_some() {
        return Ok(facts);
    }
    // That of pg_receivewal keeps nothing until the first byte has arrived; this one keeps it from now on.
    let make = format!("select pg_create_physical_replication_slot({}, true)", literal(slot));
    match server.session.send(&make).await {
        Ok(_) => {}
        Err(error) if error.sqlstate().is_some_and(|code| code.code() == "42710") => {}
        Err(error) => return Err(server.error(&format!("making the replication slot {slot}"), error)),
    }
    asked(server, slot).await
}

fn question(slot: &str) -> String {
    format!(
        "select (select system_identifier::text from pg_control_system()) as system_id,
            current_setting('server_version_num')::int as server_version,
            (select setting::bigint from pg_settings where name = 'wal_segment_size') as segment_bytes,
            (select rolreplication or rolsuper from pg_roles where rolname = current_user) as may_replicate,
            current_user as user, pg_is_in_recovery() as is_standby,
            case when pg_is_in_recovery() then coalesce(pg_last_wal_replay_lsn(), '0/0')
              else pg_current_wal_flush_lsn() end::text as position,
            (select json_build_object('is_physical', s.slot_type = 'physical', 'restart_lsn', s.restart_lsn::text,
               'used_by', case when s.active then 'process ' || s.active_pid || ' of the server, for ' ||
                 coalesce(a.usename || ' at ' || coalesce(host(a.client_addr), 'its socket') ||
                   ' (' || a.application_name || ')', 'somebody') end)
              from pg_replication_slots s left join pg_stat_activity a on a.pid = s.active_pid
              where s.slot_name = {}) as slot",
        literal(slot)
    )
}

async fn asked(server: &mut Server, slot: &str) -> Result<Facts, Error> {
    let found: Vec<Facts> = server.read("asking what the server is", &question(slot)).await?;
    let facts = found.into_iter().next();
    let facts = facts.ok_or_else(|| Error::Source { reason: "the server said nothing".to_owned() })?;
    if !facts.may_replicate {
        let user = Identifier::new(&facts.user);
        return Err(Error::Refused {
            what: format!("{user} may not replicate, which receiving WAL needs"),
            reason: "no_replication",
            hint: format!(
                "as a superuser: alter role {user} replication; where the service grants it to nobody there are dumps \
                 only, and what can be lost (RPO) is all since the last one"
            ),
        });
    }
    match &facts.slot {
        Some(found) if !found.is_physical => Err(Error::Refused {
            what: format!("the replication slot {slot} is a logical one"),
            reason: "slot",
            hint: "name another with --slot".to_owned(),
        }),
        Some(Slot { used_by: Some(user), .. }) => {
            Err(Error::Busy { what: format!("the replication slot {slot} is used by {user}") })
        }
        _ => Ok(facts),
    }
}

/// Ends the current segment if that is allowed, and tells which is the last one then.
///
/// # Errors
/// When the server does not answer.
pub(super) async fn goal(server: &mut Server, facts: &Facts, slot: &str) -> Result<Goal, Error> {
    // A segment that ends before the stream has begun would not be in it where the server tells no position of a slot.
    while !is_active(server, slot).await? {
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    let size = facts.size();
    if facts.is_standby {
        // Its segments end when those of its primary do.
        let number = size.number_of(facts.position).saturating_sub(1);
        return Ok(Goal { number, is_whole: facts.position.0.is_multiple_of(size.bytes()) });
    }
    #[derive(Deserialize)]
    struct At {
        lsn: Lsn,
    }
    let query = "select pg_current_wal_insert_lsn()::text as lsn";
    let at: Vec<At> = server.read("asking for the position", query).await?;
    let at = at.first().map_or(facts.position, |at| at.lsn);
    // At the very beginning of a segment, behind its head, everything is in those before it.
    let is_begun = at.0 % size.bytes() > 40;
    let last = if is_begun { size.number_of(at) } else { size.number_of(at).saturating_sub(1) };
    match server.session.send("select pg_switch_wal()").await {
        Ok(_) => Ok(Goal { number: last, is_whole: true }),
        Err(error) if error.sqlstate().is_some_and(|code| code.code() == "42501") => {
            Ok(Goal { number: size.number_of(at).saturating_sub(1), is_whole: !is_begun })
        }
        Err(error) => Err(server.error(&format!("ending the segment for {slot}"), error)),
    }
}

async fn is_active(server: &mut Server, slot: &str) -> Result<bool, Error> {
    #[derive(Deserialize)]
    struct Active {
        active: bool,
    }
    let query = format!("select active from pg_replication_slots where slot_name = {}", literal(slot));
    let found: Vec<Active> = server.read("asking for the slot", &query).await?;
    Ok(found.first().is_some_and(|slot| slot.active))
}

/// Why the stream has ended by itself.
pub(super) fn explained(ended: &Ended, pusher: &Pusher<'_>) -> Error {
    let last = ended.last_words();
    if ended.stderr.contains("has already been removed") || ended.stderr.contains("does not exist") {
        return Error::Failed {
            what: format!("the server no longer has the WAL that comes next: {last}"),
            reason: "wal_lost",
            hint: "empty the spool, begin anew, and make a new base backup: no restore goes past the gap"
                .to_owned(),
        };
    }
    let stored = pusher.store.shown();
    Error::Busy { what: format!("the stream of WAL has ended: {last}; what was whole before is in {stored}") }
}
