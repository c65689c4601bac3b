//! The findings for people, for programs and for GitHub. Only what differs is printed, as by cmp(1) and diff(1).

use std::io::{self, Write};

use precache_manifest::ManifestHash;
use release_common::output::github::{Annotation, Level, annotations};
use release_common::output::{Format, JsonLines};
use serde_json::{Value, json};

use super::diagnosis::Circumstances;
use super::expectation::Expectation;
use super::release::{ReleaseFinding, VERSION_FILE};
use super::verdict::{Finding, Totals};

/// Writes findings as they come and the summary at the end.
pub(crate) struct Report<'w> {
    out: &'w mut dyn Write,
    format: Format,
    annotations: Vec<Annotation>,
}

impl<'w> Report<'w> {
    /// A report to `out`.
    pub(crate) fn new(out: &'w mut dyn Write, format: Format) -> Self {
        Report { out, format, annotations: Vec::new() }
    }

    /// One entry, if there is anything to say about it.
    pub(crate) fn entry(&mut self, expected: &Expectation, place: &str, finding: &Finding) -> io::Result<()> {
        match self.format {
            Format::Json => match object(expected, place, finding) {
                Some(object) => JsonLines::new(&mut self.out).write(&object),
                None => Ok(()),
            },
            Format::Human | Format::Github => match sentence(finding) {
                Some(text) => self.line(&expected.url, place, &text),
                None => Ok(()),
            },
        }
    }

    /// The release that `version.json` names, if it is not the one expected.
    pub(crate) fn release(
        &mut self,
        expected: ManifestHash,
        place: &str,
        finding: &ReleaseFinding,
    ) -> io::Result<()> {
        let text = match finding {
            ReleaseFinding::Same | ReleaseFinding::Absent => return Ok(()),
            ReleaseFinding::Other(found) => {
                format!("expected manifest_hash {}, got {found}", expected.prefixed())
            }
            ReleaseFinding::Unread(why) => format!("not checked: {why}"),
        };
        if self.format != Format::Json {
            return self.line(VERSION_FILE, place, &text);
        }
        let object = match finding {
            ReleaseFinding::Other(found) => json!({
                "type": "mismatch", "url": VERSION_FILE, "place": place, "kind": "release",
                "expected": expected.prefixed(), "found": found,
            }),
            _ => json!({"type": "unread", "url": VERSION_FILE, "place": place, "error": text}),
        };
        JsonLines::new(&mut self.out).write(&object)
    }

    /// The end of the report.
    pub(crate) fn finish(self, totals: &Totals, release: Option<&ReleaseFinding>) -> io::Result<()> {
        match self.format {
            Format::Human => Ok(()),
            Format::Github => self.out.write_all(annotations(&self.annotations).as_bytes()),
            Format::Json => JsonLines::new(self.out).write(&summary(totals, release)),
        }
    }

    fn line(&mut self, url: &str, place: &str, text: &str) -> io::Result<()> {
        if self.format == Format::Human {
            return writeln!(self.out, "{}: {text}", one_line(place));
        }
        let message = format!("{}: {text}", one_line(place));
        self.annotations.push(Annotation { level: Level::Error, file: Some(url.into()), message });
        Ok(())
    }
}

