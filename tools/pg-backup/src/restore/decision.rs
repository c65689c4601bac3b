//! Whether a backup may be restored into a database, and by which way. Pure: facts in, plan or refusal out.

use super::mark::{Mark, beside};
use crate::error::Error;
use crate::layout::BackupId;
use crate::manifest::Manifest;
use crate::programs::Version;

/// A table, its sequence, its indexes and its TOAST table each take a lock.
const LOCKS_OF_A_TABLE: u64 = 6;
/// More names say no more.
const NAMED: usize = 5;

/// What was asked for.
#[derive(Clone, Debug)]
pub(super) struct Request<'a> {
    pub(super) manifest: &'a Manifest,
    pub(super) target: &'a str,
    /// What `--replace` says.
    pub(super) replace: Option<&'a str>,
    pub(super) jobs: u8,
    pub(super) no_owner: bool,
}

/// What the server tells.
#[derive(Clone, Debug, Default)]
pub(super) struct ServerFacts {
    pub(super) server_version: u32,
    pub(super) system_id: String,
    /// How many locks a transaction may take.
    pub(super) lock_slots: u64,
    /// All databases.
    pub(super) databases: Vec<String>,
    /// Extensions that can be made.
    pub(super) extensions: Vec<String>,
    pub(super) roles: Vec<String>,
    pub(super) target: Option<DatabaseFacts>,
    /// The database beside the target.
    pub(super) aside: Option<DatabaseFacts>,
}

/// What a database tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct DatabaseFacts {
    /// Its comment.
    pub(super) comment: Option<String>,
    /// Some of what is in it.
    pub(super) content: Vec<String>,
    /// Who is connected to it.
    pub(super) sessions: Vec<String>,
}

impl DatabaseFacts {
    fn mark(&self) -> Option<Mark> {
        self.comment.as_deref().and_then(Mark::read)
    }
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// The database that the backup is restored into.
    pub(super) into: String,
    pub(super) way: Into,
    /// Whether `pg_restore` does all in one transaction, so that it happens whole or not at all.
    pub(super) in_one_transaction: bool,
    /// Whether tablespaces of the source are here.
    pub(super) has_tablespaces: bool,
}

/// How the database comes to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Into {
    /// It is made.
    New,
    /// It is there and empty. `is_ours`: a run that was killed has made it.
    Empty { is_ours: bool },
    /// A run that was killed has left it: it is dropped and made again.
    Again,
    /// It is made beside the target (dropped before if a killed run has left it) and takes its place.
    Aside { is_left: bool, before: String },
    /// A run has restored it beside the target, and only the change of names is missing.
    Complete { before: String },
}

/// The plan, or why there is none.
///
/// # Errors
/// When a rule of safety forbids it, or somebody else is at work.
pub(super) fn decide(request: &Request<'_>, facts: &ServerFacts) -> Result<Plan, Error> {
    fitting(request, facts)?;
    let (into, way) = match request.replace {
        None => (request.target.to_owned(), into_target(request, facts)?),
        Some(replace) => {
            let aside = beside(request.target, "restore", &request.manifest.id, 1);
            (aside, beside_target(request, replace, facts)?)
        }
    };
    let tables = request.manifest.rows.map_or(0, |rows| rows.tables);
    let fits = tables.saturating_mul(LOCKS_OF_A_TABLE) <= facts.lock_slots;
    Ok(Plan {
        into,
        way,
        in_one_transaction: request.jobs <= 1 && fits,
        has_tablespaces: facts.system_id == request.manifest.cluster.system_id,
    })
}

/// Whether the server can take it at all.
fn fitting(request: &Request<'_>, facts: &ServerFacts) -> Result<(), Error> {
    let manifest = request.manifest;
    let (source, here) =
        (Version::major_of(manifest.cluster.server_version), Version::major_of(facts.server_version));
    if source > here {
        let what = format!("the backup is of PostgreSQL {source}, and the server is PostgreSQL {here}");
        return Err(refused(what, "server_version", "restore it into a server that is not older"));
    }
    let names = manifest.extensions.iter().map(|extension| &extension.name);
    let missing = missing(names, &facts.extensions);
    if !missing.is_empty() {
        let hint = format!("install their packages, at Debian's called like postgresql-{here}-NAME");
        return Err(refused(format!("the server lacks extensions: {missing}"), "extension", &hint));
    }
    let missing = self::missing(manifest.roles.iter(), &facts.roles);
    if !missing.is_empty() && !request.no_owner {
        let hint = "make them, for example from the backup's globals.sql, or leave owners and privileges out \
                    with --no-owner";
        return Err(refused(format!("the server lacks roles: {missing}"), "role", hint));
    }
    Ok(())
}

