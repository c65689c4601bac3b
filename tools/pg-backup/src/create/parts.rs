//! The objects of a dump, each sealed into the store.

use std::io::{Cursor, Read};
use std::path::Path;

use object_store::path::Path as Key;
use release_common::{Context, fault};

use super::plan::Plan;
use crate::child::{Child, Ended};
use crate::cli::CreateArgs;
use crate::counts::Counts;
use crate::dump::{Dumper, Tee};
use crate::error::Error;
use crate::manifest::{Kind, Role, StoredObject};
use crate::progress::Progress;
use crate::seal::{self, Meter};
use crate::spool::{self, Spool};
use crate::store::Store;

/// Makes the parts of one backup.
pub(super) struct Parts<'a> {
    pub(super) args: &'a CreateArgs,
    pub(super) plan: &'a Plan,
    pub(super) store: &'a Store,
    /// The exported snapshot.
    pub(super) snapshot: &'a str,
    pub(super) context: &'a Context,
}

/// The dump itself.
pub(super) struct Dumped {
    pub(super) objects: Vec<StoredObject>,
    /// The last that `pg_dump` said.
    pub(super) stderr: String,
}

impl Parts<'_> {
    fn dumper(&self) -> Dumper<'_> {
        Dumper {
            programs: &self.plan.programs,
            database: &self.plan.database,
            snapshot: self.snapshot,
            lock_limit: self.args.lock_timeout.0,
        }
    }

    /// The database, in the layout that was asked for.
    pub(super) async fn dump(&self) -> Result<Dumped, Error> {
        let meter = Meter::default();
        let total = self.plan.facts.table_bytes;
        let _progress = Progress::follow(&self.context.console, "dumping", &meter, total);
        match self.plan.kind {
            Kind::DumpDirectory => self.directory(&meter).await,
            Kind::Dump | Kind::Base => self.archive(&meter).await,
        }
    }

    async fn archive(&self, meter: &Meter) -> Result<Dumped, Error> {
        let mut pg_dump = self.dumper().archive()?;
        let mut contents = self.dumper().contents()?;
        let source = Tee::new(pg_dump.stdout()?, contents.stdin()?);
        let listing = contents.stdout()?;
        let mut said = String::new();
        let dump = self.seal("dump.pgc", Role::Dump, source, meter, async || {
            said = ended(&mut pg_dump).await?.stderr;
            fault::point("ended");
            Ok(())
        });
        let listed = Meter::default();
        let listing =
            self.seal("toc.txt", Role::Toc, listing, &listed, async || ended(&mut contents).await.map(drop));
        let (dump, toc) = tokio::join!(dump, listing);
        // When the dump fails, so does the listing: the dump's reason is the one to tell.
        let objects = vec![dump?, toc?];
        Ok(Dumped { objects, stderr: said })
    }

    async fn directory(&self, meter: &Meter) -> Result<Dumped, Error> {
        let spool = Spool::make(self.args.spool.as_deref(), self.plan.facts.table_bytes)?;
        let folder = spool.path().join("dump");
        let mut pg_dump = self.dumper().directory(&folder, self.args.jobs)?;
        fault::point("dumping");
        let dumped = self.plan.sealing.stop.clone().unless(ended(&mut pg_dump)).await;
        if dumped.is_err() {
            // Its workers would go on with the tables that they are at.
            pg_dump.end().await;
        }
        let stderr = dumped?.stderr;
        fault::point("spooled");
        let mut objects = Vec::new();
        for (name, path) in spool::files(&folder)? {
            let file = open(&path)?;
            let name = format!("dump/{name}");
            objects.push(self.seal(&name, Role::DumpFile, file, meter, async || Ok(())).await?);
            // Disk is given back as soon as the store has it.
            std::fs::remove_file(&path).map_err(|source| Error::File {
                path,
                doing: "removing it",
                source,
            })?;
        }
        Ok(Dumped { objects, stderr })
    }

    /// The schema as SQL.
    pub(super) async fn schema(&self) -> Result<StoredObject, Error> {
        self.program(self.dumper().schema()?, "schema.sql", Role::Schema).await
    }

    /// Roles and tablespaces as SQL.
    pub(super) async fn globals(&self) -> Result<StoredObject, Error> {
        self.program(self.dumper().globals(self.args.role_passwords)?, "globals.sql", Role::Globals).await
    }

    async fn program(&self, mut child: Child, name: &str, role: Role) -> Result<StoredObject, Error> {
        let output = child.stdout()?;
        self.seal(name, role, output, &Meter::default(), async || ended(&mut child).await.map(drop)).await
    }

    /// The rows of each table.
    pub(super) async fn counts(&self, counts: &Counts) -> Result<StoredObject, Error> {
        let bytes = serde_json::to_vec(counts).map_err(Error::Json)?;
        self.seal("counts.json", Role::Counts, Cursor::new(bytes), &Meter::default(), async || Ok(())).await
    }

    async fn seal(
        &self,
        name: &str,
        role: Role,
        source: impl Read + Send + 'static,
        meter: &Meter,
        is_whole: impl AsyncFnOnce() -> Result<(), Error>,
    ) -> Result<StoredObject, Error> {
        let name = self.plan.sealing.name(name);
        let key: Key = self.plan.series.object(&self.plan.id, &name);
        let sealed = seal::seal(self.store, &key, source, &self.plan.sealing, meter, is_whole).await?;
        Ok(sealed.object(name, role))
    }
}

/// Waits for a program that must have succeeded.
async fn ended(child: &mut Child) -> Result<Ended, Error> {
    child.wait().await?.success()
}

fn open(path: &Path) -> Result<std::fs::File, Error> {
    let opened = std::fs::File::open(path);
    opened.map_err(|source| Error::File { path: path.to_owned(), doing: "opening it", source })
}
