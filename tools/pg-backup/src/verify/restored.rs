//! The level `restore`: the backup becomes a database in a scratch cluster, and is compared with what its snapshot was.

use std::io::Read;
use std::process::Stdio;
use std::time::Instant;

use release_common::{Context, fault};
use release_postgres::{Identifier, literal};
use serde::Deserialize;

use super::blame::Blame;
use super::{Finding, objects};
use crate::archive::{self, Archive, Way};
use crate::child::Ended;
use crate::cli::VerifyArgs;
use crate::counts::Counts;
use crate::error::Error;
use crate::evidence::{IndexCheck, RestoreCheck, SchemaCheck};
use crate::manifest::{Manifest, Role};
use crate::programs::{Programs, Version};
use crate::scratch::{self, Scratch, Size, Wish};
use crate::server::{self, Client, Server};
use crate::{globals, new_database, schema, tables};

/// The database in the scratch cluster: a name of its own, whatever the source's is.
const DATABASE: &str = "restored";
/// More differences say no more.
const SHOWN: usize = 100;
/// More refused statements say no more.
const NOTED: usize = 3;

/// A restore under way.
struct Trial<'a> {
    args: &'a VerifyArgs,
    archive: &'a Archive<'a>,
    programs: Programs,
    scratch: Scratch,
    notes: Vec<String>,
}

/// Restores it, compares, and gives everything back.
///
/// # Errors
/// When there is no answer.
pub(super) async fn restore(
    args: &VerifyArgs,
    archive: &Archive<'_>,
    context: &Context,
) -> Result<Finding, Error> {
    let expected = match objects::expected_counts(archive).await? {
        Ok(expected) => expected,
        Err(what) => return Ok(Finding::bad("counts", what)),
    };
    // What the restore itself does not read is read first: a damaged object makes the backup BAD whatever it is.
    for object in archive.manifest.objects.iter().filter(|object| object.role == Role::Toc) {
        objects::drain(archive, object).await?;
    }
    let parent = scratch::folder_for_scratch(args.scratch.as_deref());
    match scratch::sweep(&parent) {
        Ok(swept) if swept.is_empty() => {}
        Ok(swept) => {
            context
                .console
                .note(format_args!("scratch clusters of killed runs were removed: {}", swept.len()));
        }
        Err(error) => context.console.warn(format_args!("{error}")),
    }
    let programs = archive.programs(args.pg_bin.as_deref(), archive.manifest.cluster.server_version)?;
    let size = Size { tables: expected.0.len() as u64, jobs: args.jobs };
    let (user, wanted) = (args.scratch_user.as_str(), args.scratch.as_deref());
    let wish = Wish { parent: wanted, user, programs: programs.clone(), size };
    let scratch = Scratch::start(&wish).await?;
    fault::point("scratch");
    Trial { args, archive, programs, scratch, notes: Vec::new() }.run(&expected).await
}