fn into_target(request: &Request<'_>, facts: &ServerFacts) -> Result<Into, Error> {
    let Some(target) = &facts.target else { return Ok(Into::New) };
    let name = request.target;
    let is_ours = target.mark().is_some_and(|mark| mark.target == name);
    if is_ours && !target.sessions.is_empty() {
        let what = format!("{name}: another restore is under way: {}", some(&target.sessions));
        return Err(Error::Busy { what });
    }
    if target.content.is_empty() {
        return Ok(Into::Empty { is_ours });
    }
    if is_ours {
        return Ok(Into::Again);
    }
    let content = some(&target.content);
    let is_source = facts.system_id == request.manifest.cluster.system_id
        && request.manifest.database.as_deref() == Some(name);
    let replace =
        format!("restore it into another database, or put it in place of this one with --replace {name}");
    match is_source {
        true => {
            let what = format!("{name}: is the database that the backup comes from, and holds {content}");
            Err(refused(what, "source", &replace))
        }
        false => Err(refused(format!("{name}: is not empty: it holds {content}"), "not_empty", &replace)),
    }
}

fn beside_target(request: &Request<'_>, replace: &str, facts: &ServerFacts) -> Result<Into, Error> {
    let name = request.target;
    if replace != name {
        let what = format!("--replace says {replace}, and --to says {name}");
        return Err(refused(what, "replace_name", "type the name of the database once more, to be sure"));
    }
    let Some(target) = &facts.target else {
        let what = format!("{name}: there is no such database to be replaced");
        return Err(refused(what, "no_target", "leave --replace out: the database is made"));
    };
    if !target.sessions.is_empty() {
        let what = format!("{name}: sessions are connected to it: {}", some(&target.sessions));
        return Err(refused(what, "sessions", "stop what is connected, then run this again"));
    }
    let before = free_name(name, &request.manifest.id, &facts.databases);
    let Some(aside) = &facts.aside else { return Ok(Into::Aside { is_left: false, before }) };
    if !aside.sessions.is_empty() {
        let what = format!("{name}: another restore is under way: {}", some(&aside.sessions));
        return Err(Error::Busy { what });
    }
    match aside.mark() {
        Some(mark) if mark.target == name && mark.is_complete => Ok(Into::Complete { before }),
        Some(mark) if mark.target == name => Ok(Into::Aside { is_left: true, before }),
        // Killed between making it and saying so.
        None if aside.content.is_empty() => Ok(Into::Aside { is_left: true, before }),
        _ => {
            let aside = beside(name, "restore", &request.manifest.id, 1);
            let what = format!("{aside}: is in the way and was not made by pg-backup");
            Err(refused(what, "aside_taken", "rename or drop it"))
        }
    }
}

fn free_name(name: &str, id: &BackupId, taken: &[String]) -> String {
    let names = (1..=u32::MAX).map(|number| beside(name, "before", id, number));
    let mut free = names.filter(|name| !taken.contains(name));
    free.next().unwrap_or_default()
}

fn missing<'a>(needed: impl Iterator<Item = &'a String>, found: &[String]) -> String {
    let missing: Vec<_> = needed.filter(|name| !found.contains(name)).cloned().collect();
    missing.join(", ")
}

fn some(names: &[String]) -> String {
    let more = if names.len() > NAMED { ", ..." } else { "" };
    format!("{}{more}", names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", "))
}

fn refused(what: String, reason: &'static str, hint: &str) -> Error {
    Error::Refused { what, reason, hint: hint.to_owned() }
}

#[cfg(test)]
#[path = "decision_tests.rs"]
mod tests;
