//! A plan carried out: the database is made, filled, counted, and takes its name.

use std::path::Path;
use std::time::Instant;

use futures_util::future::try_join_all;
use release_common::{Context, Stop, fault};
use release_postgres::{Database, Identifier, literal};

use super::decision::{Into, Plan, ServerFacts};
use super::mark::Mark;
use super::server_facts::{maintenance, sessions};
use super::settings::Settings;
use crate::archive::{self, Archive, Way};
use crate::child::Ended;
use crate::counts::{Counts, TableName};
use crate::dump::connection_name;
use crate::error::Error;
use crate::manifest::{Role, RowTotals};
use crate::programs::Programs;
use crate::server::{self, Server};
use crate::{new_database, tables};

/// The first server that can end the sessions of a database it drops.
const FORCE: u32 = 130_000;

/// What is done, and with what.
pub(super) struct Act<'a> {
    pub(super) archive: &'a Archive<'a>,
    pub(super) plan: &'a Plan,
    pub(super) facts: &'a ServerFacts,
    pub(super) target: &'a str,
    pub(super) given: &'a Database,
    pub(super) programs: Programs,
    pub(super) jobs: u8,
    pub(super) no_owner: bool,
    pub(super) spool: Option<&'a Path>,
}

/// What was done.
#[derive(Clone, Debug, Default)]
pub(super) struct Done {
    pub(super) restore_s: f64,
    /// What was counted in the restored database.
    pub(super) rows: Option<RowTotals>,
    /// The database that was replaced, by its new name.
    pub(super) kept: Option<String>,
    pub(super) notes: Vec<String>,
}

