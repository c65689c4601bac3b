//! `verify`: is this backup what it says, and does it restore?
//!
//! Three answers: good, BAD, or that this machine cannot tell. Only what was read and found to be wrong makes a backup
//! BAD; a store that does not answer, a full disk or a missing program never does. Whatever the answer, evidence of it
//! is stored beside the backup.

mod blame;
#[cfg(test)]
mod every_byte;
mod objects;
mod report;
mod restored;

use jiff::{Timestamp, ToSpan};
use release_common::{Context, Outcome, Stop, fault};
use sha2::{Digest, Sha256};

use self::report::Report;
use crate::archive::Archive;
use crate::cli::VerifyArgs;
use crate::document::{self, DocumentError, hex};
use crate::encryption::Identities;
use crate::error::Error;
use crate::evidence::{Evidence, Level, RestoreCheck, Verdict};
use crate::layout::{BackupId, Series};
use crate::manifest::{Kind, Manifest};
use crate::opened::{self, Backup};
use crate::progress::Progress;
use crate::seal::Meter;
use crate::store::{Created, Store};

/// What was found out about a backup.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub(crate) verdict: Verdict,
    /// One word for machines, unless it is good.
    pub(crate) reason: Option<&'static str>,
    /// The same for people.
    pub(crate) text: String,
    /// What to do about it.
    pub(crate) hint: String,
    /// How a restore went, if there was one.
    pub(crate) restore: Option<RestoreCheck>,
    /// How the archive got to `pg_restore`.
    pub(crate) way: Option<&'static str>,
    /// What should be known besides.
    pub(crate) notes: Vec<String>,
}

impl Finding {
    /// Nothing is wrong.
    pub(crate) fn good() -> Finding {
        let (text, hint) = (String::new(), String::new());
        let verdict = Verdict::Good;
        Finding { verdict, reason: None, text, hint, restore: None, way: None, notes: Vec::new() }
    }

    /// The backup is damaged or incomplete.
    pub(crate) fn bad(reason: &'static str, text: impl Into<String>) -> Finding {
        let hint = "make a new backup, and keep this one until the new one is verified".to_owned();
        Finding { verdict: Verdict::Bad, reason: Some(reason), text: text.into(), hint, ..Finding::good() }
    }

    /// This machine cannot tell.
    pub(crate) fn inconclusive(reason: &'static str, text: impl Into<String>, hint: String) -> Finding {
        let verdict = Verdict::Inconclusive;
        Finding { verdict, reason: Some(reason), text: text.into(), hint, ..Finding::good() }
    }

    /// An error that says that the backup is damaged is an answer; any other is none.
    ///
    /// # Errors
    /// When it is none.
    pub(crate) fn of(error: Error) -> Result<Finding, Error> {
        if !error.is_damage() {
            return Err(error);
        }
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        let doing = match &error {
            Error::Store { doing, .. } => doing.clone(),
            other => other.to_string(),
        };
        Ok(Finding::bad("damaged", format!("{doing}: {}", cause.unwrap_or_default())))
    }
}

/// Which backup is verified.
pub(crate) enum Subject {
    /// One that can be read.
    Backup(Box<Backup>),
    /// One whose manifest cannot be believed.
    Unreadable { id: BackupId, manifest_sha256: String, reason: String },
}

impl Subject {
    pub(crate) fn id(&self) -> &BackupId {
        match self {
            Subject::Backup(backup) => &backup.manifest.id,
            Subject::Unreadable { id, .. } => id,
        }
    }

    fn manifest_sha256(&self) -> &str {
        match self {
            Subject::Backup(backup) => &backup.manifest_sha256,
            Subject::Unreadable { manifest_sha256, .. } => manifest_sha256,
        }
    }

    pub(crate) fn manifest(&self) -> Option<&Manifest> {
        match self {
            Subject::Backup(backup) => Some(&backup.manifest),
            Subject::Unreadable { .. } => None,
        }
    }
}

