//! Whether this machine has the programs, and can start a scratch cluster that the database fits into.

use release_common::Failure;
use release_common::units::ByteSize;
use serde::Deserialize;

use super::finding::Finding;
use crate::answer;
use crate::cli::DoctorArgs;
use crate::error::Error;
use crate::programs::{Programs, Version};
use crate::scratch::{self, Scratch, Size, Wish};
use crate::server::Facts;

/// Without these no dump is made or restored.
const NEEDED: [&str; 3] = ["pg_dump", "pg_dumpall", "pg_restore"];
/// What each of the others is for.
const OTHERS: [(&str, &str); 6] = [
    ("initdb", "verify --level restore"),
    ("postgres", "verify --level restore"),
    ("pg_amcheck", "checking indexes after a restore"),
    ("pg_basebackup", "base"),
    ("pg_verifybackup", "verifying base backups"),
    ("pg_receivewal", "wal-receive"),
];

/// Looks at the programs; those that would be used.
pub(super) fn programs(
    args: &DoctorArgs,
    facts: Option<&Facts>,
    findings: &mut Vec<Finding>,
) -> Option<Programs> {
    let folder = args.connect.pg_bin.as_deref();
    let server = facts.map_or(0, |facts| facts.server_version);
    let programs = match Programs::for_server(folder, server) {
        Ok(programs) => programs,
        Err(error) => {
            findings.push(Finding::fail("programs", error.to_string(), error.hint().unwrap_or_default()));
            return None;
        }
    };
    let version = programs.version();
    let major = version.major;
    let install = format!("install postgresql-{major}, or name a folder with --pg-bin");
    let missing: Vec<_> = NEEDED.into_iter().filter(|name| !programs.path(name).is_file()).collect();
    findings.push(match (missing.is_empty(), facts) {
        (false, _) => {
            let text = format!("{} of PostgreSQL {major} are not installed", missing.join(", "));
            Finding::fail("programs", text, &install)
        }
        (true, Some(facts)) => Finding::ok(
            "programs",
            format!(
                "pg_dump {} works with PostgreSQL {}",
                version.text,
                Version::major_of(facts.server_version)
            ),
        ),
        (true, None) => Finding::ok("programs", format!("pg_dump {} is installed", version.text)),
    });
    for (name, purpose) in OTHERS {
        if !programs.path(name).is_file() {
            let text = format!("{name} of PostgreSQL {major} is not installed, which {purpose} needs");
            findings.push(Finding::warn("programs", text, &install));
        }
    }
    Some(programs)
}

/// Starts a scratch cluster, and looks whether the database fits into it.
pub(super) async fn scratch(
    args: &DoctorArgs,
    facts: Option<&Facts>,
    programs: Option<Programs>,
    findings: &mut Vec<Finding>,
) {
    let Some(programs) = programs else { return };
    let parent = args.scratch.as_deref();
    let wish = Wish { parent, user: &args.scratch_user, programs, size: Size { tables: 1, jobs: 1 } };
    let extensions = match available(&wish).await {
        Ok(extensions) => extensions,
        Err(error) => {
            let hint = error.hint().unwrap_or_else(|| "`verify --level restore` needs it".to_owned());
            findings.push(Finding::fail("scratch", answer::with_causes(&error), hint));
            return;
        }
    };
    findings.push(Finding::ok("scratch", "a scratch cluster can be started"));
    let Some(facts) = facts else { return };
    findings.push(space(args, facts));
    let missing = facts.extensions.iter().filter(|extension| !extensions.contains(&extension.name));
    let missing: Vec<_> = missing.map(|extension| extension.name.as_str()).collect();
    findings.push(if missing.is_empty() {
        Finding::ok(
            "extensions",
            format!("all {} of the database are installed here", facts.extensions.len()),
        )
    } else {
        Finding::fail(
            "extensions",
            format!("not installed on this machine: {}", missing.join(", ")),
            "install their packages, or verify on a machine that has them: a restore here is inconclusive",
        )
    });
}

async fn available(wish: &Wish<'_>) -> Result<Vec<String>, Error> {
    #[derive(Deserialize)]
    struct Row {
        name: String,
    }
    let scratch = Scratch::start(wish).await?;
    let mut server = scratch.connect("postgres").await?;
    let rows: Vec<Row> =
        server.read("listing extensions", "select name::text as name from pg_available_extensions").await?;
    Ok(rows.into_iter().map(|row| row.name).collect())
}

/// A restore takes about as much disk as the database has.
fn space(args: &DoctorArgs, facts: &Facts) -> Finding {
    let folder = scratch::folder_for_scratch(args.scratch.as_deref());
    let Ok(disk) = rustix::fs::statvfs(&folder) else {
        return Finding::warn(
            "disk",
            format!("{}: cannot be looked at", folder.display()),
            "name another folder",
        );
    };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let text = format!(
        "{} has {} free, and the database {}",
        folder.display(),
        ByteSize(free),
        ByteSize(facts.database_bytes)
    );
    if free < facts.database_bytes {
        Finding::fail("disk", text, "name a folder with more room with --scratch")
    } else {
        Finding::ok("disk", text)
    }
}
