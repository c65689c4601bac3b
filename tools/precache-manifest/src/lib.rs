//! The precache manifest: which URLs a release consists of, and the one hash that stands for all of them.
//!
//! The **manifest hash** is the SHA-256 of the release's checksum lines (`HEX  path`, as `sha256sum` writes them)
//! sorted by bytes, so anybody can recompute it in a shell. Two releases with equal hashes have equal files; the
//! browser, the force-refresh hub and the traffic shifter compare nothing else. Around it this crate knows the
//! entries of a manifest, how file names become URLs, the formats that service workers read, and what differs
//! between two releases. It has no input, output, clock or network, and the first module builds for the browser.

mod manifest_hash;

#[cfg(feature = "hashing")]
pub mod digest;
#[cfg(feature = "hashing")]
pub mod md5_lanes;

#[cfg(feature = "formats")]
pub mod difference;
#[cfg(feature = "formats")]
pub mod entry;
#[cfg(feature = "hashing")]
pub mod read;
#[cfg(feature = "hashing")]
pub mod sums;
#[cfg(feature = "formats")]
pub mod url;
#[cfg(feature = "formats")]
pub mod write;

#[cfg(feature = "formats")]
pub use entry::{Algorithm, Entry, Manifest};
pub use manifest_hash::{ManifestHash, ManifestHashError};
