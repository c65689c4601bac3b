//! A store with many backups that nobody has dumped: valid manifests, objects and evidence, put there as files.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use jiff::{SignedDuration, Timestamp};
use pg_backup::counts::Difference;
use pg_backup::evidence::{Evidence, Level, RestoreCheck, SchemaCheck, Verdict};
use pg_backup::layout::{BackupId, Series};
use pg_backup::manifest::{Cluster, Kind, Manifest, Release, Role, RowTotals, StoredObject, Tool, WalRange};
use pg_backup::wal_name::{Lsn, SegmentSize, WalName};
use pg_backup::wal_record::{WalPlace, WalRecord};
use sha2::{Digest, Sha256};

use super::shelf::names_below;
use super::{Done, Shelf, binary, done, fed};

/// Bytes of the database that the fixture's backups are of.
pub(crate) const DATABASE_BYTES: u64 = 100 << 30;

/// The system identifier of the cluster.
const SYSTEM: &str = "7300000000000000001";

/// A store, and what time it is.
pub(crate) struct Fixture {
    pub(crate) shelf: Shelf,
    pub(crate) series: Series,
    clock: tempfile::NamedTempFile,
    now: Timestamp,
}

/// Noon of the day on which the fixtures stand.
pub(crate) fn noon() -> Timestamp {
    "2026-11-24T12:00:00Z".parse().unwrap()
}

impl Fixture {
    /// An empty store of ours in a folder, at noon.
    pub(crate) fn in_folder() -> Fixture {
        Fixture::over(Shelf::folder())
    }

    /// The same on an S3 server.
    pub(crate) fn on_s3() -> Fixture {
        Fixture::over(Shelf::s3())
    }

    fn over(shelf: Shelf) -> Fixture {
        let series = Series::Dumps { cluster: "erp".parse().unwrap(), database: "erp".to_owned() };
        let clock = tempfile::NamedTempFile::new().unwrap();
        let mut fixture = Fixture { shelf, series, clock, now: noon() };
        fixture.set_clock(noon());
        let marker = r#"{"type":"store","format":1,"created_at":"2026-01-01T00:00:00Z"}"#;
        fixture.write("v1/store.json", marker.as_bytes());
        fixture
    }

    /// An empty store for base backups in a folder.
    pub(crate) fn of_bases() -> Fixture {
        let fixture = Fixture::in_folder();
        Fixture { series: Series::Bases { cluster: "erp".parse().unwrap() }, ..fixture }
    }

    /// A base backup of so many hours ago that begins at the start of this segment of timeline 1, read to its end.
    pub(crate) fn base(&self, hours: i64, segment: u64) -> BackupId {
        let id = self.changed(hours, |manifest| {
            let lsn = |offset: u64| Lsn(segment * SegmentSize::USUAL.bytes() + offset).to_string();
            (manifest.kind, manifest.database, manifest.rows) = (Kind::Base, None, None);
            manifest.wal = Some(WalRange {
                timeline: 1,
                start_lsn: lsn(40),
                stop_lsn: lsn(80),
                stop_at: manifest.finished_at,
                segment_bytes: SegmentSize::USUAL.bytes(),
            });
        });
        self.evidence(&id, 10, |evidence| (evidence.level, evidence.restore) = (Level::Decode, None));
        id
    }

    /// A segment of WAL that was filled at this hour before noon.
    pub(crate) fn wal(&self, timeline: u32, number: u64, hours: i64) {
        let at = noon() - SignedDuration::from_hours(hours);
        let name = WalName::Segment(SegmentSize::USUAL.segment(timeline, number));
        let object = StoredObject {
            name: format!("{name}.00000000000000aa.zst"),
            role: Role::Wal,
            bytes: 4,
            sha256: "ab".repeat(32),
            plain_bytes: SegmentSize::USUAL.bytes(),
            plain_sha256: "cd".repeat(32),
        };
        let place = WalPlace { cluster: self.series.cluster().clone(), system_id: SYSTEM.to_owned() };
        self.write(place.object(&name, &object.name), b"zstd");
        let record = WalRecord {
            format: 1,
            name,
            system_id: SYSTEM.to_owned(),
            object,
            recipients: Vec::new(),
            written_at: at,
            pushed_at: at,
            history: None,
            pg_backup: "0.1.0".to_owned(),
        };
        self.write(place.record(&name), &record.encode().unwrap());
    }

    /// Moves the time.
    pub(crate) fn set_clock(&mut self, now: Timestamp) {
        std::fs::write(self.clock.path(), now.to_string()).unwrap();
        self.now = now;
    }

    /// The path of an object.
    pub(crate) fn file(&self, key: impl AsRef<str>) -> PathBuf {
        self.shelf.files().join(key.as_ref())
    }

