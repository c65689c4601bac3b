//! Does the origin serve the wanted version? Asked before anything is published.
//!
//! Clients ask the same before they reload; an update that the origin does not serve yet would only make them wait.

use hyper::Method;
use precache_manifest::ManifestHash;
use serde::Deserialize;

use crate::error::Error;
use crate::http::{Answer, Call, exchange};
use crate::http_address::HttpAddress;

/// Equal answers in a row that are believed: behind one address there may be several servers, and a deploy reaches
/// them one after the other.
const ANSWERS: usize = 3;

/// Asks `url`, the origin's `version.json`, until it has named `wanted` often enough.
pub(crate) async fn check(url: &HttpAddress, wanted: ManifestHash) -> Result<(), Error> {
    for _ in 0..ANSWERS {
        let call = Call { method: Method::GET, address: url, path: None, token: None, body: String::new() };
        let answer = exchange(&call).await;
        let answer = answer.map_err(|source| Error::OriginUnreachable { url: url.clone(), source })?;
        judge(url, wanted, &answer)?;
    }
    Ok(())
}

fn judge(url: &HttpAddress, wanted: ManifestHash, answer: &Answer) -> Result<(), Error> {
    #[derive(Deserialize)]
    struct Version {
        manifest_hash: ManifestHash,
    }
    if answer.status.is_server_error() {
        return Err(Error::OriginTrouble { url: url.clone(), status: answer.status.as_u16() });
    }
    let without_hash = || Error::OriginWithoutHash(url.clone());
    if !answer.status.is_success() {
        return Err(without_hash());
    }
    let Version { manifest_hash } = serde_json::from_slice(&answer.body).map_err(|_| without_hash())?;
    if manifest_hash == wanted {
        Ok(())
    } else {
        Err(Error::NotServed { url: url.clone(), served: manifest_hash, wanted })
    }
}

#[cfg(test)]
mod tests {
    use hyper::StatusCode;
    use release_common::Failure;

    use super::judge;
    use crate::http::Answer;

    fn check(status: u16, body: &str, expected: Option<(u8, &str)>) {
        let url = "http://app.example/version.json".parse().unwrap();
        let answer = Answer { status: StatusCode::from_u16(status).unwrap(), body: body.to_owned().into() };
        let result = judge(&url, "5e".repeat(32).parse().unwrap(), &answer);
        let told = result.err().map(|error| (error.exit().code(), error.to_string()));
        let told = told.as_ref().map(|(code, message)| (*code, message.as_str()));
        match (told, expected) {
            (None, None) => {}
            (Some((code, message)), Some((expected_code, part))) => {
                assert_eq!(code, expected_code, "{message}");
                assert!(message.contains(part), "{message}");
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_the_wanted_version_passes() {
        let version = |digits: &str| {
            format!("{{\"manifest_hash\":\"sha256:{}\",\"release\":\"2\"}}", digits.repeat(32))
        };
        check(200, &version("5e"), None);
        check(200, &version("77"), Some((2, "serves 7777")));
        check(200, "<!doctype html>", Some((2, "serves no manifest hash")));
        check(404, &version("5e"), Some((2, "serves no manifest hash")));
        check(302, "", Some((2, "serves no manifest hash")));
        check(503, "", Some((75, "answers with status 503")));
    }
}
