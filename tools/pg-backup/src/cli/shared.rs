//! Flags that several commands share, and which backup a command is about.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use clap::{Args, ValueEnum};
use release_common::units::Span;

use crate::layout::{BackupId, Name, NameError};
use crate::store::Location;

/// Where backups are kept.
#[derive(Args, Clone, Debug)]
pub struct StoreArgs {
    /// Where backups are kept: s3://BUCKET/PREFIX, gs://, az:// or a folder
    ///
    /// Keys come from the platform's own chain: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT,
    /// web identity tokens, instance metadata; GOOGLE_* and AZURE_* likewise. Without an address it is the folder
    /// pg-backup in XDG_DATA_HOME or ~/.local/share.
    #[arg(long, value_name = "URL", env = "PG_BACKUP_STORE", hide_env_values = true, value_parser = StoreAddress)]
    pub store: Option<Location>,
    /// Name of the cluster in the store; else the only one there
    #[arg(long, value_name = "NAME", env = "PG_BACKUP_CLUSTER")]
    pub cluster: Option<Name>,
    /// Time to go on trying when the store does not answer
    #[arg(long, value_name = "TIME", default_value = "60s")]
    pub timeout: Span,
}

/// Reads the address of a store, and repeats none that holds a key.
#[derive(Clone, Copy, Debug)]
struct StoreAddress;

impl TypedValueParser for StoreAddress {
    type Value = Location;

    fn parse_ref(
        &self,
        command: &clap::Command,
        _: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<Location, clap::Error> {
        let text = value.to_str().unwrap_or_default();
        text.parse().map_err(|error| {
            // What clap says by itself shows the value.
            clap::Error::raw(ErrorKind::ValueValidation, format!("--store: {error}\n")).with_cmd(command)
        })
    }
}

/// Reads the name of a file, and repeats no address that was given in its place.
#[derive(Clone, Copy, Debug)]
struct AddressFile;

impl TypedValueParser for AddressFile {
    type Value = PathBuf;

    fn parse_ref(
        &self,
        command: &clap::Command,
        _: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<PathBuf, clap::Error> {
        if value.to_string_lossy().contains("://") {
            let text = "--database-url-file: takes the name of a file: everybody can see an address among arguments\n";
            return Err(clap::Error::raw(ErrorKind::ValueValidation, text).with_cmd(command));
        }
        Ok(value.into())
    }
}

/// Which backups of a store are meant.
#[derive(Args, Clone, Debug)]
pub struct SeriesArgs {
    /// Where backups are kept.
    #[command(flatten)]
    pub store: StoreArgs,
    /// The database whose dumps are meant; else the only one in the store
    #[arg(long, value_name = "NAME", env = "PG_BACKUP_DATABASE")]
    pub database: Option<String>,
    /// Mean the base backups instead of dumps
    #[arg(long, conflicts_with = "database")]
    pub base: bool,
}

/// How to reach the database, and with which programs.
#[derive(Args, Clone, Debug)]
pub struct ConnectArgs {
    /// Read the address from this file instead of DATABASE_URL
    #[arg(long, value_name = "FILE", value_parser = AddressFile)]
    pub database_url_file: Option<PathBuf>,
    /// Folder of pg_dump and the others; else the oldest installed that fit
    #[arg(long, value_name = "FOLDER", env = "PG_BACKUP_PG_BIN")]
    pub pg_bin: Option<PathBuf>,
}

/// How objects are stored.
#[derive(Args, Clone, Debug)]
pub struct SealArgs {
    /// Encrypt to this public key of age; may be given several times
    #[arg(long, value_name = "AGE1...")]
    pub recipient: Vec<String>,
    /// Encrypt to the public keys in this file, one a line
    #[arg(long, value_name = "FILE", env = "PG_BACKUP_RECIPIENTS")]
    pub recipients_file: Vec<PathBuf>,
    /// Level of zstd
    #[arg(long, value_name = "LEVEL", default_value_t = 3, value_parser = clap::value_parser!(i32).range(1..=19))]
    pub compression: i32,
}

/// How objects are read.
#[derive(Args, Clone, Debug)]
pub struct IdentityArgs {
    /// File with the secret key of age that decrypts
    #[arg(long, value_name = "FILE", env = "PG_BACKUP_IDENTITY")]
    pub identity: Vec<PathBuf>,
}

/// Flags of `become`.
#[derive(Args, Clone, Debug)]
pub struct BecomeArgs {
    /// The process that it is for
    #[arg(long, value_name = "PID")]
    pub parent: u32,
    /// How the program is told that that process is gone
    #[arg(long, value_name = "SIGNAL")]
    pub last: Last,
    /// Which program
    #[arg(value_name = "PROGRAM")]
    pub program: OsString,
    /// Its arguments
    #[arg(value_name = "ARGUMENT", trailing_var_arg = true, allow_hyphen_values = true)]
    pub arguments: Vec<OsString>,
}

/// What a program is sent when nobody is left to end it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Last {
    /// SIGTERM: client programs give up
    Term,
    /// SIGQUIT: a server stops at once, whoever is connected
    Quit,
}

/// Which backup: its id, or `-` for the id that stdin brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdArg {
    /// This one.
    Id(BackupId),
    /// Whichever stdin names.
    Stdin,
}

impl FromStr for IdArg {
    type Err = NameError;

    fn from_str(text: &str) -> Result<IdArg, NameError> {
        if text == "-" { Ok(IdArg::Stdin) } else { text.parse().map(IdArg::Id) }
    }
}
