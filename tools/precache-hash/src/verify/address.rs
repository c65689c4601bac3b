//! Where a manifest's URL leads when a browser resolves it: the basic URL parser of url.spec.whatwg.org, as far as a
//! precache needs it (http and https, no user names).
//!
//! It repeats what a browser does to odd names, so that a name which breaks there is also seen to break here.

use std::fmt;
use std::str::FromStr;

/// A folder on a server under which a build is published, such as `https://cdn.example/app/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl {
    origin: String,
    /// Starts and ends with a slash.
    path: String,
}

/// Why a text is no base URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BaseUrlError {
    /// Neither http nor https.
    #[error("{0:?}: expected a URL that starts with http:// or https://")]
    Scheme(String),
    /// No server is named.
    #[error("{0:?}: no host in this URL")]
    NoHost(String),
    /// A user name or password stands in it.
    #[error("a base URL must not hold a user name or password")]
    Credentials,
    /// A query or fragment stands in it.
    #[error("{0:?}: a base URL must not hold ? or #")]
    Query(String),
}

/// Whether an argument is meant as a URL and not as a folder.
pub(crate) fn is_url(text: &str) -> bool {
    let lower = text.get(..8).unwrap_or(text).to_ascii_lowercase();
    lower.starts_with("http://") || lower.starts_with("https://")
}

/// Whether a browser takes the beginning of a relative name such as `a:b.js` for a scheme.
pub(crate) fn has_foreign_scheme(reference: &str) -> bool {
    let reference = stripped(reference);
    let Some((scheme, _)) = reference.split_once(':') else { return false };
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    is_scheme && !is_url(&reference)
}

/// A reference without what a browser drops before it looks: white space at both ends, tabs and line breaks.
fn stripped(reference: &str) -> String {
    let trimmed = reference.trim_matches(|c: char| c <= ' ');
    trimmed.chars().filter(|c| !matches!(c, '\t' | '\n' | '\r')).collect()
}

impl FromStr for BaseUrl {
    type Err = BaseUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if !is_url(text) {
            return Err(BaseUrlError::Scheme(text.into()));
        }
        let (scheme, rest) = text.split_once("://").unwrap_or_default();
        let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
        if authority.contains('@') {
            return Err(BaseUrlError::Credentials);
        }
        if authority.is_empty() || authority.starts_with(':') {
            return Err(BaseUrlError::NoHost(text.into()));
        }
        if text.contains(['?', '#']) {
            return Err(BaseUrlError::Query(text.into()));
        }
        let origin = format!("{}://{authority}", scheme.to_ascii_lowercase());
        let slash = if path.ends_with('/') { "" } else { "/" };
        Ok(BaseUrl { origin, path: normal_path(&format!("{path}{slash}")) })
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin, self.path)
    }
}

impl BaseUrl {
    /// The address a browser would request for `reference` on a page or worker at this base.
    pub(crate) fn resolve(&self, reference: &str) -> String {
        let reference = stripped(reference);
        if has_foreign_scheme(&reference) {
            return reference;
        }
        let reference = reference.split('#').next().unwrap_or_default();
        let (path, query) = reference.split_once('?').map_or((reference, None), |(p, q)| (p, Some(q)));
        let (origin, path) = self.split_reference(path);
        let query = query.map(|query| format!("?{}", encoded(query, QUERY_SET))).unwrap_or_default();
        format!("{origin}{}{query}", normal_path(&path))
    }

    fn split_reference(&self, path: &str) -> (String, String) {
        let path = path.replace('\\', "/");
        if path.starts_with("//") {
            let scheme = self.origin.split("//").next().unwrap_or_default();
            return self.split_reference(&format!("{scheme}{path}"));
        }
        if is_url(&path) {
            let host_at = path.find("://").map_or(0, |colon| colon + 3);
            let path_at = path.get(host_at..).and_then(|rest| rest.find('/')).map(|slash| slash + host_at);
            let (origin, path) = path.split_at(path_at.unwrap_or(path.len()));
            return (origin.into(), if path.is_empty() { "/".into() } else { path.into() });
        }
        if path.is_empty() {
            return (self.origin.clone(), self.path.clone());
        }
        if path.starts_with('/') {
            return (self.origin.clone(), path);
        }
        (self.origin.clone(), format!("{}{path}", self.path))
    }
}

/// Characters of a path that the parser encodes, besides controls and what is not ASCII.
const PATH_SET: &str = " \"#<>?^`{}";
/// The same for a query.
const QUERY_SET: &str = " \"#<>'";

