//! Puts a manifest into a service worker: a pure replacement of exactly one injection point.
//!
//! The result is the text that workbox-build's `injectManifest` writes for the same array.

use precache_manifest::{Entry, Manifest, ManifestHash, write};
use serde::Serialize;
use thiserror::Error;

/// A worker that cannot take the manifest.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum InjectError {
    /// The point is not there.
    #[error("has no injection point `{0}`")]
    NoPoint(String),
    /// The point is there more than once.
    #[error("has {count} injection points `{point}`, on lines {lines}")]
    ManyPoints {
        /// The text looked for.
        point: String,
        /// How often it stands there.
        count: usize,
        /// Where, counted from one.
        lines: String,
    },
    /// The injection would shift what the map describes.
    #[error("refers to the source map `{0}`, which the injection would make wrong")]
    SourceMap(String),
}

impl InjectError {
    /// The next step.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            InjectError::NoPoint(_) => {
                "is it the source worker, or one that was injected already? --at names another point"
                    .to_owned()
            }
            InjectError::ManyPoints { .. } => "keep the one that is handed to precacheAndRoute".to_owned(),
            InjectError::SourceMap(_) => {
                "build the worker without a map, or drop the reference with --drop-source-map".to_owned()
            }
        })
    }
}

const MAP_MARK: &str = "//# sourceMappingURL=";

/// `worker` with the workbox array of `entries` at `point`.
///
/// # Errors
/// When the point does not stand there exactly once, or a source map would become wrong.
pub fn inject(
    worker: &str,
    entries: &[Entry],
    point: &str,
    drop_source_map: bool,
) -> Result<String, InjectError> {
    let places: Vec<usize> = worker.match_indices(point).map(|(place, _)| place).collect();
    let line = |place: &usize| worker.bytes().take(*place).filter(|byte| *byte == b'\n').count() + 1;
    match places.as_slice() {
        [_] => (),
        [] => return Err(InjectError::NoPoint(point.to_owned())),
        many => {
            let lines: Vec<String> = many.iter().map(|place| line(place).to_string()).collect();
            let (point, lines) = (point.to_owned(), lines.join(", "));
            return Err(InjectError::ManyPoints { point, count: many.len(), lines });
        }
    }
    let injected = worker.replacen(point, &write::workbox(entries), 1);
    match source_map(worker) {
        None => Ok(injected),
        Some(_) if drop_source_map => Ok(without_source_map(&injected)),
        Some(map) => Err(InjectError::SourceMap(map.to_owned())),
    }
}

/// The map that `worker` refers to, unless it is embedded, which no tool reads after deployment.
fn source_map(worker: &str) -> Option<&str> {
    let line = worker.lines().rev().find(|line| line.starts_with(MAP_MARK))?;
    let url = line.strip_prefix(MAP_MARK)?.trim();
    (!url.starts_with("data:")).then_some(url)
}

fn without_source_map(worker: &str) -> String {
    worker.split_inclusive('\n').filter(|line| !line.starts_with(MAP_MARK)).collect()
}

#[derive(Serialize)]
struct Version<'a> {
    manifest_hash: ManifestHash,
    release: &'a str,
}

/// The content of `version.json`, from which the browser learns the hash it should run.
pub fn version_json(hash: ManifestHash, release: &str) -> String {
    let text = serde_json::to_string(&Version { manifest_hash: hash, release }).unwrap_or_default();
    text + "\n"
}

/// The script that tells a page the hash it was built with, by a `<meta name="manifest-hash">`.
pub fn page_hash_script(hash: ManifestHash) -> String {
    format!(
        "document.head.append(Object.assign(document.createElement('meta'),\
         {{name:'manifest-hash',content:'{}'}}));\n",
        hash.prefixed()
    )
}

/// `manifest` with an entry for the page-hash script at `url`. Its revision is the manifest hash, so that the
/// script is fetched with each release although it is no part of the hash.
pub fn with_page_hash(manifest: &Manifest, url: &str, hash: ManifestHash) -> Vec<Entry> {
    let script = Entry { url: url.to_owned(), revision: Some(hash.to_string()), ..Entry::default() };
    let mut entries: Vec<Entry> = manifest.entries.iter().filter(|entry| entry.url != url).cloned().collect();
    let place = entries.partition_point(|entry| entry.url.as_str() < url);
    entries.insert(place, script);
    entries
}

#[cfg(test)]
mod tests {
    use super::{
        Entry, InjectError, Manifest, ManifestHash, inject, page_hash_script, version_json, with_page_hash,
    };

    fn entry(url: &str) -> Entry {
        Entry { url: url.into(), revision: Some("1".into()), ..Entry::default() }
    }

    const POINT: &str = "self.__WB_MANIFEST";

    #[test]
    fn the_point_is_replaced_literally() {
        let injected = inject("f(self.__WB_MANIFEST);$&", &[entry("$&$1")], POINT, false);
        assert_eq!(injected.unwrap(), r#"f([{"revision":"1","url":"$&$1"}]);$&"#);
    }

    #[test]
    fn no_point_and_many_points_are_refused() {
        assert_eq!(inject("f([])", &[], POINT, false), Err(InjectError::NoPoint(POINT.into())));
        let error = inject("self.__WB_MANIFEST\n\nself.__WB_MANIFEST", &[], POINT, false).unwrap_err();
        assert_eq!(error.to_string(), "has 2 injection points `self.__WB_MANIFEST`, on lines 1, 3");
    }

    #[test]
    fn a_source_map_is_never_made_wrong_silently() {
        let worker = "f(self.__WB_MANIFEST)\n//# sourceMappingURL=sw.js.map\n";
        assert_eq!(inject(worker, &[], POINT, false), Err(InjectError::SourceMap("sw.js.map".into())));
        assert_eq!(inject(worker, &[], POINT, true).unwrap(), "f([])\n");
        assert!(inject(&worker.replace("sw.js.map", "data:x"), &[], POINT, false).is_ok());
    }

    #[test]
    fn files_for_the_browser_carry_the_prefixed_hash() {
        let hash = ManifestHash::from_bytes([0xab; 32]);
        let hex = "ab".repeat(32);
        let version = format!("{{\"manifest_hash\":\"sha256:{hex}\",\"release\":\"1\\\"\"}}\n");
        assert_eq!(version_json(hash, "1\""), version);
        assert!(page_hash_script(hash).contains(&format!("content:'sha256:{hex}'")));
        let manifest = Manifest::new(vec![entry("a"), entry("z")]).unwrap();
        let urls: Vec<String> =
            with_page_hash(&manifest, "m.js", hash).into_iter().map(|entry| entry.url).collect();
        assert_eq!(urls, ["a", "m.js", "z"]);
    }
}