/// A sentence about all entries, for stderr.
pub(crate) fn conclusion(totals: &Totals) -> String {
    let mut parts = vec![format!("{} of {} entries equal", totals.equal, totals.files)];
    for (count, what) in [
        (totals.mismatched, "mismatched"),
        (totals.unverifiable, "without a digest to check"),
        (totals.unread, "not read"),
        (totals.not_checked(), "not checked"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    parts.join(", ")
}

fn sentence(finding: &Finding) -> Option<String> {
    let (mut text, reason) = match finding {
        Finding::Equal | Finding::Unverifiable => return None,
        Finding::Unread(why) => return Some(format!("not checked: {why}")),
        Finding::Missing { seen, reason } => (format!("missing{}", details(seen, None)), reason),
        Finding::Differs { promise, found, size_bytes, seen, reason } => {
            let expected = format!("expected {} {}, got {found}", promise.algorithm, promise.text);
            (format!("{expected}{}", details(seen, Some(*size_bytes))), reason)
        }
    };
    if let Some(reason) = reason {
        text.push_str(&format!("; {reason}"));
    }
    Some(text)
}

fn details(seen: &Circumstances, size_bytes: Option<u64>) -> String {
    let mut parts = Vec::new();
    parts.extend(seen.status.map(|status| format!("status {status}")));
    parts.extend(seen.content_type.as_deref().map(one_line));
    parts.extend(size_bytes.map(|size| format!("{size} B")));
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
}

/// Names and headers come from elsewhere: controls in them must not move the cursor or start a line.
fn one_line(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

fn object(expected: &Expectation, place: &str, finding: &Finding) -> Option<Value> {
    let (seen, reason) = match finding {
        Finding::Equal | Finding::Unverifiable => return None,
        Finding::Unread(why) => {
            return Some(json!({"type": "unread", "url": expected.url, "place": place, "error": why}));
        }
        Finding::Missing { seen, reason } | Finding::Differs { seen, reason, .. } => (seen, reason),
    };
    let mut object = json!({"type": "mismatch", "url": expected.url, "place": place});
    if let Finding::Differs { promise, found, size_bytes, .. } = finding {
        set(&mut object, "kind", "content");
        set(&mut object, "algorithm", promise.algorithm.name());
        set(&mut object, "expected", promise.text.as_str());
        set(&mut object, "found", found.as_str());
        set(&mut object, "size_bytes", *size_bytes);
    } else {
        set(&mut object, "kind", "missing");
    }
    set(&mut object, "status", seen.status);
    set(&mut object, "content_type", seen.content_type.as_deref());
    set(&mut object, "reason", reason.as_ref().map(ToString::to_string));
    Some(object)
}

fn set(object: &mut Value, key: &str, value: impl Into<Value>) {
    if let Some(members) = object.as_object_mut() {
        members.insert(key.into(), value.into());
    }
}

fn summary(totals: &Totals, release: Option<&ReleaseFinding>) -> Value {
    let release = release.map(|finding| match finding {
        ReleaseFinding::Same => "same",
        ReleaseFinding::Other(_) => "other",
        ReleaseFinding::Absent => "absent",
        ReleaseFinding::Unread(_) => "unread",
    });
    json!({
        "type": "summary", "files": totals.files, "equal": totals.equal, "mismatched": totals.mismatched,
        "unverifiable": totals.unverifiable, "unread": totals.unread, "not_checked": totals.not_checked(),
        "version_file": release,
    })
}

#[cfg(test)]
mod tests {
    use precache_manifest::Algorithm;

    use super::super::diagnosis::Reason;
    use super::super::expectation::Promise;
    use super::*;

    fn differing() -> Finding {
        Finding::Differs {
            promise: Promise { algorithm: Algorithm::Md5, text: "00".into() },
            found: "11".into(),
            size_bytes: 5,
            seen: Circumstances {
                status: Some(200),
                content_type: Some("text/html".into()),
                ..Default::default()
            },
            reason: Some(Reason::HtmlServed),
        }
    }

    fn report(format: Format, finding: &Finding) -> String {
        let expected = Expectation { url: "a.js".into(), path: None, size_bytes: None, promises: vec![] };
        let mut out = Vec::new();
        let mut report = Report::new(&mut out, format);
        report.entry(&expected, "http://x/a.js", finding).unwrap();
        let mut totals = Totals { files: 1, ..Totals::default() };
        totals.add(finding);
        report.finish(&totals, Some(&ReleaseFinding::Same)).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn says_what_was_expected_and_what_came() {
        assert_eq!(
            report(Format::Human, &differing()),
            "http://x/a.js: expected md5 00, got 11 (status 200, text/html, 5 B); a page came instead of this file: single-page fallback or login?\n"
        );
        let missing = Finding::Missing { seen: Circumstances::default(), reason: None };
        assert_eq!(report(Format::Human, &missing), "http://x/a.js: missing\n");
        assert_eq!(report(Format::Human, &Finding::Equal), "");
    }

    #[test]
    fn gives_programs_an_object_per_mismatch_and_a_summary() {
        let text = report(Format::Json, &differing());
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines[0]["type"], "mismatch");
        assert_eq!((&lines[0]["status"], &lines[0]["found"]), (&json!(200), &json!("11")));
        assert_eq!((&lines[1]["mismatched"], &lines[1]["version_file"]), (&json!(1), &json!("same")));
        assert_eq!(report(Format::Json, &Finding::Equal).lines().count(), 1);
    }

    #[test]
    fn annotates_for_github() {
        let text = report(Format::Github, &Finding::Unread("timed out".into()));
        assert_eq!(text, "::error file=a.js::http://x/a.js: not checked: timed out\n");
    }

    #[test]
    fn lets_no_name_move_the_cursor() {
        assert_eq!(one_line("a\u{1b}[2J\nb\u{85}"), "a\\u{1b}[2J\\nb\\u{85}");
    }
}
