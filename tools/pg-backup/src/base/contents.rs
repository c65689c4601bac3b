//! What a base backup says of itself, read while it passes: its label, and the manifest of `pg_basebackup`.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use serde::Deserialize;

use crate::wal_name::Lsn;

/// Reads that the second reader may lag behind.
const AHEAD: usize = 4;
/// A manifest has about 150 bytes for each file: this is one of millions of files.
const DOCUMENT_LIMIT: u64 = 1 << 30;

/// What was found in the tar file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Contents {
    pub(super) timeline: u32,
    /// Where replay begins.
    pub(super) start: Lsn,
    /// From where on the data are consistent.
    pub(super) stop: Lsn,
    /// `backup_manifest` as it is.
    pub(super) manifest: Vec<u8>,
}

/// Passes `source` on, and reads it as a tar file beside that.
pub(super) fn watch<R: Read>(source: R) -> (Watched<R>, JoinHandle<Result<Contents, String>>) {
    let (sender, receiver) = sync_channel(AHEAD);
    let reading = std::thread::spawn(move || {
        let mut chunks = Chunks { receiver, current: io::Cursor::new(Vec::new()) };
        let contents = read(&mut chunks).map_err(|error| error.to_string());
        // Whoever sends must not wait for one that has seen enough.
        let _ = io::copy(&mut chunks, &mut io::sink());
        contents
    });
    (Watched { source, sender: Some(sender) }, reading)
}

/// A stream that is shown to a second reader.
#[derive(Debug)]
pub(super) struct Watched<R> {
    source: R,
    sender: Option<SyncSender<Vec<u8>>>,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        let read = buffer.get(..count).unwrap_or_default();
        let is_over = count == 0 && !buffer.is_empty();
        if is_over || self.sender.as_ref().is_some_and(|sender| sender.send(read.to_vec()).is_err()) {
            self.sender = None;
        }
        Ok(count)
    }
}

struct Chunks {
    receiver: Receiver<Vec<u8>>,
    current: io::Cursor<Vec<u8>>,
}

impl Read for Chunks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.current.read(buffer)? {
                0 => {}
                count => return Ok(count),
            }
            match self.receiver.recv() {
                Ok(chunk) => self.current = io::Cursor::new(chunk),
                Err(_) => return Ok(0),
            }
        }
    }
}

fn read(source: &mut impl Read) -> io::Result<Contents> {
    let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let (mut label, mut manifest) = (None, None);
    let mut archive = tar::Archive::new(source);
    for entry in archive.entries()? {
        let entry = entry?;
        let path = entry.path()?.into_owned();
        let slot = match path.to_str() {
            Some("backup_label") => &mut label,
            Some("backup_manifest") => &mut manifest,
            _ => continue,
        };
        let mut bytes = Vec::new();
        entry.take(DOCUMENT_LIMIT).read_to_end(&mut bytes)?;
        *slot = Some(bytes);
    }
    let label = label.ok_or_else(|| wrong("it holds no backup_label"))?;
    let manifest = manifest.ok_or_else(|| wrong("it holds no backup_manifest, so that it was cut short"))?;
    let (start, timeline) =
        start(&String::from_utf8_lossy(&label)).ok_or_else(|| wrong("its backup_label tells no start"))?;
    let stop = stop(&manifest).ok_or_else(|| wrong("its backup_manifest tells no end"))?;
    Ok(Contents { timeline, start, stop, manifest })
}

/// Reads `START WAL LOCATION: 0/2000028 (file 000000010000000000000002)` and `START TIMELINE: 1`.
fn start(label: &str) -> Option<(Lsn, u32)> {
    let field = |name: &str| label.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let lsn = field("START WAL LOCATION")?.split_whitespace().next()?.parse().ok()?;
    Some((lsn, field("START TIMELINE")?.trim().parse().ok()?))
}

fn stop(manifest: &[u8]) -> Option<Lsn> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct BackupManifest {
        #[serde(rename = "WAL-Ranges")]
        wal_ranges: Vec<Range>,
    }
    #[derive(Deserialize)]
    struct Range {
        #[serde(rename = "End-LSN")]
        end: String,
    }
    let manifest: BackupManifest = serde_json::from_slice(manifest).ok()?;
    manifest.wal_ranges.iter().map(|range| range.end.parse().ok()).max()?
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::{Contents, watch};
    use crate::wal_name::Lsn;

    const LABEL: &str = "START WAL LOCATION: 0/2000028 (file 000000010000000000000002)\nCHECKPOINT LOCATION: 0/2000060\n\
        BACKUP METHOD: streamed\nBACKUP FROM: primary\nSTART TIME: 2026-11-24 12:00:00 UTC\nLABEL: x\nSTART TIMELINE: 1\n";
    const MANIFEST: &str = r#"{"PostgreSQL-Backup-Manifest-Version":1,"Files":[],
        "WAL-Ranges":[{"Timeline":1,"Start-LSN":"0/2000028","End-LSN":"0/2000100"}],"Manifest-Checksum":"00"}"#;

    fn tar(files: &[(&str, &str)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, content) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o600);
            header.set_cksum();
            builder.append_data(&mut header, name, content.as_bytes()).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn seen(bytes: &[u8]) -> Result<Contents, String> {
        let (mut watched, reading) = watch(bytes);
        let mut passed = Vec::new();
        watched.read_to_end(&mut passed).unwrap();
        assert_eq!(passed, bytes);
        reading.join().unwrap()
    }

    #[test]
    fn label_and_manifest_are_read_while_the_file_passes() {
        let large = "x".repeat(3 << 20);
        let bytes = tar(&[("backup_label", LABEL), ("base/1/1", &large), ("backup_manifest", MANIFEST)]);
        let contents = seen(&bytes).unwrap();
        assert_eq!((contents.timeline, contents.start, contents.stop), (1, Lsn(0x200_0028), Lsn(0x200_0100)));
        assert_eq!(contents.manifest, MANIFEST.as_bytes());
    }

    #[test]
    fn a_file_that_was_cut_short_is_none() {
        let bytes = tar(&[("backup_label", LABEL), ("base/1/1", "rows"), ("backup_manifest", MANIFEST)]);
        for length in [0, 100, 512, 700, 1600, 2100, 2600] {
            assert!(seen(&bytes[..length]).is_err(), "{length} of {}", bytes.len());
        }
        assert!(seen(&tar(&[("backup_label", "nonsense"), ("backup_manifest", MANIFEST)])).is_err());
        assert!(seen(&tar(&[("backup_label", LABEL), ("backup_manifest", "{}")])).is_err());
    }
}