impl Trial<'_> {
    async fn run(mut self, expected: &Counts) -> Result<Finding, Error> {
        let mut cluster = self.scratch.connect("postgres").await?;
        self.make_roles(&mut cluster).await?;
        if let Some(finding) = lacking_roles(&mut cluster, self.archive.manifest).await? {
            return Ok(Finding { notes: self.notes, ..finding });
        }
        self.make_database(&mut cluster).await?;
        let mut server = self.scratch.connect(DATABASE).await?;
        if let Some(finding) = lacking_extensions(&mut server, self.archive.manifest).await? {
            return Ok(Finding { notes: self.notes, ..finding });
        }
        let begun = Instant::now();
        let way = Way::of(self.archive.manifest.kind, self.args.jobs);
        let ended = self.fill(way).await?;
        let restore_s = begun.elapsed().as_secs_f64();
        fault::point("restored");
        let way = Some(way.word());
        if !ended.status.success() {
            let finding = Blame::of(ended).finding("the backup cannot be restored")?;
            return Ok(Finding { way, notes: self.notes, ..finding });
        }
        let check = self.compare(&mut server, expected, restore_s).await?;
        let finding = verdict(&check, self.is_same_version(check.server_version));
        Ok(Finding { way, restore: Some(check), notes: self.notes, ..finding })
    }

    /// Makes the roles of the backup. What is refused is noted: only a role that is missing in the end decides.
    async fn make_roles(&mut self, cluster: &mut Server) -> Result<(), Error> {
        let script = self.archive.content(Role::Globals).await?;
        let mut refused = Vec::new();
        for statement in globals::statements(&String::from_utf8_lossy(&script)) {
            if let Err(error) = cluster.session.send(&statement).await {
                let is_there = error.sqlstate().is_some_and(|code| code.code() == "42710");
                if !cluster.session.is_open() {
                    return Err(cluster.error("making roles", error));
                }
                if !is_there {
                    refused.push(format!("globals.sql: {error}"));
                }
            }
        }
        refused.truncate(NOTED);
        self.notes.extend(refused);
        Ok(())
    }

    async fn make_database(&mut self, cluster: &mut Server) -> Result<(), Error> {
        let version = server_version(cluster).await?;
        let locale = self.archive.manifest.locale.as_ref();
        let wanted = new_database::statement(DATABASE, locale, version);
        let (Err(error), Some(locale)) = (cluster.session.send(&wanted).await, locale) else { return Ok(()) };
        self.notes.push(format!("the locale of the source is not on this machine ({error}): C is used"));
        let plain = new_database::plain(DATABASE, locale, version);
        cluster.send::<()>("making the database", &plain).await.map(drop)
    }

    async fn fill(&self, way: Way) -> Result<Ended, Error> {
        let mut client = self.client("pg_restore")?;
        client.command.args(["--exit-on-error", "--no-tablespaces", "--dbname", DATABASE]);
        if way == Way::Streamed {
            return self.archive.feed(client, true).await;
        }
        let files = self.archive.spool(self.scratch.folder()).await?;
        client.command.args(["--jobs", &self.args.jobs.to_string()]);
        Archive::read_files(client, &files).await
    }

    fn client(&self, program: &'static str) -> Result<Client, Error> {
        server::client(&self.scratch.database(DATABASE)?, &self.programs.require(program)?)
    }

    async fn compare(
        &self,
        server: &mut Server,
        expected: &Counts,
        restore_s: f64,
    ) -> Result<RestoreCheck, Error> {
        let names = tables::list(server).await?;
        let found = tables::count(server, &names).await?;
        let mut differing = expected.differences(&found);
        differing.truncate(SHOWN);
        let server_version = server_version(server).await?;
        let schema = self.schema(server_version).await?;
        let database_bytes = one(server, "select pg_database_size(current_database())").await?;
        let (indexes, indexes_skipped) = match self.indexes().await? {
            Ok(check) => (Some(check), None),
            Err(skipped) => (None, Some(skipped)),
        };
        Ok(RestoreCheck {
            server_version,
            restore_s,
            database_bytes,
            jobs: self.args.jobs,
            expected: expected.totals(),
            found: found.totals(),
            differing,
            schema,
            indexes,
            indexes_skipped,
        })
    }

    fn is_same_version(&self, server_version: u32) -> bool {
        let dumped_by = self.archive.manifest.tool.client.split('.').next();
        let major = Version::major_of(server_version);
        major == archive::major(self.archive.manifest)
            && dumped_by == Some(self.programs.version().major.to_string().as_str())
    }

    async fn schema(&self, server_version: u32) -> Result<SchemaCheck, Error> {
        let expected = self.archive.content(Role::Schema).await?;
        let mut client = self.client("pg_dump")?;
        client.command.args(["--schema-only", "--dbname", DATABASE]);
        let (ended, found) = output(client).await?;
        ended.success()?;
        let is_text = std::str::from_utf8(&expected).is_ok() && std::str::from_utf8(&found).is_ok();
        // A database need not be in UTF-8: then a byte is a letter, so that no two differ and look the same.
        let text = |bytes: Vec<u8>| match String::from_utf8(bytes) {
            Ok(text) if is_text => text,
            Ok(text) => text.bytes().map(char::from).collect(),
            Err(error) => error.into_bytes().into_iter().map(char::from).collect(),
        };
        Ok(schema::compare(&text(expected), &text(found), self.is_same_version(server_version)))
    }

    /// What `pg_amcheck` says, or why it cannot say anything here.
    async fn indexes(&self) -> Result<Result<IndexCheck, String>, Error> {
        if self.programs.require("pg_amcheck").is_err() {
            return Ok(Err("pg_amcheck is not installed".to_owned()));
        }
        let mut client = self.client("pg_amcheck")?;
        client.command.args(["--install-missing", "--heapallindexed", "--jobs"]);
        client.command.arg(self.args.jobs.to_string()).arg(DATABASE);
        let (ended, found) = output(client).await?;
        let said = String::from_utf8_lossy(&found);
        match ended.status.code() {
            Some(0) => Ok(Ok(IndexCheck { is_clean: true, findings: String::new() })),
            Some(2) => {
                let lines: Vec<_> = said.lines().take(SHOWN).collect();
                Ok(Ok(IndexCheck { is_clean: false, findings: lines.join("\n") }))
            }
            Some(_) => Ok(Err(format!("pg_amcheck: {}", ended.last_words()))),
            None => Err(Error::Program(Box::new(ended))),
        }
    }
}

/// Runs a program and keeps what it writes.
async fn output(mut client: Client) -> Result<(Ended, Vec<u8>), Error> {
    client.command.stdout(Stdio::piped());
    let mut child = client.start()?;
    let mut stdout = child.stdout()?;
    let reading = tokio::task::spawn_blocking(move || {
        let mut bytes = Vec::new();
        stdout.read_to_end(&mut bytes).map(|_| bytes)
    });
    let read = reading.await.map_err(|error| Error::Source { reason: error.to_string() })?;
    let bytes = read.map_err(|error| Error::Source { reason: error.to_string() })?;
    Ok((child.wait().await?, bytes))
}

