//! The way out of the store for what is verified or restored: each object read to its end and checked, and `pg_restore`
//! fed with the archive.
//!
//! The last bytes of an archive are handed over only after size and hash were found to be right. An archive without them
//! is not whole to `pg_restore`, so a restore in a single transaction is committed of good bytes alone.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use object_store::path::Path as Key;
use release_common::fault;
use rustix::process::{Pid, Signal, kill_process_group};

use crate::child::{Child, Ended};
use crate::encryption::Identities;
use crate::error::Error;
use crate::layout::Series;
use crate::manifest::{Kind, Manifest, Role, StoredObject};
use crate::programs::{Programs, Version};
use crate::seal::Meter;
use crate::server::Client;
use crate::store::Store;
use crate::unseal::{self, Unsealing};

/// Large enough that handing it over costs little; as much is held back until the end is known to be good.
const CHUNK_BYTES: u64 = 256 << 10;
/// Files spooled at one time: nothing else is at work meanwhile, and each takes a processor and some memory.
const FILES_AT_ONCE: usize = 3;

/// One backup, opened for reading.
#[derive(Clone, Debug)]
pub(crate) struct Archive<'a> {
    pub(crate) store: &'a Store,
    pub(crate) series: &'a Series,
    pub(crate) manifest: &'a Manifest,
    pub(crate) identities: &'a Identities,
    /// Counts what is read.
    pub(crate) meter: Meter,
}

/// How the archive gets to `pg_restore`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// By a pipe, without any disk.
    Streamed,
    /// By a file on local disk, which several jobs read.
    Spooled,
    /// By the files of the directory format on local disk.
    Files,
}

impl Way {
    /// The only one that the layout and the number of jobs allow.
    pub(crate) fn of(kind: Kind, jobs: u8) -> Way {
        match (kind, jobs) {
            (Kind::DumpDirectory, _) => Way::Files,
            (_, 0 | 1) => Way::Streamed,
            (_, _) => Way::Spooled,
        }
    }

    /// As summaries say it.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Way::Streamed => "streamed",
            Way::Spooled => "spooled",
            Way::Files => "files",
        }
    }
}

