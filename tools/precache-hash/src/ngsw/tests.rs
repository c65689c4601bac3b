//! Whole configurations: what is refused with which line and field, and one manifest with every field of the schema.

use proptest::prelude::*;

use super::*;

fn check_refused(text: &str, message: &str) {
    assert_eq!(Config::parse(text, "/").unwrap_err().to_string(), message, "{text}");
}

/// A configuration with `group` as its only asset group, starting on line 2.
fn with_asset_group(group: &str) -> String {
    format!("{{\"index\": \"/index.html\", \"assetGroups\": [\n{group}]}}")
}

/// A configuration with `cache` as the `cacheConfig` of its only data group, on line 2.
fn with_cache(cache: &str) -> String {
    format!(
        "{{\"index\": \"/\", \"dataGroups\": [\n{{\"name\": \"d\", \"urls\": [], \"cacheConfig\": {cache}}}]}}"
    )
}

#[test]
fn names_line_and_field_of_a_wrong_value() {
    check_refused(
        &with_asset_group("{\"name\": \"app\",\n\"installMode\": \"eager\",\n\"resources\": {}}"),
        "3: assetGroups[0].installMode: expected \"prefetch\" or \"lazy\", found \"eager\"",
    );
    check_refused("[]", "1: the file: expected an object, found an array");
    check_refused("{\"index\": 1}", "1: index: expected a string, found a number");
    check_refused("{\"index\": \"\\ud800\"}", "1: index: expected text, found a lone surrogate in a string");
    check_refused("{\"index\": \"/\",\n\"appData\": null}", "2: appData: expected an object, found null");
    check_refused(
        "{\"index\": \"/\", \"assetGroups\": {}}",
        "1: assetGroups: expected an array, found an object",
    );
    check_refused(&with_asset_group("\"x\""), "2: assetGroups[0]: expected an object, found a string");
    check_refused(
        &with_asset_group("{\"name\": \"a\", \"resources\": {\"files\": [\"/a\",\n true]}}"),
        "3: assetGroups[0].resources.files[1]: expected a string, found a boolean",
    );
    check_refused(
        &with_asset_group(
            "{\"name\": \"a\", \"resources\": {}, \"cacheQueryOptions\": {\"ignoreSearch\": 1}}",
        ),
        "2: assetGroups[0].cacheQueryOptions.ignoreSearch: expected a boolean, found a number",
    );
}

#[test]
fn names_what_is_missing() {
    check_refused("{\n}", "1: index: missing");
    check_refused(&with_asset_group("{\"resources\": {}}"), "2: assetGroups[0].name: missing");
    check_refused(&with_asset_group("{\"name\": \"a\"}"), "2: assetGroups[0].resources: missing");
    check_refused(&with_cache("{\"maxAge\": \"1d\"}"), "2: dataGroups[0].cacheConfig.maxSize: missing");
    check_refused(&with_cache("{\"maxSize\": 1}"), "2: dataGroups[0].cacheConfig.maxAge: missing");
}

#[test]
fn names_fields_that_angular_does_not_know() {
    check_refused(
        &with_asset_group("{\"name\": \"a\", \"resources\": {\n\"file\": []}}"),
        "3: assetGroups[0].resources.file: unknown field, expected \"files\" or \"urls\"",
    );
    check_refused(
        &with_asset_group("{\"name\": \"a\", \"resources\": {\"versionedFiles\": []}}"),
        "2: assetGroups[0].resources.versionedFiles: no longer supported, use \"files\"",
    );
    let error = Config::parse("{\"index\": \"/\",\n\"assetGroup\": []}", "/").unwrap_err().to_string();
    assert!(
        error.starts_with("2: assetGroup: unknown field, expected one of \"$schema\", \"appData\""),
        "{error}"
    );
}