async fn server_version(server: &mut Server) -> Result<u32, Error> {
    let version = one(server, "select current_setting('server_version_num')::bigint").await?;
    Ok(u32::try_from(version).unwrap_or(u32::MAX))
}

async fn one(server: &mut Server, query: &str) -> Result<u64, Error> {
    let found: Vec<u64> = server.send("asking the scratch cluster", query).await?;
    Ok(found.first().copied().unwrap_or_default())
}

async fn lacking_roles(server: &mut Server, manifest: &Manifest) -> Result<Option<Finding>, Error> {
    #[derive(Deserialize)]
    struct Role {
        name: String,
    }
    let found: Vec<Role> = server.read("listing roles", "select rolname as name from pg_roles").await?;
    let is_missing = |name: &&String| !found.iter().any(|role| role.name == **name);
    let missing: Vec<_> = manifest.roles.iter().filter(is_missing).map(String::as_str).collect();
    if missing.is_empty() {
        return Ok(None);
    }
    let text = format!("roles of the backup cannot be made here: {}", missing.join(", "));
    let hint = "look at globals.sql: `pg-backup cat --object NAME`, with the name that `show` lists";
    Ok(Some(Finding::inconclusive("role", text, hint.to_owned())))
}

/// Tries to install the extensions of the backup, and takes it back.
async fn lacking_extensions(server: &mut Server, manifest: &Manifest) -> Result<Option<Finding>, Error> {
    let hint = |name: &str| {
        let (major, package) = (archive::major(manifest), name.replace('_', "-"));
        format!("install its package, at Debian's called like postgresql-{major}-{package}")
    };
    for extension in &manifest.extensions {
        let name = &extension.name;
        let available =
            format!("select count(*) from pg_available_extensions where name = {}", literal(name));
        if one(server, &available).await? == 0 {
            let text = format!("extension {name} {} is not installed on this machine", extension.version);
            return Ok(Some(Finding::inconclusive("extension", text, hint(name))));
        }
        let attempt =
            format!("begin; create extension if not exists {} cascade; rollback", Identifier::new(name));
        if let Err(error) = server.session.send(&attempt).await {
            if !server.session.is_open() {
                return Err(server.error("looking for extensions", error));
            }
            let text = format!("extension {name} {} cannot be made here: {error}", extension.version);
            return Ok(Some(Finding::inconclusive("extension", text, hint(name))));
        }
    }
    Ok(None)
}

/// What the comparison means.
fn verdict(check: &RestoreCheck, is_same_version: bool) -> Finding {
    if let Some(first) = check.differing.first() {
        let shown = |rows: Option<u64>| rows.map_or("no table".to_owned(), |rows| format!("{rows} rows"));
        let text = format!(
            "{} tables differ: {}.{} had {} and was restored with {}",
            check.differing.len(),
            first.name.schema,
            first.name.table,
            shown(first.expected),
            shown(first.found)
        );
        return Finding::bad("rows", text);
    }
    if let Some(indexes) = check.indexes.as_ref().filter(|indexes| !indexes.is_clean) {
        let first = indexes.findings.lines().next().unwrap_or_default();
        return Finding::bad("indexes", format!("pg_amcheck: {first}"));
    }
    match check.schema.differing.first() {
        None => Finding::good(),
        Some(line) if is_same_version => Finding::bad(
            "schema",
            format!("the schema differs in {} lines: {line}", check.schema.differing.len()),
        ),
        Some(line) => Finding::inconclusive(
            "schema",
            format!(
                "the schema differs, and the scratch cluster is of another version than the source: {line}"
            ),
            "install the server of the source's version, or name a folder with --pg-bin".to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::verdict;
    use crate::counts::{Difference, TableName};
    use crate::evidence::tests::sample;
    use crate::evidence::{IndexCheck, RestoreCheck, Verdict};

    #[track_caller]
    fn check(change: impl FnOnce(&mut RestoreCheck), is_same_version: bool, expected: (Verdict, &str)) {
        let mut check = sample().restore.unwrap();
        change(&mut check);
        let finding = verdict(&check, is_same_version);
        assert_eq!((finding.verdict, finding.reason.unwrap_or_default()), expected);
    }

    #[test]
    fn any_difference_is_bad() {
        check(|_| {}, true, (Verdict::Good, ""));
        let name = TableName { schema: "public".to_owned(), table: "a".to_owned() };
        let lost = Difference { name, expected: Some(3), found: None };
        check(|check| check.differing.push(lost), true, (Verdict::Bad, "rows"));
        let broken = IndexCheck { is_clean: false, findings: "heap tuple lacks an index tuple".to_owned() };
        check(|check| check.indexes = Some(broken), true, (Verdict::Bad, "indexes"));
        check(|check| check.schema.differing.push("-x".to_owned()), true, (Verdict::Bad, "schema"));
    }

    #[test]
    fn another_version_may_write_its_schema_otherwise() {
        let differs = |check: &mut RestoreCheck| check.schema.differing.push("-x".to_owned());
        check(differs, false, (Verdict::Inconclusive, "schema"));
    }
}