impl Act<'_> {
    /// Carries it out. `server` is connected to another database.
    ///
    /// # Errors
    /// When it fails; what is left is said.
    pub(super) async fn run(
        &self,
        server: &mut Server,
        stop: &mut Stop,
        context: &Context,
    ) -> Result<Done, Error> {
        let mut done = Done::default();
        let begun = Instant::now();
        if !matches!(self.plan.way, Into::Complete { .. }) {
            let is_made = self.prepare(server).await?;
            fault::point("made");
            match stop.unless(self.fill(&mut done)).await {
                Ok(()) => {}
                Err(error) => return Err(self.take_back(is_made, error, context).await),
            }
            fault::point("filled");
        }
        done.restore_s = begun.elapsed().as_secs_f64();
        // The session may have been lost in the hours that a restore takes.
        let mut server = maintenance(self.given, self.target).await?;
        match &self.plan.way {
            Into::Aside { before, .. } | Into::Complete { before } => {
                self.mark(&mut server, true).await?;
                self.take_place(&mut server, before, &mut done).await?;
                done.kept = Some(before.clone());
            }
            Into::New | Into::Again | Into::Empty { is_ours: true } => self.unmark(&mut server, None).await?,
            Into::Empty { is_ours: false } if self.is_marked() => self.unmark(&mut server, None).await?,
            Into::Empty { is_ours: false } => {}
        }
        fault::point("done");
        Ok(done)
    }

    /// Makes the database unless it is there; whether this run has made it.
    async fn prepare(&self, server: &mut Server) -> Result<bool, Error> {
        let is_left = matches!(self.plan.way, Into::Again | Into::Aside { is_left: true, .. });
        if is_left {
            self.drop_database(server).await?;
        }
        if matches!(self.plan.way, Into::Empty { .. }) {
            if self.is_marked() {
                self.mark(server, false).await?;
            }
            return Ok(false);
        }
        let locale = self.archive.manifest.locale.as_ref();
        let statement = new_database::statement(&self.plan.into, locale, self.facts.server_version);
        if let Err(error) = server.session.send(&statement).await {
            let error = server.error("making the database", error);
            let Error::Database { source, .. } = &error else { return Err(error) };
            return Err(Error::Refused {
                what: format!("{}: cannot be made: {source}", self.plan.into),
                reason: "create_database",
                hint: "make it yourself, empty and from template0, and run this again".to_owned(),
            });
        }
        fault::point("created");
        self.mark(server, false).await?;
        Ok(true)
    }

    /// An empty database of somebody else's is marked only when a killed run would leave something in it, and only
    /// where no other comment stands.
    fn is_marked(&self) -> bool {
        let has_comment = self.facts.target.as_ref().is_some_and(|target| target.comment.is_some());
        !self.plan.in_one_transaction && !has_comment
    }

    async fn mark(&self, server: &mut Server, is_complete: bool) -> Result<(), Error> {
        let (id, target) = (self.archive.manifest.id.clone(), self.target.to_owned());
        let mark = Mark { id, target, is_complete };
        self.comment(server, &self.plan.into, Some(&mark.text())).await
    }

    async fn unmark(&self, server: &mut Server, comment: Option<&str>) -> Result<(), Error> {
        self.comment(server, self.target, comment).await
    }

    async fn comment(&self, server: &mut Server, name: &str, comment: Option<&str>) -> Result<(), Error> {
        server.send::<()>("marking the database", &comment_statement(name, comment)).await.map(drop)
    }

    async fn drop_database(&self, server: &mut Server) -> Result<(), Error> {
        let force = if self.facts.server_version >= FORCE { " with (force)" } else { "" };
        let statement = format!("drop database if exists {}{force}", Identifier::new(&self.plan.into));
        server.send::<()>("dropping what a restore has left", &statement).await.map(drop)
    }

    /// Restores, and counts what was restored.
    async fn fill(&self, done: &mut Done) -> Result<(), Error> {
        let ended = self.pg_restore().await?;
        if !ended.status.success() {
            return Err(Error::Failed {
                what: archive::complaint(&ended).to_owned(),
                reason: "restore",
                hint:
                    "`pg-backup verify --level restore` tells whether the backup or this server is to blame"
                        .to_owned(),
            });
        }
        let content = self.archive.content(Role::Counts).await?;
        let expected: Counts = serde_json::from_slice(&content).map_err(Error::Json)?;
        let found = match self.count().await {
            Ok(found) => found,
            Err(error @ Error::Database { .. }) => {
                done.notes.push(format!("rows were not counted: {}", cause(&error)));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        done.rows = Some(found.totals());
        match expected.differences(&found).first() {
            None => Ok(()),
            Some(first) => Err(Error::Failed {
                what: format!(
                    "{}.{} has {:?} rows instead of {:?}",
                    first.name.schema, first.name.table, first.found, first.expected
                ),
                reason: "rows",
                hint: "verify the backup".to_owned(),
            }),
        }
    }

    async fn pg_restore(&self) -> Result<Ended, Error> {
        let database = self.given.with_database(&self.plan.into);
        let mut client = server::client(&database, &self.programs.require("pg_restore")?)?;
        client.command.args(["--exit-on-error", "--dbname"]).arg(connection_name(&self.plan.into));
        let flags = [
            (self.plan.in_one_transaction, "--single-transaction"),
            (self.no_owner, "--no-owner"),
            (self.no_owner, "--no-privileges"),
            (!self.plan.has_tablespaces, "--no-tablespaces"),
        ];
        client.command.args(flags.iter().filter(|(is_set, _)| *is_set).map(|(_, flag)| flag));
        let way = Way::of(self.archive.manifest.kind, self.jobs);
        let (Some(spool), Way::Spooled | Way::Files) = (self.spool, way) else {
            return self.archive.feed(client, false).await;
        };
        let files = self.archive.spool(spool).await?;
        if self.jobs > 1 {
            client.command.args(["--jobs", &self.jobs.to_string()]);
        }
        Archive::read_files(client, &files).await
    }

    /// Counts by as many sessions as there are jobs: nobody else is at work in the database.
    async fn count(&self) -> Result<Counts, Error> {
        let mut server = Server::connect(self.given.with_database(&self.plan.into)).await?;
        let names = tables::list(&mut server).await?;
        let shares = tables::shares(&names, usize::from(self.jobs));
        let counted = try_join_all(shares.iter().map(|share| self.count_some(share))).await?;
        Ok(Counts::together(counted))
    }

    async fn count_some(&self, names: &[TableName]) -> Result<Counts, Error> {
        let mut server = Server::connect(self.given.with_database(&self.plan.into)).await?;
        let begin = "begin read only; set local statement_timeout = 0; set local row_security = off";
        server.send::<()>("counting rows", begin).await?;
        let counted = tables::count(&mut server, names).await?;
        server.send::<()>("counting rows", "commit").await?;
        Ok(counted)
    }

    /// Removes what this run has made, and says what is left.
    async fn take_back(&self, is_made: bool, error: Error, context: &Context) -> Error {
        let into = &self.plan.into;
        let left = if is_made {
            let dropped = match maintenance(self.given, self.target).await {
                Ok(mut server) => self.drop_database(&mut server).await,
                Err(error) => Err(error),
            };
            match dropped {
                Ok(()) => "nothing is left of it".to_owned(),
                Err(_) => format!("the database {into} is left; the same command makes it again"),
            }
        } else if self.plan.in_one_transaction {
            format!("the database {into} is as empty as before")
        } else {
            format!("the database {into} holds a part of it")
        };
        match error {
            Error::Failed { what, reason, hint } => Error::Failed {
                what: format!("{} was not restored into {into}: {what}; {left}", self.archive.manifest.id),
                reason,
                hint,
            },
            other => {
                context.console.note(format_args!("{} was not restored: {left}", self.archive.manifest.id));
                other
            }
        }
    }

    /// Gives the new database the name of the old one, and the old one another: both or neither.
    async fn take_place(&self, server: &mut Server, before: &str, done: &mut Done) -> Result<(), Error> {
        if let Some(settings) = Settings::of(server, self.target).await? {
            for statement in settings.statements(&self.plan.into) {
                if let Err(error) = server.session.send(&statement).await {
                    done.notes.push(format!("not carried over: {statement}: {error}"));
                }
            }
        }
        fault::point("settled");
        let (target, into) = (Identifier::new(self.target), Identifier::new(&self.plan.into));
        let comment = self.facts.target.as_ref().and_then(|target| target.comment.as_deref());
        let statements = format!(
            "begin; alter database {target} rename to {}; alter database {into} rename to {target}; {}; commit",
            Identifier::new(before),
            comment_statement(self.target, comment)
        );
        let Err(error) = server.session.send(&statements).await else { return Ok(()) };
        if error.sqlstate().is_some_and(|code| code.code() == "55006") {
            let who = sessions(server, self.target).await?.join(", ");
            let what = format!(
                "{}: sessions are connected to it: {who}; the backup is restored as {} and only takes its name \
                 when this is run again",
                self.target, self.plan.into
            );
            return Err(Error::Busy { what });
        }
        Err(server.error("giving the database its name", error))
    }
}

fn comment_statement(name: &str, comment: Option<&str>) -> String {
    let comment = comment.map_or_else(|| "null".to_owned(), literal);
    format!("comment on database {} is {comment}", Identifier::new(name))
}

fn cause(error: &Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}