#[test]
fn names_bad_durations_numbers_and_globs() {
    check_refused(
        &with_cache("{\"maxSize\": 1,\n\"maxAge\": \"1 day\"}"),
        "3: dataGroups[0].cacheConfig.maxAge: not a duration: \"1 day\": expected numbers with a unit d, h, m, s or u (milliseconds), such as \"3d12h\"",
    );
    check_refused(
        &with_cache("{\"maxSize\": 1.5}"),
        "2: dataGroups[0].cacheConfig.maxSize: expected a whole number, found 1.5",
    );
    let error =
        Config::parse(&with_asset_group("{\"name\": \"a\", \"resources\": {\"files\": [\n\"/(a\"]}}"), "/");
    let error = error.unwrap_err().to_string();
    assert!(error.starts_with("3: assetGroups[0].resources.files[0]: glob \"/(a\" is no valid"), "{error}");
}

#[test]
fn names_the_place_of_a_syntax_error() {
    check_refused("{\n  \"index\": \"/\",\n}", "3: column 1: expected a key in double quotes, found \"}\"");
}

#[test]
fn leaves_undefined_fields_out_and_keeps_the_order_of_angular() {
    let config =
        Config::parse(&with_asset_group("{\"name\": \"a\", \"resources\": {\"files\": [\"/*.js\"]}}"), "");
    let config = config.unwrap();
    let selection = Selection::of(&config, ["a.js", "b.css"]);
    let text = render(&config, &selection, 7, |path| {
        (path == "a.js").then_some("3f786850e387550fdab836ed7e6dc881de23001b")
    })
    .unwrap();
    assert_eq!(text, include_str!("testdata/smallest.json"));
}

#[test]
fn says_which_selected_file_has_no_hash() {
    let config =
        Config::parse(&with_asset_group("{\"name\": \"a\", \"resources\": {\"files\": [\"/**\"]}}"), "/");
    let config = config.unwrap();
    let selection = Selection::of(&config, ["a/b.js"]);
    assert_eq!(render(&config, &selection, 7, |_| None), Err(MissingHash { path: "a/b.js".into() }));
}

#[test]
fn keeps_the_time_of_an_equal_previous_manifest_only() {
    let config =
        Config::parse(&with_asset_group("{\"name\": \"a\", \"resources\": {\"files\": [\"/**\"]}}"), "/");
    let config = config.unwrap();
    let selection = Selection::of(&config, ["a.js"]);
    let build = |previous: Option<&Previous>, time, sha1: &'static str| {
        manifest(&config, &selection, previous, time, |_| Some(sha1)).unwrap()
    };
    let first = build(None, 1, "00");
    let previous = Previous::parse(&first).unwrap();
    assert_eq!(build(Some(&previous), 2, "00"), first);
    assert_eq!(build(Some(&previous), 2, "01"), build(None, 2, "01"));
}

/// Texts that come close to a configuration: whole pieces of one in any order.
fn nearly_a_config() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"index\"",
        "\"/\"",
        "\"assetGroups\"",
        "\"name\"",
        "\"resources\"",
        "\"files\"",
        "\"urls\"",
        "\"appData\"",
        "\"applicationMaxAge\"",
        "\"3d\"",
        "\"\\ud800\"",
        "\"/(a\"",
        "-",
        "1e5",
        "null",
        "\n",
        "😀",
    ]);
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_with_its_line(text in prop_oneof![any::<String>(), nearly_a_config()]) {
        if let Err(error) = Config::parse(&text, "/") {
            let line: usize = error.to_string().split(':').next().unwrap().parse().unwrap();
            prop_assert!((1..=text.lines().count() + 1).contains(&line), "{error}");
        }
    }

    #[test]
    fn any_glob_and_path_give_an_answer(glob in ".{0,12}", path in "[^\0]{1,12}") {
        let text = with_asset_group(&format!("{{\"name\": \"a\", \"resources\": {{\"files\": [{glob:?}]}}}}"));
        if let Ok(config) = Config::parse(&text, "/") {
            prop_assert!(Selection::of(&config, [path.as_str()]).paths().count() <= 1);
        }
    }
}
