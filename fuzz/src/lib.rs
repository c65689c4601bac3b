//! What must hold for every parser of the workspace, whatever text it is given.
//!
//! Each target takes a text, and fails by panicking when its parser panics or breaks a promise: what is read and
//! printed again reads back as itself, and what is refused by rule is never accepted in another spelling.
//! `fuzz_targets/` hands these functions to libFuzzer (nightly, `scripts/soak`); `tests/tests/corpus.rs` includes
//! this very file and replays `corpus/` on stable.

pub mod angular;
pub mod backups;
pub mod connection;
pub mod flags;
pub mod hub;
pub mod jobs;
pub mod manifest;
pub mod quantities;

/// A property over texts.
pub type Target = fn(&str);

/// Every target, by the name of its corpus folder and of its program.
pub const TARGETS: [(&str, Target); 27] = [
    ("additions", flags::additions),
    ("backup_document", backups::backup_document),
    ("backup_name", backups::backup_name),
    ("base_url", flags::base_url),
    ("dsn", connection::dsn),
    ("event", hub::event),
    ("expression", jobs::expression),
    ("http_address", hub::http_address),
    ("jwk", hub::jwk),
    ("jws", hub::jws),
    ("label", hub::label),
    ("location", backups::location),
    ("manifest", manifest::manifest),
    ("manifest_hash", manifest::hash),
    ("name", jobs::name),
    ("ngsw_config", angular::config),
    ("ngsw_previous", angular::previous),
    ("pattern", flags::pattern),
    ("record", hub::record),
    ("specification", jobs::specification),
    ("sums", manifest::sums),
    ("units", quantities::units),
    ("url", manifest::url),
    ("wal_history", backups::wal_history),
    ("wal_name", backups::wal_name),
    ("window", quantities::window),
    ("wire", hub::wire),
];

/// Runs the target `name` over `bytes`; bytes that are no UTF-8 reach no parser. Whether there is such a target.
pub fn run(name: &str, bytes: &[u8]) -> bool {
    let Some((_, target)) = TARGETS.iter().find(|(known, _)| *known == name) else { return false };
    if let Ok(text) = std::str::from_utf8(bytes) {
        target(text);
    }
    true
}
