//! Encryption by `age` (<https://age-encryption.org/v1>): backups are made with public keys alone; only who restores has
//! the identity.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use age::x25519;

use crate::error::Error;

/// Whom objects are encrypted to; nobody leaves them plain.
#[derive(Clone, Debug, Default)]
pub struct Recipients(Vec<x25519::Recipient>);

/// What decrypts objects; may be empty.
#[derive(Clone, Default)]
pub struct Identities(Arc<Vec<Box<dyn age::Identity + Send + Sync>>>);

impl Recipients {
    /// Those named on the command line and those in files, one a line, as `age -R` reads them.
    ///
    /// # Errors
    /// When one is no recipient, or a file cannot be read.
    pub fn read(named: &[String], files: &[PathBuf]) -> Result<Recipients, Error> {
        let mut recipients = Vec::new();
        for text in named {
            recipients.push(parse(text, "--recipient")?);
        }
        for file in files {
            let text = read(file)?;
            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
            let before = recipients.len();
            for line in lines {
                recipients.push(parse(line, &file.display().to_string())?);
            }
            if recipients.len() == before {
                return Err(Error::Recipient {
                    place: file.display().to_string(),
                    reason: "names no recipient",
                });
            }
        }
        Ok(Recipients(recipients))
    }

    /// Whether objects stay plain.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Their public keys.
    pub fn shown(&self) -> Vec<String> {
        self.0.iter().map(ToString::to_string).collect()
    }

    /// Encrypts what is written until [`Encrypted::finish`].
    ///
    /// # Errors
    /// Those of the writer.
    pub fn encrypt<W: Write>(&self, writer: W) -> io::Result<Encrypted<W>> {
        if self.is_empty() {
            return Ok(Encrypted::Plain(writer));
        }
        let recipients = self.0.iter().map(|recipient| recipient as &dyn age::Recipient);
        let encryptor = age::Encryptor::with_recipients(recipients).map_err(io::Error::other)?;
        Ok(Encrypted::Age(Box::new(encryptor.wrap_output(writer)?)))
    }
}

fn parse(text: &str, place: &str) -> Result<x25519::Recipient, Error> {
    let reason = if text.starts_with("AGE-SECRET-KEY-") {
        "is a secret key: backups need the public one, which begins with age1"
    } else {
        "is no public key of age, which begins with age1"
    };
    text.parse().map_err(|_| Error::Recipient { place: place.to_owned(), reason })
}

fn read(file: &Path) -> Result<String, Error> {
    std::fs::read_to_string(file).map_err(|source| Error::KeyFile { path: file.to_owned(), source })
}

/// A writer that encrypts, or does not.
pub enum Encrypted<W: Write> {
    /// Nobody to encrypt to.
    Plain(W),
    /// In the format of age.
    Age(Box<age::stream::StreamWriter<W>>),
}

impl<W: Write> Encrypted<W> {
    /// Writes what is left and gives the writer back; without it, no reader accepts the end.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn finish(self) -> io::Result<W> {
        match self {
            Encrypted::Plain(writer) => Ok(writer),
            Encrypted::Age(writer) => writer.finish(),
        }
    }
}

impl<W: Write> Write for Encrypted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Encrypted::Plain(writer) => writer.write(bytes),
            Encrypted::Age(writer) => writer.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Encrypted::Plain(writer) => writer.flush(),
            Encrypted::Age(writer) => writer.flush(),
        }
    }
}

impl Identities {
    /// Those in the files, as `age -i` reads them.
    ///
    /// # Errors
    /// When a file cannot be read or holds none.
    pub fn read(files: &[PathBuf]) -> Result<Identities, Error> {
        let mut identities: Vec<Box<dyn age::Identity + Send + Sync>> = Vec::new();
        for file in files {
            let text = read(file)?;
            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
            for line in lines {
                let identity: x25519::Identity =
                    line.parse().map_err(|_| Error::Identity { path: file.clone() })?;
                identities.push(Box::new(identity));
            }
        }
        Ok(Identities(Arc::new(identities)))
    }

    /// Whether nothing encrypted can be read.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Decrypts what is read.
    ///
    /// # Errors
    /// When no identity fits (`PermissionDenied`: the keys may be wrong and not the file), the file is not one of age, or
    /// it cannot be read; damage further on is told while reading.
    pub fn decrypt<R: Read + 'static>(&self, reader: R) -> io::Result<impl Read + use<R>> {
        let failed = |error: age::DecryptError| match error {
            age::DecryptError::Io(source) => source,
            age::DecryptError::NoMatchingKeys => {
                io::Error::new(io::ErrorKind::PermissionDenied, "none of the identities fits")
            }
            // Its own words come from files of translations, which a debug build reads while it runs.
            other => io::Error::new(
                io::ErrorKind::InvalidData,
                format!("is no file of age, or damaged ({other:?})"),
            ),
        };
        let decryptor = age::Decryptor::new(reader).map_err(failed)?;
        let identities = self.0.iter().map(|identity| &**identity as &dyn age::Identity);
        decryptor.decrypt(identities).map_err(failed)
    }
}

impl std::fmt::Debug for Identities {
    /// Never the keys.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Identities({})", self.0.len())
    }
}