impl Archive<'_> {
    /// Whether objects are encrypted.
    pub(crate) fn is_encrypted(&self) -> bool {
        !self.manifest.recipients.is_empty()
    }

    /// Makes sure that what is encrypted can be decrypted.
    ///
    /// # Errors
    /// When no identity is given.
    pub(crate) fn require_identity(&self) -> Result<(), Error> {
        if self.is_encrypted() && self.identities.is_empty() {
            return Err(Error::NoIdentity { id: self.manifest.id.to_string() });
        }
        Ok(())
    }

    /// The programs that can read the archive and serve a server of at least the source's version.
    ///
    /// # Errors
    /// When none are installed.
    pub(crate) fn programs(&self, folder: Option<&Path>, server_version: u32) -> Result<Programs, Error> {
        let client = self.manifest.tool.client.split('.').next().and_then(|major| major.parse::<u32>().ok());
        let dumped_by = client.map_or(0, |major| major.saturating_mul(10_000));
        Programs::for_server(folder, server_version.max(dumped_by))
    }

    /// The bytes that a disk must have room for.
    pub(crate) fn plain_bytes(&self) -> u64 {
        let is_data = |object: &&StoredObject| matches!(object.role, Role::Dump | Role::DumpFile);
        self.manifest.objects.iter().filter(is_data).map(|object| object.plain_bytes).sum()
    }

    fn key(&self, object: &StoredObject) -> Key {
        self.series.object(&self.manifest.id, &object.name)
    }

    /// Reads the stored bytes of an object to their end: as many as recorded, with the recorded hash.
    ///
    /// # Errors
    /// When they are damaged, or the store fails.
    pub(crate) async fn check_stored(&self, object: &StoredObject) -> Result<(), Error> {
        let key = self.key(object);
        let reader = unseal::stored(self.store, &key, object);
        let meter = self.meter.clone();
        let read = on_thread(move || pass(reader, io::sink(), &meter, false)).await?;
        self.understood(read, &key).map(drop)
    }

    /// Writes the content of an object; the writer comes back unless whoever reads from it has left. `to_the_end` then
    /// goes on reading, so that the object is checked all the same.
    ///
    /// # Errors
    /// When the object is damaged, or the store or the writer fails.
    pub(crate) async fn copy<W: Write + Send + 'static>(
        &self,
        object: &StoredObject,
        writer: W,
        to_the_end: bool,
    ) -> Result<Option<W>, Error> {
        let key = self.key(object);
        let opened = unseal::unseal(self.store, &key, object, self.is_encrypted(), self.identities);
        let meter = self.meter.clone();
        let passed = on_thread(move || open_and_pass(opened, writer, &meter, to_the_end)).await?;
        self.understood(passed, &key)
    }

    /// A small object as a whole.
    ///
    /// # Errors
    /// When the object is damaged or there is none of this role, or the store fails.
    pub(crate) async fn content(&self, role: Role) -> Result<Vec<u8>, Error> {
        let Some(object) = self.manifest.object(role) else {
            let folder = self.series.backup(&self.manifest.id);
            return Err(self.store.damaged(&folder, &format!("of the role {role:?} is missing")));
        };
        Ok(self.copy(object, Vec::new(), true).await?.unwrap_or_default())
    }

    fn understood<T>(&self, passed: Result<T, Passing>, key: &Key) -> Result<T, Error> {
        passed.map_err(|failure| match failure {
            Passing::Reading(error) if error.kind() == io::ErrorKind::PermissionDenied => Error::Refused {
                what: format!("{}: cannot be decrypted: {error}", self.manifest.id),
                reason: "wrong_identity",
                hint: format!("it is encrypted to {}", self.manifest.recipients.join(", ")),
            },
            Passing::Reading(error) => unseal::explained(error, self.store, key),
            Passing::Writing(error) => Error::Failed {
                what: format!("{key}: its content cannot be written: {error}"),
                reason: "spool",
                hint: "look for room on the local disk".to_owned(),
            },
        })
    }

    /// Puts the archive, or all files of the directory format, into `folder`; what `pg_restore` is given.
    ///
    /// # Errors
    /// When an object is damaged, or the store or the disk fails.
    pub(crate) async fn spool(&self, folder: &Path) -> Result<PathBuf, Error> {
        let whole = folder.join("dump");
        if self.manifest.kind == Kind::DumpDirectory {
            let made = std::fs::create_dir(&whole);
            made.map_err(|source| Error::File { path: whole.clone(), doing: "making it", source })?;
            let files = self.manifest.objects.iter().filter(|object| object.role == Role::DumpFile);
            let copies = files.map(|object| self.file(object, whole.join(local_name(&object.name))));
            stream::iter(copies).buffer_unordered(FILES_AT_ONCE).try_collect::<()>().await?;
        } else if let Some(object) = self.manifest.object(Role::Dump) {
            self.file(object, whole.clone()).await?;
        }
        Ok(whole)
    }

    async fn file(&self, object: &StoredObject, path: PathBuf) -> Result<(), Error> {
        let made = File::create_new(&path);
        let file = made.map_err(|source| Error::File { path, doing: "making it", source })?;
        self.copy(object, file, true).await.map(drop)
    }

    /// Runs `pg_restore` on the archive. Only its own end is told: what it means, the caller knows.
    ///
    /// # Errors
    /// When the archive is damaged, the store fails, or the program cannot be started.
    pub(crate) async fn feed(&self, mut client: Client, to_the_end: bool) -> Result<Ended, Error> {
        let Some(object) = self.manifest.object(Role::Dump) else {
            let folder = self.series.backup(&self.manifest.id);
            return Err(self.store.damaged(&folder, "with the archive is missing"));
        };
        client.command.stdin(Stdio::piped()).process_group(0);
        let mut child = client.start()?;
        let mut group = Group::of(&child);
        let stdin = child.stdin()?;
        let fed = async {
            // The pipe is closed by this: the program sees the end of its input, a good one or none.
            self.copy(object, stdin, to_the_end).await.map(drop)
        };
        let (fed, ended) = tokio::join!(fed, child.wait());
        group.is_over();
        fed?;
        ended
    }

    /// Runs `pg_restore` on files that [`Archive::spool`] has made.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) async fn read_files(mut client: Client, files: &Path) -> Result<Ended, Error> {
        client.command.arg(files).process_group(0);
        let mut child = client.start()?;
        let mut group = Group::of(&child);
        let ended = child.wait().await;
        group.is_over();
        ended
    }
}

