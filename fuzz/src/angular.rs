//! The parsers for Angular's files: `ngsw-config.json` and the `ngsw.json` of a build before.

use precache_hash::ngsw::{self, Config, Previous, Selection, TimestampSources};

const PATHS: [&str; 6] = ["index.html", "main.js", "assets/a b.svg", "é/😀.js", "%41.txt", ".hidden/x"];
const SHA1: &str = "da39a3ee5e6b4b0d3255bfef95601890afd80709";
const TIMESTAMP_MS: u64 = 1_800_000_000_000;

/// Globs are JavaScript's regular expressions, whose engines backtrack: more wildcards in a row keep V8 busy for ever
/// on one name, and ours as well. Such configurations are only parsed.
const MOST_WILDCARDS: usize = 16;

/// What a configuration makes of some files is a manifest that reads back with its time and its content.
pub fn config(text: &str) {
    for base_href in ["/", "./", "/app/"] {
        let Ok(config) = Config::parse(text, base_href) else { return };
        if text.matches(['*', '{', '\\']).count() > MOST_WILDCARDS {
            continue;
        }
        let selection = Selection::of(&config, PATHS);
        let _ = ngsw::unreachable(&config, &selection);
        let rendered = ngsw::render(&config, &selection, TIMESTAMP_MS, |_| Some(SHA1));
        let Ok(rendered) = rendered else { panic_because("a selected file was not hashed") };
        assert!(serde_json::from_str::<serde_json::Value>(&rendered).is_ok(), "not JSON: {rendered}");
        let Ok(previous) = Previous::parse(&rendered) else {
            panic_because("our manifest does not read back")
        };
        assert_eq!(previous.timestamp_ms(), TIMESTAMP_MS);
        assert!(previous.has_content_of(&rendered));
    }
}

/// The manifest of an earlier build gives a time that a new one may carry; so does the first line as an epoch.
pub fn previous(text: &str) {
    if let Ok(previous) = Previous::parse(text) {
        let sources =
            TimestampSources { given_ms: Some(previous.timestamp_ms()), source_date_epoch: None, now_ms: 0 };
        assert_eq!(sources.choose(), Ok(previous.timestamp_ms()));
        assert!(!previous.has_content_of(""));
    }
    let sources = TimestampSources { given_ms: None, source_date_epoch: Some(text), now_ms: 1 };
    if let Ok(milliseconds) = sources.choose() {
        assert_eq!(milliseconds % 1000, 0);
    }
}

fn panic_because(reason: &str) -> ! {
    #![allow(clippy::panic, reason = "a broken promise is what a target reports")]
    panic!("{reason}")
}