/// Verifies one backup and stores the evidence.
///
/// # Errors
/// When there is no answer; the backup itself may be as good as it was.
pub(crate) fn run(args: &VerifyArgs, context: &mut Context) -> Result<Outcome, Error> {
    let id = opened::id(args.id.as_ref())?;
    let identities = Identities::read(&args.identity.identity)?;
    crate::runtime()?.block_on(async {
        let mut stop = Stop::new(&context.shutdown);
        let started_at = context.clock.now();
        let meter = Meter::default();
        let found = stop.unless(found(args, id.as_ref(), &identities, &meter, context)).await?;
        fault::point("verified");
        let (store, series, subject, finding) = found;
        let evidence = Evidence {
            format: document::FORMAT,
            id: subject.id().clone(),
            manifest_sha256: subject.manifest_sha256().to_owned(),
            level: args.level,
            verdict: finding.verdict,
            reason: finding.reason.map(|reason| format!("{reason}: {}", finding.text)),
            started_at,
            finished_at: context.clock.now(),
            restore: finding.restore.clone(),
            pg_backup: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let key = match record(&store, &series, &evidence).await {
            Ok(key) => key,
            Err(error) => {
                // The answer is known, and must not be lost with the store.
                report::unrecorded(&subject, &finding, context);
                return Err(error);
            }
        };
        Report { args, subject: &subject, finding: &finding, evidence: &evidence, key: &key, meter: &meter }
            .tell(context)
    })
}

async fn found(
    args: &VerifyArgs,
    id: Option<&BackupId>,
    identities: &Identities,
    meter: &Meter,
    context: &Context,
) -> Result<(Store, Series, Subject, Finding), Error> {
    let store = opened::store(&args.series.store)?;
    let series = opened::series(&store, &args.series).await?;
    let subject = chosen(&store, &series, id).await?;
    let finding = match &subject {
        Subject::Unreadable { reason, .. } => Finding::bad("manifest", reason.clone()),
        Subject::Backup(backup) => {
            let (manifest, meter) = (&backup.manifest, meter.clone());
            let archive = Archive { store: &store, series: &series, manifest, identities, meter };
            examine(args, &archive, context).await?
        }
    };
    Ok((store, series, subject, finding))
}

/// The named backup or the newest; a manifest that is there and cannot be believed is an answer too.
async fn chosen(store: &Store, series: &Series, id: Option<&BackupId>) -> Result<Subject, Error> {
    let (id, error) = match id {
        Some(id) => match opened::chosen(store, series, Some(id)).await {
            Ok(backup) => return Ok(Subject::Backup(Box::new(backup))),
            Err(error) => (id.clone(), error),
        },
        None => {
            let all = opened::backups(store, series).await?;
            // Ids begin with their time, and nothing else is known of one whose manifest cannot be read.
            let newest_good = all.good.last().map(|backup| backup.manifest.id.clone());
            let newer = all.unreadable.into_iter().max_by(|a, b| a.0.cmp(&b.0));
            match newer.filter(|(id, _)| newest_good.as_ref().is_none_or(|good| id > good)) {
                Some(unreadable) => unreadable,
                None => return opened::chosen(store, series, None).await.map(Box::new).map(Subject::Backup),
            }
        }
    };
    match &error {
        Error::Manifest { source: DocumentError::Unreadable(_) | DocumentError::Checksum, .. } => {
            let bytes = store.read(&series.manifest(&id)).await?.unwrap_or_default();
            let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            let (manifest_sha256, reason) = (hex(&Sha256::digest(&bytes)), format!("manifest.json {cause}"));
            Ok(Subject::Unreadable { id, manifest_sha256, reason })
        }
        _ => Err(error),
    }
}

async fn examine(args: &VerifyArgs, archive: &Archive<'_>, context: &Context) -> Result<Finding, Error> {
    if args.level == Level::Restore && archive.manifest.kind == Kind::Base {
        return Err(Error::Refused {
            what: format!("{}: is a base backup, which no database is restored from", archive.manifest.id),
            reason: "kind",
            hint: "use --level decode here, and restore it with `pg-backup restore --at`".to_owned(),
        });
    }
    if args.level > Level::Checksum {
        archive.require_identity()?;
    }
    let total: u64 = match args.level {
        Level::Checksum => archive.manifest.stored_bytes(),
        Level::Decode => archive.manifest.objects.iter().map(|object| object.plain_bytes).sum(),
        Level::Restore => archive.plain_bytes(),
    };
    let _progress = Progress::follow(&context.console, "verifying", &archive.meter, total);
    let examined = match args.level {
        Level::Checksum => objects::checksum(archive).await,
        Level::Decode => objects::decode(args, archive).await,
        Level::Restore => restored::restore(args, archive, context).await,
    };
    match examined {
        Ok(finding) => Ok(finding),
        Err(error) => Finding::of(error),
    }
}

/// Stores the evidence under the moment at which it ended, or the first free one after that.
async fn record(store: &Store, series: &Series, evidence: &Evidence) -> Result<String, Error> {
    let (bytes, _) = evidence.encode().map_err(Error::Json)?;
    let mut time: Timestamp = evidence.finished_at;
    loop {
        let key = series.evidence(&evidence.id, time);
        if store.create(&key, bytes.clone()).await? == Created::New {
            return Ok(key.to_string());
        }
        time = time.saturating_add(1.nanosecond()).unwrap_or(Timestamp::MAX);
    }
}
