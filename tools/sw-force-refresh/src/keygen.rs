//! `keygen`: a new key pair as two JWK files.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use release_common::output::{Format, JsonLines};
use release_common::{Context, Outcome, files};
use serde_json::json;

use crate::cli::KeygenArgs;
use crate::error::Error;
use crate::keys::{Jwk, SigningKey};
use crate::secrets;

/// Writes `NAME.private.jwk` and `NAME.public.jwk`.
pub(crate) fn run(args: &KeygenArgs, context: &mut Context) -> Result<Outcome, Error> {
    let (private, public) = (with_suffix(&args.out, ".private.jwk"), with_suffix(&args.out, ".public.jwk"));
    if !args.yes {
        for path in [&private, &public] {
            if path.symlink_metadata().is_ok() {
                return Err(Error::KeyExists(path.clone()));
            }
        }
    }
    let key = SigningKey::generate().map_err(Error::NoKey)?;
    secrets::write_private(&private, text(&key.to_private_jwk()).as_bytes())?;
    files::write_atomically(&public, text(&key.public().to_jwk()).as_bytes())
        .map_err(|source| Error::Unwritable { path: public.clone(), source })?;
    report(args, &key, &private, &public, context)?;
    Ok(Outcome::Good)
}

fn report(
    args: &KeygenArgs,
    key: &SigningKey,
    private: &Path,
    public: &Path,
    context: &mut Context,
) -> Result<(), Error> {
    let out = context.stdout();
    match args.report.format() {
        Format::Json => JsonLines::new(out).write(&json!({
            "type": "summary",
            "kid": key.kid(),
            "private": private.to_string_lossy(),
            "public": public.to_string_lossy(),
        }))?,
        Format::Human | Format::Github => {
            writeln!(out, "kid      {}", key.kid())?;
            writeln!(
                out,
                "private  {} (signs updates: keep it in the pipeline's secrets)",
                private.display()
            )?;
            writeln!(out, "public   {} (for serve --verify-key and for browsers)", public.display())?;
        }
    }
    Ok(())
}

fn text(jwk: &Jwk) -> String {
    // A key of strings always serializes.
    let mut text = serde_json::to_string(jwk).unwrap_or_default();
    text.push('\n');
    text
}

fn with_suffix(name: &Path, suffix: &str) -> PathBuf {
    let mut path: OsString = name.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}
