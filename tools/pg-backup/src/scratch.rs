//! A PostgreSQL of our own, in a private folder, that lives as long as one verification.
//!
//! It listens on a socket in its folder alone, which only its account and ours can enter, and trusts whoever gets there.
//! Nothing in it survives: durability is off, and when the value is dropped the server is stopped and the folder removed.
//! Only `kill -9` of us leaves it; then [`sweep`] finds it by its [`marker`].

mod marker;
mod settings;

use std::fs::File;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child as Process, Command, Stdio};
use std::time::{Duration, Instant};

use release_postgres::Database;
use rustix::process::{Pid, Signal, kill_process};

pub(crate) use self::marker::{Marker, end_servers_in, sweep};
pub(crate) use self::settings::Size;
use crate::account::Account;
use crate::child::Child;
use crate::error::Error;
use crate::programs::Programs;
use crate::server::Server;

/// Who restores: a name that no source has, so that nothing in the backup changes its rights.
const RESTORER: &str = "slipway_scratch";
/// Starting takes a tenth of a second; a busy machine may need many times that.
const START_LIMIT: Duration = Duration::from_secs(60);
/// The postmaster itself kills what is left of its processes after five seconds.
const STOP_LIMIT: Duration = Duration::from_secs(8);
/// Between two looks at a server that starts or stops.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// The longest path of a socket, `sun_path` of unix(7), without its end and the socket's own name.
const SOCKET_FOLDER_LIMIT: usize = 107 - "/.s.PGSQL.5432".len();

/// What is needed.
#[derive(Clone, Debug)]
pub(crate) struct Wish<'a> {
    /// Where its folder is made; else `TMPDIR` or `/tmp`.
    pub(crate) parent: Option<&'a Path>,
    /// The account that it runs as when this is root.
    pub(crate) user: &'a str,
    /// Whose programs.
    pub(crate) programs: Programs,
    /// How much it must hold.
    pub(crate) size: Size,
}

/// A running server. Dropped, it is gone.
#[derive(Debug)]
pub(crate) struct Scratch {
    // Dropped in this order: the server before its files.
    postmaster: Postmaster,
    folders: Vec<tempfile::TempDir>,
    socket: PathBuf,
}

impl Scratch {
    /// Makes a cluster and starts it.
    ///
    /// # Errors
    /// When a program is missing or fails, or the account cannot be used.
    pub(crate) async fn start(wish: &Wish<'_>) -> Result<Scratch, Error> {
        let (initdb, postgres) = (wish.programs.require("initdb")?, wish.programs.require("postgres")?);
        let account = Account::find(wish.user, "--scratch-user")?;
        let parent = folder_for_scratch(wish.parent);
        let main = private_folder(&parent, &account)?;
        let mut folders = vec![main];
        let mut socket = folders.first().map(|main| main.path().to_owned()).unwrap_or_default();
        if socket.as_os_str().len() > SOCKET_FOLDER_LIMIT {
            let short = private_folder(Path::new("/tmp"), &account)?;
            socket = short.path().to_owned();
            folders.push(short);
        }
        let folder = folders.first().map(|main| main.path().to_owned()).unwrap_or_default();
        for made in &folders {
            Marker::of_this_process().write(made.path())?;
            account.own(made.path()).map_err(file_error(made.path(), "giving it away"))?;
        }
        init(&initdb, &folder, &account).await?;
        settings::write(&folder, &socket, wish.size)?;
        let postmaster = Postmaster::start(&postgres, &folder, &account)?;
        let mut scratch = Scratch { postmaster, folders, socket };
        scratch.wait_until_ready().await?;
        Ok(scratch)
    }

    /// Its folder, where an archive may be put.
    pub(crate) fn folder(&self) -> &Path {
        self.folders.first().map_or(Path::new(""), tempfile::TempDir::path)
    }

    /// The way to one of its databases.
    ///
    /// # Errors
    /// Never for a name that has no zero in it.
    pub(crate) fn database(&self, name: &str) -> Result<Database, Error> {
        self.database_as(name, RESTORER)
    }

    /// A session in one of its databases.
    ///
    /// # Errors
    /// When it is gone.
    pub(crate) async fn connect(&self, name: &str) -> Result<Server, Error> {
        Server::connect(self.database(name)?).await
    }

