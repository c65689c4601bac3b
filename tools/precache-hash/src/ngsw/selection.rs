//! Which files of the build belong to which asset group: Angular's `Generator.processAssetGroups`.
//! A file goes to the first group whose list covers it; within a list a later `!` removes and a later glob adds again.

use super::config::{AssetGroup, Config};
use std::cmp::Ordering;

/// The files of every asset group, in the order of the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    groups: Vec<Vec<String>>,
    unused: Vec<UnusedGlob>,
}

/// A glob that should add files but covers none of the build: often a missing leading slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnusedGlob {
    /// Name of the asset group.
    pub group: String,
    /// The glob as written.
    pub glob: String,
}

impl Selection {
    /// Applies the configuration to paths of the form `assets/logo.svg`, relative to the build folder.
    pub fn of<'p>(config: &Config, paths: impl IntoIterator<Item = &'p str>) -> Self {
        let mut used: Vec<_> =
            config.asset_groups.iter().map(|group| vec![false; group.files.len()]).collect();
        let mut groups = vec![Vec::new(); config.asset_groups.len()];
        for path in paths {
            let path = format!("/{path}");
            let units: Vec<u16> = path.encode_utf16().collect();
            let mut is_taken = false;
            for ((group, used), files) in config.asset_groups.iter().zip(&mut used).zip(&mut groups) {
                if takes(group, &units, used, is_taken) {
                    is_taken = true;
                    files.push(path.clone());
                }
            }
        }
        for files in &mut groups {
            files.sort_by(|a: &String, b: &String| utf16_order(a, b));
            files.dedup();
        }
        Selection { groups, unused: unused_globs(config, &used) }
    }

    /// The selected files as paths relative to the build folder: exactly these need a hash.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().flatten().map(|path| path.trim_start_matches('/'))
    }

    /// The globs that cover nothing.
    pub fn unused(&self) -> &[UnusedGlob] {
        &self.unused
    }

    /// The files of each group, with a leading slash, sorted as JavaScript sorts strings.
    pub(crate) fn groups(&self) -> &[Vec<String>] {
        &self.groups
    }
}

/// The order of JavaScript's `sort()`: by UTF-16 code unit, which puts `😀` before `ﬀ`.
///
/// UTF-8 sorts by code point. The two orders differ only in that characters from U+E000 on, whose first byte is 0xEE or
/// 0xEF, come after the surrogates of U+10000 and above, whose first byte is 0xF0 to 0xF4.
pub(crate) fn utf16_order(a: &str, b: &str) -> Ordering {
    let rank = |byte: u8| if matches!(byte, 0xee | 0xef) { byte + 0x10 } else { byte };
    a.bytes().map(rank).cmp(b.bytes().map(rank))
}

/// Whether a group takes a path that is not taken yet; on the way it notes which globs cover it.
fn takes(group: &AssetGroup, path: &[u16], used: &mut [bool], is_taken: bool) -> bool {
    let mut is_match = false;
    for (glob, used) in group.files.iter().zip(used) {
        // A glob that was used once need not be tried again where it cannot change the answer.
        if *used && (is_taken || is_match == glob.is_positive()) {
            continue;
        }
        if glob.covers(path) {
            *used = true;
            is_match = glob.is_positive();
        }
    }
    is_match && !is_taken
}

fn unused_globs(config: &Config, used: &[Vec<bool>]) -> Vec<UnusedGlob> {
    let mut unused = Vec::new();
    for (group, used) in config.asset_groups.iter().zip(used) {
        for (glob, _) in group.files.iter().zip(used).filter(|(glob, used)| glob.is_positive() && !**used) {
            unused.push(UnusedGlob { group: group.name.clone(), glob: glob.text().into() });
        }
    }
    unused
}

#[cfg(test)]
mod tests {
    use super::*;

    fn select(groups: &[&[&str]], paths: &[&str]) -> Selection {
        let groups: Vec<_> = groups
            .iter()
            .map(|files| format!(r#"{{"name":"g","resources":{{"files":{files:?}}}}}"#))
            .collect();
        let text = format!(r#"{{"index":"/","assetGroups":[{}]}}"#, groups.join(","));
        Selection::of(&Config::parse(&text, "/").unwrap(), paths.iter().copied())
    }

    const EDGES: &str = "[aé\u{d7ff}\u{e000}\u{ffff}\u{10000}\u{10ffff}]{0,4}";

    proptest::proptest! {
        #[test]
        fn orders_as_utf16_does(a in EDGES, b in EDGES) {
            proptest::prop_assert_eq!(utf16_order(&a, &b), a.encode_utf16().cmp(b.encode_utf16()));
        }
    }

    #[test]
    fn gives_a_file_to_the_first_group_that_covers_it() {
        let selection = select(&[&["/*.js"], &["/**"]], &["b.css", "a.js", "c/a.js"]);
        assert_eq!(selection.groups(), [vec!["/a.js"], vec!["/b.css", "/c/a.js"]]);
        assert_eq!(selection.paths().collect::<Vec<_>>(), ["a.js", "b.css", "c/a.js"]);
    }

    #[test]
    fn lets_a_later_item_of_the_list_decide() {
        let selection = select(&[&["!/a.js", "/**", "!/*.map", "/keep.map"]], &["a.js", "x.map", "keep.map"]);
        assert_eq!(selection.groups(), [vec!["/a.js", "/keep.map"]]);
    }

    #[test]
    fn names_globs_that_cover_nothing() {
        let selection = select(&[&["/**", "favicon.ico", "!/*.map"], &["/a.js"]], &["a.js"]);
        let unused: Vec<_> = selection.unused().iter().map(|unused| unused.glob.as_str()).collect();
        assert_eq!(unused, ["favicon.ico"]);
    }

    #[test]
    fn sorts_by_utf16_code_unit_and_lists_once() {
        let selection = select(&[&["/**"]], &["ﬀ.js", "😀.js", "é.js", "z.js", "é.js"]);
        assert_eq!(selection.groups(), [vec!["/z.js", "/é.js", "/😀.js", "/ﬀ.js"]]);
    }
}
