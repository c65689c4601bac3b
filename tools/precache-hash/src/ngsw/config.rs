//! `ngsw-config.json` as values: `packages/service-worker/config/schema.json` and `src/in.ts` of Angular 22, with
//! Angular's defaults filled in and every pattern already translated for the base href.

use super::duration::Milliseconds;
use super::glob::{self, FileGlob};
use super::json::Node;
use super::parse::parse;
use super::schema::{ConfigError, Field, Object};

/// The navigation URLs of a configuration that names none.
const DEFAULT_NAVIGATION_URLS: [&str; 4] = ["/**", "!/**/*.*", "!/**/*__*", "!/**/*__*/**"];

const STRATEGIES: &[&str] = &["performance", "freshness"];
const MODES: &[&str] = &["prefetch", "lazy"];

/// A whole configuration, ready to be applied to files.
#[derive(Debug, Clone)]
pub struct Config {
    pub(crate) app_data: Option<Node>,
    pub(crate) index: String,
    pub(crate) asset_groups: Vec<AssetGroup>,
    pub(crate) data_groups: Vec<DataGroup>,
    pub(crate) navigation_urls: Vec<(bool, String)>,
    pub(crate) navigation_request_strategy: &'static str,
    pub(crate) application_max_age: Option<Milliseconds>,
    pub(crate) base_href: String,
    pub(crate) has_encoded_names: bool,
}

/// Files of the build that are cached under one policy.
#[derive(Debug, Clone)]
pub(crate) struct AssetGroup {
    pub(crate) name: String,
    pub(crate) install_mode: &'static str,
    pub(crate) update_mode: &'static str,
    pub(crate) files: Vec<FileGlob>,
    pub(crate) patterns: Vec<String>,
    pub(crate) ignore_search: Option<bool>,
}

/// Requests for data that are cached under one policy.
#[derive(Debug, Clone)]
pub(crate) struct DataGroup {
    pub(crate) name: String,
    pub(crate) patterns: Vec<String>,
    pub(crate) strategy: &'static str,
    pub(crate) max_size: f64,
    pub(crate) max_age: Milliseconds,
    pub(crate) timeout: Option<Milliseconds>,
    pub(crate) refresh_ahead: Option<Milliseconds>,
    pub(crate) cache_opaque_responses: Option<bool>,
    pub(crate) ignore_search: Option<bool>,
    pub(crate) version: f64,
}

impl Config {
    /// Reads the text of an `ngsw-config.json` for a base href; an empty one means `/`, as in Angular.
    pub fn parse(text: &str, base_href: &str) -> Result<Self, ConfigError> {
        let base_href = if base_href.is_empty() { "/" } else { base_href };
        let mut root = Object::root(parse(text)?)?;
        root.optional("$schema", |field| field.text().map(drop))?;
        let config = Config {
            app_data: root.optional("appData", Field::object_node)?,
            index: glob::join_urls(base_href, &root.required("index", |field| field.text())?),
            asset_groups: root
                .optional("assetGroups", |field| field.objects(|object| asset_group(object, base_href)))?
                .unwrap_or_default(),
            data_groups: root
                .optional("dataGroups", |field| field.objects(|object| data_group(object, base_href)))?
                .unwrap_or_default(),
            navigation_urls: match root
                .optional("navigationUrls", |field| navigation_urls(field, base_href))?
            {
                Some(urls) => urls,
                None => default_navigation_urls(base_href),
            },
            navigation_request_strategy: root
                .optional("navigationRequestStrategy", |field| field.choice(STRATEGIES))?
                .unwrap_or("performance"),
            application_max_age: root.optional("applicationMaxAge", |field| field.duration())?,
            base_href: base_href.into(),
            has_encoded_names: false,
        };
        root.finish()?;
        Ok(config)
    }

    /// Has what breaks in a URL encoded in file names, so that the worker can fetch such files. Angular's own tool
    /// leaves it bare.
    #[must_use]
    pub fn with_encoded_names(self) -> Self {
        Config { has_encoded_names: true, ..self }
    }

    /// The URL of a file whose path begins with a slash.
    pub(crate) fn url(&self, path: &str) -> String {
        if self.has_encoded_names {
            glob::join_urls(&self.base_href, &precache_manifest::url::encode(path))
        } else {
            glob::join_urls(&self.base_href, path)
        }
    }
}

fn asset_group(mut group: Object, base_href: &str) -> Result<AssetGroup, ConfigError> {
    let name = group.required("name", |field| field.text())?;
    let install_mode = group.optional("installMode", |field| field.choice(MODES))?.unwrap_or("prefetch");
    let update_mode = group.optional("updateMode", |field| field.choice(MODES))?.unwrap_or(install_mode);
    let (files, patterns) = group.required("resources", |field| resources(field.object()?, base_href))?;
    let ignore_search = ignore_search(&mut group)?;
    group.finish()?;
    Ok(AssetGroup { name, install_mode, update_mode, files, patterns, ignore_search })
}

fn resources(mut resources: Object, base_href: &str) -> Result<(Vec<FileGlob>, Vec<String>), ConfigError> {
    resources.no_longer("versionedFiles", "files")?;
    let files = resources.optional("files", |field| field.items(|item| item.glob(FileGlob::parse)))?;
    let patterns = resources.optional("urls", |field| url_patterns(field, base_href))?;
    resources.finish()?;
    Ok((files.unwrap_or_default(), patterns.unwrap_or_default()))
}

fn data_group(mut group: Object, base_href: &str) -> Result<DataGroup, ConfigError> {
    let name = group.required("name", |field| field.text())?;
    let patterns = group.required("urls", |field| url_patterns(field, base_href))?;
    let version = group.optional("version", |field| field.integer())?.unwrap_or(1.0);
    let ignore_search = ignore_search(&mut group)?;
    let mut cache = group.required("cacheConfig", |field| field.object())?;
    group.finish()?;
    let data_group = DataGroup {
        name,
        patterns,
        strategy: cache.optional("strategy", |field| field.choice(STRATEGIES))?.unwrap_or("performance"),
        max_size: cache.required("maxSize", |field| field.integer())?,
        max_age: cache.required("maxAge", |field| field.duration())?,
        timeout: cache.optional("timeout", |field| field.duration())?,
        refresh_ahead: cache.optional("refreshAhead", |field| field.duration())?,
        cache_opaque_responses: cache.optional("cacheOpaqueResponses", |field| field.boolean())?,
        ignore_search,
        version,
    };
    cache.finish()?;
    Ok(data_group)
}

fn ignore_search(group: &mut Object) -> Result<Option<bool>, ConfigError> {
    let ignore_search = group.optional("cacheQueryOptions", |field| {
        let mut options = field.object()?;
        let ignore_search = options.optional("ignoreSearch", |field| field.boolean())?;
        options.finish()?;
        Ok(ignore_search)
    })?;
    Ok(ignore_search.flatten())
}

fn url_patterns(field: Field, base_href: &str) -> Result<Vec<String>, ConfigError> {
    field.items(|item| item.glob(|url| glob::url_pattern(url, base_href)))
}

fn navigation_urls(field: Field, base_href: &str) -> Result<Vec<(bool, String)>, ConfigError> {
    field.items(|item| item.glob(|url| glob::navigation_pattern(url, base_href)))
}

fn default_navigation_urls(base_href: &str) -> Vec<(bool, String)> {
    // These four start with a slash, so the base href is no part of them and they always compile.
    DEFAULT_NAVIGATION_URLS.iter().filter_map(|url| glob::navigation_pattern(url, base_href).ok()).collect()
}