/// The major version that a server needs at least, for messages.
pub(crate) fn major(manifest: &Manifest) -> u32 {
    Version::major_of(manifest.cluster.server_version)
}

/// What a program of PostgreSQL complained of: the first line that is an error, as those after it only explain.
pub(crate) fn complaint(ended: &Ended) -> &str {
    let is_error =
        |line: &&str| line.contains("error: ") || line.contains("ERROR: ") || line.contains("FATAL: ");
    ended.stderr.lines().find(is_error).unwrap_or_else(|| ended.last_words())
}

/// `dump/3012.dat.zst.age` was the file `3012.dat`. No name leads out of the folder.
fn local_name(name: &str) -> String {
    let file = name.rsplit('/').next().unwrap_or(name);
    let file = file.strip_suffix(".age").unwrap_or(file);
    let file = file.strip_suffix(".zst").unwrap_or(file);
    if matches!(file, "" | "." | "..") { "unnamed".to_owned() } else { file.to_owned() }
}

/// A program with its workers. Dropped before they have ended, they are told to.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Group {
        Group(child.pid().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw))
    }

    fn is_over(&mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // Those that are gone need no signal.
            let _ = kill_process_group(leader, Signal::TERM);
        }
    }
}

/// Which side failed.
enum Passing {
    Reading(io::Error),
    Writing(io::Error),
}

async fn on_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Error::Source { reason: error.to_string() })
}

fn open_and_pass<W: Write>(
    opened: Unsealing,
    writer: W,
    meter: &Meter,
    to_the_end: bool,
) -> Result<Option<W>, Passing> {
    pass(opened.open().map_err(Passing::Reading)?, writer, meter, to_the_end)
}

/// Each chunk is written when the next one has been read: the last one after the reader has said that all was right.
fn pass<W: Write>(
    mut reader: impl Read,
    writer: W,
    meter: &Meter,
    to_the_end: bool,
) -> Result<Option<W>, Passing> {
    let mut writer = Some(writer);
    let (mut held, mut chunk) = (Vec::new(), Vec::new());
    loop {
        chunk.clear();
        (&mut reader).take(CHUNK_BYTES).read_to_end(&mut chunk).map_err(Passing::Reading)?;
        meter.add_read(chunk.len() as u64);
        fault::point("fetched");
        if let Some(open) = &mut writer {
            match open.write_all(&held) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => writer = None,
                Err(error) => return Err(Passing::Writing(error)),
            }
        }
        if chunk.is_empty() || (writer.is_none() && !to_the_end) {
            return Ok(writer);
        }
        std::mem::swap(&mut held, &mut chunk);
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read};

    use super::{CHUNK_BYTES, Meter, Passing, local_name, pass};

    /// Gives so many bytes and then fails, as a reader does that finds a wrong hash at the end.
    struct Damaged(u64);

    impl Read for Damaged {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.0 == 0 {
                return Err(io::ErrorKind::InvalidData.into());
            }
            let count = buffer.len().min(usize::try_from(self.0).unwrap());
            self.0 -= count as u64;
            Ok(count)
        }
    }

    #[test]
    fn the_last_bytes_of_a_damaged_object_are_never_handed_over() {
        for bytes in [1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES] {
            let mut written = Vec::new();
            let passed = pass(Damaged(bytes), &mut written, &Meter::default(), true);
            assert!(matches!(passed, Err(Passing::Reading(_))));
            assert!((written.len() as u64) < bytes, "{} of {bytes}", written.len());
        }
    }

    #[test]
    fn everything_good_is_handed_over() {
        for bytes in [0, 1, CHUNK_BYTES, CHUNK_BYTES + 1] {
            let mut written = Vec::new();
            assert!(pass(io::repeat(7).take(bytes), &mut written, &Meter::default(), true).is_ok());
            assert_eq!(written.len() as u64, bytes);
        }
    }

    #[test]
    fn no_name_of_an_object_leads_out_of_the_folder() {
        let names =
            [("dump/3012.dat.zst.age", "3012.dat"), ("dump/toc.dat.zst", "toc.dat"), ("a/..", "unnamed")];
        for (name, expected) in names {
            assert_eq!(local_name(name), expected);
        }
    }
}
