//! The bytes of `ngsw.json`: `Generator.process` of `packages/service-worker/config/src/generator.ts` followed by
//! `JSON.stringify(control, null, 2)`, in the same order of keys and with undefined ones left out.

use super::config::{AssetGroup, Config, DataGroup};
use super::selection::{Selection, utf16_order};
use super::stringify::Writer;

/// A file was selected, but no hash came for it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: selected by ngsw-config.json, but not hashed")]
pub struct MissingHash {
    /// The file, relative to the build folder.
    pub path: String,
}

/// Writes the manifest. `sha1_of` gives the lower-case hex SHA-1 of a path of [`Selection::paths`].
pub fn render<'h>(
    config: &Config,
    selection: &Selection,
    timestamp_ms: u64,
    sha1_of: impl Fn(&str) -> Option<&'h str>,
) -> Result<String, MissingHash> {
    let hash_table = hash_table(config, selection, sha1_of)?;
    let mut w = Writer::default();
    w.object(|w| {
        w.key("configVersion");
        w.number(1.0);
        w.key("timestamp");
        w.integer(timestamp_ms);
        if let Some(app_data) = &config.app_data {
            w.key("appData");
            w.node(app_data);
        }
        w.key("index");
        w.text(&config.index);
        w.key("assetGroups");
        asset_groups(w, config, selection);
        w.key("dataGroups");
        data_groups(w, &config.data_groups);
        w.key("hashTable");
        w.object(|w| hash_table.iter().for_each(|(url, sha1)| text_member(w, url, sha1)));
        w.key("navigationUrls");
        navigation_urls(w, &config.navigation_urls);
        text_member(w, "navigationRequestStrategy", config.navigation_request_strategy);
        number_member(w, "applicationMaxAge", config.application_max_age);
    });
    Ok(w.finish())
}

fn hash_table<'h>(
    config: &Config,
    selection: &Selection,
    sha1_of: impl Fn(&str) -> Option<&'h str>,
) -> Result<Vec<(String, &'h str)>, MissingHash> {
    let mut table = Vec::new();
    for path in selection.paths() {
        let sha1 = sha1_of(path).ok_or_else(|| MissingHash { path: path.into() })?;
        table.push((config.url(&format!("/{path}")), sha1));
    }
    table.sort_by(|(a, _), (b, _)| utf16_order(a, b));
    Ok(table)
}

fn asset_groups(w: &mut Writer, config: &Config, selection: &Selection) {
    w.array(|w| {
        for (group, files) in config.asset_groups.iter().zip(selection.groups()) {
            w.item();
            w.object(|w| asset_group(w, config, group, files));
        }
    });
}

fn asset_group(w: &mut Writer, config: &Config, group: &AssetGroup, files: &[String]) {
    text_member(w, "name", &group.name);
    text_member(w, "installMode", group.install_mode);
    text_member(w, "updateMode", group.update_mode);
    cache_query_options(w, group.ignore_search);
    w.key("urls");
    w.array(|w| {
        for path in files {
            w.item();
            w.text(&config.url(path));
        }
    });
    w.key("patterns");
    w.texts(group.patterns.iter().map(String::as_str));
}

fn data_groups(w: &mut Writer, groups: &[DataGroup]) {
    w.array(|w| {
        for group in groups {
            w.item();
            w.object(|w| data_group(w, group));
        }
    });
}

fn data_group(w: &mut Writer, group: &DataGroup) {
    text_member(w, "name", &group.name);
    w.key("patterns");
    w.texts(group.patterns.iter().map(String::as_str));
    text_member(w, "strategy", group.strategy);
    number_member(w, "maxSize", Some(group.max_size));
    number_member(w, "maxAge", Some(group.max_age));
    number_member(w, "timeoutMs", group.timeout);
    number_member(w, "refreshAheadMs", group.refresh_ahead);
    boolean_member(w, "cacheOpaqueResponses", group.cache_opaque_responses);
    cache_query_options(w, group.ignore_search);
    number_member(w, "version", Some(group.version));
}

fn cache_query_options(w: &mut Writer, ignore_search: Option<bool>) {
    w.key("cacheQueryOptions");
    w.object(|w| {
        boolean_member(w, "ignoreVary", Some(true));
        boolean_member(w, "ignoreSearch", ignore_search);
    });
}

fn navigation_urls(w: &mut Writer, urls: &[(bool, String)]) {
    w.array(|w| {
        for (is_positive, regex) in urls {
            w.item();
            w.object(|w| {
                boolean_member(w, "positive", Some(*is_positive));
                text_member(w, "regex", regex);
            });
        }
    });
}

fn text_member(w: &mut Writer, key: &str, text: &str) {
    w.key(key);
    w.text(text);
}

fn number_member(w: &mut Writer, key: &str, number: Option<f64>) {
    if let Some(number) = number {
        w.key(key);
        w.number(number);
    }
}

fn boolean_member(w: &mut Writer, key: &str, claim: Option<bool>) {
    if let Some(claim) = claim {
        w.key(key);
        w.boolean(claim);
    }
}