/// Backslashes become slashes, `.` and `..` are resolved, the rest is encoded.
fn normal_path(path: &str) -> String {
    let path = path.replace('\\', "/");
    let mut segments: Vec<String> = Vec::new();
    let mut parts = path.split('/').skip(1).peekable();
    while let Some(part) = parts.next() {
        let is_last = parts.peek().is_none();
        match part.to_ascii_lowercase().replace("%2e", ".").as_str() {
            "." if is_last => segments.push(String::new()),
            "." => {}
            ".." => {
                segments.pop();
                if is_last {
                    segments.push(String::new());
                }
            }
            _ => segments.push(encoded(part, PATH_SET)),
        }
    }
    format!("/{}", segments.join("/"))
}

fn encoded(text: &str, set: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii() && !c.is_ascii_control() && !set.contains(c) {
            out.push(c);
        } else {
            for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                out.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(base: &str, reference: &str, address: &str) {
        assert_eq!(base.parse::<BaseUrl>().unwrap().resolve(reference), address, "{reference:?}");
    }

    #[test]
    fn resolves_as_a_browser() {
        check("https://x.dev/app", "a/b.js", "https://x.dev/app/a/b.js");
        check("https://x.dev/app/", "/b.js", "https://x.dev/b.js");
        check("http://x.dev:81", "./b.js", "http://x.dev:81/b.js");
        check("https://x.dev/a/b/", "../c/./d/..", "https://x.dev/a/c/");
        check("https://x.dev", "https://y.dev/z?q=a b", "https://y.dev/z?q=a%20b");
        check("https://x.dev/", "//y.dev/z", "https://y.dev/z");
        check("https://x.dev/app/", "", "https://x.dev/app/");
        check("https://x.dev/", "é 😀.js", "https://x.dev/%C3%A9%20%F0%9F%98%80.js");
        check("https://x.dev/", "a%23b@:+&=;,[x].js", "https://x.dev/a%23b@:+&=;,[x].js");
    }

    #[test]
    fn breaks_the_names_that_break_in_a_browser() {
        check("https://x.dev/", "/h#x.js", "https://x.dev/h");
        check("https://x.dev/", "/q?x.js", "https://x.dev/q?x.js");
        check("https://x.dev/", "/back\\slash.js", "https://x.dev/back/slash.js");
        check("https://x.dev/", "/%41.js", "https://x.dev/%41.js");
        check("https://x.dev/", "/tab\there.js ", "https://x.dev/tabhere.js");
        check("https://x.dev/", "a:b.js", "a:b.js");
        check("https://x.dev/", "./a:b.js", "https://x.dev/a:b.js");
    }

    #[test]
    fn refuses_what_is_no_base_url() {
        let refused = |text: &str| text.parse::<BaseUrl>().unwrap_err();
        assert!(matches!(refused("ftp://x.dev"), BaseUrlError::Scheme(_)));
        assert!(matches!(refused("https:///x"), BaseUrlError::NoHost(_)));
        assert!(matches!(refused("https://me:pw@x.dev"), BaseUrlError::Credentials));
        assert!(matches!(refused("https://x.dev/?a"), BaseUrlError::Query(_)));
    }

    #[test]
    fn reads_what_it_prints() {
        let base: BaseUrl = "HTTPS://x.dev/a b".parse().unwrap();
        assert_eq!(base.to_string(), "https://x.dev/a%20b/");
        assert_eq!(base.to_string().parse(), Ok(base));
    }

    proptest::proptest! {
        #[test]
        fn any_base_reads_back_what_it_prints(host in "[a-z.:0-9]{1,9}", path in "[a-z/.%\\\\ é]{0,12}") {
            if let Ok(base) = format!("https://{host}/{path}").parse::<BaseUrl>() {
                proptest::prop_assert_eq!(base.to_string().parse::<BaseUrl>().unwrap(), base);
            }
        }

        #[test]
        fn any_name_gives_an_address_in_ascii_on_the_same_server(name in ".{0,12}") {
            let address = "https://x.dev/a/".parse::<BaseUrl>().unwrap().resolve(&name);
            let is_elsewhere = has_foreign_scheme(&name) || is_url(&stripped(&name))
                || stripped(&name).replace('\\', "/").starts_with("//");
            proptest::prop_assert!(is_elsewhere || (address.is_ascii() && address.starts_with("https://x.dev/")), "{address}");
        }
    }
}
