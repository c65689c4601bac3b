//! `ngsw.json` of Angular's service worker, byte for byte what `ngsw-config` of `@angular/service-worker` 22 writes.
//!
//! Pure: the text of `ngsw-config.json`, paths, hashes and a time go in, the text of `ngsw.json` comes out.
//! 1. [`Config::parse`] reads the configuration; a mistake is named with its line and field.
//! 2. [`Selection::of`] tells which files belong to which group; only those need a SHA-1.
//! 3. [`unreachable`] and [`Selection::unused`] say what is suspicious.
//! 4. [`TimestampSources::choose`] and [`Previous`] settle the time, [`render`] writes.
//!
//! Where Angular would silently produce something else than was meant (unknown fields, half-read durations, globs
//! that are no regular expression), the configuration is refused. What is accepted gives equal bytes.

mod config;
mod duration;
mod glob;
mod json;
mod manifest;
mod parse;
mod reachable;
mod schema;
mod selection;
mod stringify;
mod timestamp;

pub use config::Config;
pub use manifest::{MissingHash, render};
pub use reachable::{Unreachable, unreachable};
pub use schema::{ConfigError, Problem};
pub use selection::{Selection, UnusedGlob};
pub use timestamp::{Previous, PreviousError, TimestampError, TimestampSources};

/// The manifest of a build: with the time of the previous manifest if nothing else differs from it.
pub fn manifest<'h>(
    config: &Config,
    selection: &Selection,
    previous: Option<&Previous>,
    timestamp_ms: u64,
    sha1_of: impl Fn(&str) -> Option<&'h str>,
) -> Result<String, MissingHash> {
    if let Some(previous) = previous {
        let unchanged = render(config, selection, previous.timestamp_ms(), &sha1_of)?;
        if previous.has_content_of(&unchanged) {
            return Ok(unchanged);
        }
    }
    render(config, selection, timestamp_ms, &sha1_of)
}

#[cfg(test)]
mod tests;