    fn database_as(&self, name: &str, user: &str) -> Result<Database, Error> {
        let host = settings::escaped(&self.socket.to_string_lossy());
        let address = format!(
            "postgres:///{}?host={host}&port=5432&user={user}&sslmode=disable",
            settings::escaped(name)
        );
        Database::from_dsn(&address, "pg-backup").map_err(|source| Error::Address(Box::new(source)))
    }

    async fn wait_until_ready(&mut self) -> Result<(), Error> {
        let database = self.database_as("postgres", "postgres")?;
        let deadline = Instant::now() + START_LIMIT;
        loop {
            match Server::connect(database.clone()).await {
                Ok(mut server) => {
                    let statement = format!("create role {RESTORER} superuser login");
                    return server.send::<()>("making a role", &statement).await.map(drop);
                }
                Err(error) if self.postmaster.has_ended() || Instant::now() > deadline => {
                    return Err(self.failure(&error));
                }
                Err(_) => tokio::time::sleep(LOOK_AGAIN).await,
            }
        }
    }

    fn failure(&self, error: &Error) -> Error {
        let log = std::fs::read_to_string(self.folder().join("log")).unwrap_or_default();
        let last = log.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
        Error::Failed {
            what: format!(
                "the scratch cluster cannot be started: {}",
                if last.is_empty() { error.to_string() } else { last.to_owned() }
            ),
            reason: "scratch",
            hint: "name another folder with --scratch, or another account with --scratch-user".to_owned(),
        }
    }
}

/// Where scratch clusters are made unless a folder is named.
pub(crate) fn folder_for_scratch(named: Option<&Path>) -> PathBuf {
    named.map_or_else(std::env::temp_dir, Path::to_owned)
}

/// A folder that nobody else can enter, not yet the account's.
fn private_folder(parent: &Path, account: &Account) -> Result<tempfile::TempDir, Error> {
    let failed = |source| Error::File { path: parent.to_owned(), doing: "making a folder", source };
    account.require_entry(parent)?;
    let parent = parent.canonicalize().map_err(failed)?;
    let made = tempfile::Builder::new()
        .prefix(&marker::folder_prefix())
        .permissions(std::fs::Permissions::from_mode(0o700))
        .tempdir_in(parent);
    made.map_err(failed)
}

async fn init(initdb: &Path, folder: &Path, account: &Account) -> Result<(), Error> {
    let mut command = own_command(initdb, folder, account);
    command.args(["--pgdata=data", "--username=postgres", "--auth=trust", "--no-sync", "--no-instructions"]);
    command.args(["--encoding=UTF8", "--locale=C"]).stdin(Stdio::null()).stdout(Stdio::null());
    Child::start(command)?.wait().await?.success().map(drop)
}

/// A program as the account, in the folder, that knows nothing of our surroundings and gets no signal of our terminal.
fn own_command(program: &Path, folder: &Path, account: &Account) -> Command {
    let mut command = Command::new(program);
    // Ours may hold keys of the store and a password: they are not its business.
    command.env_clear();
    for name in ["PATH", "TZ", "TZDIR", "LD_LIBRARY_PATH"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.env("LC_ALL", "C").env("HOME", folder).current_dir(folder).process_group(0);
    account.apply(&mut command);
    command
}

/// The server process.
#[derive(Debug)]
struct Postmaster(Process);

impl Postmaster {
    fn start(postgres: &Path, folder: &Path, account: &Account) -> Result<Postmaster, Error> {
        let path = folder.join("log");
        let failed = |source| Error::File { path: path.clone(), doing: "making it", source };
        let log = File::create(&path).map_err(failed)?;
        let mut command = own_command(postgres, folder, account);
        command.args(["-D", "data"]).stdin(Stdio::null());
        command.stdout(log.try_clone().map_err(failed)?).stderr(log);
        let started = command.spawn();
        started.map(Postmaster).map_err(|source| Error::Start { path: postgres.to_owned(), source })
    }

    fn has_ended(&mut self) -> bool {
        !matches!(self.0.try_wait(), Ok(None))
    }
}

impl Drop for Postmaster {
    fn drop(&mut self) {
        let pid = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw);
        // As by a crash: nothing of it is needed any more.
        let _ = pid.map(|pid| kill_process(pid, Signal::QUIT));
        let deadline = Instant::now() + STOP_LIMIT;
        while !self.has_ended() {
            if Instant::now() > deadline {
                let _ = self.0.kill();
                let _ = self.0.wait();
                return;
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }
}

/// The error of a file operation on a path.
fn file_error(path: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> Error + use<> {
    let path = path.to_owned();
    move |source| Error::File { path, doing, source }
}