    /// Writes an object.
    pub(crate) fn write(&self, key: impl AsRef<str>, bytes: &[u8]) {
        let path = self.file(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// A backup of so many hours ago, proven by nothing.
    pub(crate) fn backup(&self, hours: i64) -> BackupId {
        self.changed(hours, |_| {})
    }

    /// A backup that was restored well ten minutes after it was made.
    pub(crate) fn verified(&self, hours: i64) -> BackupId {
        let id = self.backup(hours);
        self.prove(&id);
        id
    }

    /// A backup of so many hours ago with another manifest than usual.
    pub(crate) fn changed(&self, hours: i64, change: impl FnOnce(&mut Manifest)) -> BackupId {
        let at = noon() - SignedDuration::from_hours(hours);
        let id = BackupId::new(at, u64::try_from(hours).unwrap().to_be_bytes());
        let mut manifest = manifest(&id, at);
        change(&mut manifest);
        for object in &manifest.objects {
            self.write(self.series.object(&id, &object.name), &content(&id));
        }
        self.write(self.series.manifest(&id), &manifest.encode().unwrap().0);
        id
    }

    /// Stores evidence of a good restore.
    pub(crate) fn prove(&self, id: &BackupId) {
        self.evidence(id, 10, |_| {});
    }

    /// Stores evidence from so many minutes after the backup; its key.
    pub(crate) fn evidence(&self, id: &BackupId, minutes: i64, change: impl FnOnce(&mut Evidence)) -> String {
        let bytes = std::fs::read(self.file(self.series.manifest(id))).unwrap();
        let (manifest, sha256) = Manifest::decode(&bytes).unwrap();
        let end = manifest.snapshot_at + SignedDuration::from_mins(minutes);
        let mut evidence = evidence(id, sha256, end);
        change(&mut evidence);
        let key = self.series.evidence(id, end).to_string();
        self.write(&key, &evidence.encode().unwrap().0);
        key
    }

    /// The binary at the fixture's time.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.args(arguments).arg("--test-clock").arg(self.clock.path());
        command.env("PG_BACKUP_STORE", self.shelf.address()).envs(self.shelf.environment());
        command.stdin(Stdio::null());
        command
    }

    /// Runs it to its end.
    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> Done {
        done(&mut self.command(arguments))
    }

    /// Runs a line of bash with `pipefail`, in which `pg-backup` is the binary and `$CLOCK` makes it the fixture's time.
    #[track_caller]
    pub(crate) fn shell(&self, line: &str) -> Done {
        let folder = binary().parent().unwrap().to_owned();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(std::iter::once(folder).chain(std::env::split_paths(&path))).unwrap();
        let mut command = Command::new("bash");
        command.args(["-o", "pipefail", "-c", line]).env("PATH", path);
        command.env("CLOCK", format!("--test-clock {}", self.clock.path().display()));
        command.env("PG_BACKUP_STORE", self.shelf.address()).envs(self.shelf.environment());
        done(command.stdin(Stdio::null()))
    }

    /// Runs it with input.
    #[track_caller]
    pub(crate) fn feed(&self, arguments: &[&str], input: &str) -> Done {
        fed(&mut self.command(arguments), input.as_bytes())
    }

    /// Runs it until it is killed at a fault point.
    #[track_caller]
    pub(crate) fn killed(&self, arguments: &[&str], input: &str, fault: &str) {
        let ended =
            fed(self.command(arguments).env("SLIPWAY_FAULT", format!("{fault}=kill")), input.as_bytes());
        assert_eq!(ended.code, -1, "{fault}: {ended:?}");
    }

    /// The ids that `list` shows, oldest first.
    #[track_caller]
    pub(crate) fn listed(&self) -> Vec<String> {
        let lines = self.run(&["list", "--json"]).expect(0).stdout;
        let lines = lines.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        lines
            .filter(|line| line["type"] == "backup")
            .map(|line| line["id"].as_str().unwrap().to_owned())
            .collect()
    }

    /// The files of the store below the series, without its folder, sorted.
    pub(crate) fn objects(&self) -> Vec<String> {
        names_below(&self.file(self.series.folder()))
    }
}

fn content(id: &BackupId) -> Vec<u8> {
    format!("what {id} holds").into_bytes()
}

fn manifest(id: &BackupId, at: Timestamp) -> Manifest {
    let bytes = content(id);
    let sha256: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let length = u64::try_from(bytes.len()).unwrap();
    let object = |name: &str, role| StoredObject {
        name: name.to_owned(),
        role,
        bytes: length,
        sha256: sha256.clone(),
        plain_bytes: length,
        plain_sha256: sha256.clone(),
    };
    Manifest {
        format: 1,
        id: id.clone(),
        kind: Kind::Dump,
        cluster: Cluster {
            name: "erp".parse().unwrap(),
            system_id: SYSTEM.to_owned(),
            server_version: 150_018,
        },
        database: Some("erp".to_owned()),
        release: None,
        snapshot_at: at,
        started_at: at,
        finished_at: at + SignedDuration::from_mins(5),
        tool: Tool { client: "15.18".to_owned(), pg_backup: "0.1.0".to_owned() },
        objects: vec![object("dump.pgc.zst", Role::Dump), object("toc.txt.zst", Role::Toc)],
        extensions: Vec::new(),
        roles: Vec::new(),
        locale: None,
        recipients: Vec::new(),
        rows: Some(RowTotals { tables: 1, rows: 3 }),
        wal: None,
        database_bytes: DATABASE_BYTES,
        stderr_tail: String::new(),
    }
}

/// A backup made for this release.
pub(crate) fn released(name: &str) -> impl FnOnce(&mut Manifest) {
    let name = name.parse().unwrap();
    |manifest| manifest.release = Some(Release { name, git: None, image: None, migration: None })
}

/// A good restore of 4 minutes.
fn evidence(id: &BackupId, manifest_sha256: String, end: Timestamp) -> Evidence {
    let rows = RowTotals { tables: 1, rows: 3 };
    Evidence {
        format: 1,
        id: id.clone(),
        manifest_sha256,
        level: Level::Restore,
        verdict: Verdict::Good,
        reason: None,
        started_at: end - SignedDuration::from_mins(5),
        finished_at: end,
        restore: Some(RestoreCheck {
            server_version: 150_018,
            restore_s: 240.0,
            database_bytes: DATABASE_BYTES,
            jobs: 1,
            expected: rows,
            found: rows,
            differing: Vec::<Difference>::new(),
            schema: SchemaCheck {
                expected_sha256: "aa".repeat(32),
                found_sha256: "aa".repeat(32),
                differing: Vec::new(),
            },
            indexes: None,
            indexes_skipped: Some("pg_amcheck is not installed".to_owned()),
        }),
        pg_backup: "0.1.0".to_owned(),
    }
}
