//! The answers of a [`FaultProxy`](crate::FaultProxy): made up, or those of the server with something wrong.

use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll};

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderValue, TRANSFER_ENCODING};
use hyper::http::response::Parts;
use hyper::{Response, StatusCode};

use crate::fault::Fault;

/// Why a connection ends without an answer.
pub(crate) type Cut = Box<dyn std::error::Error + Send + Sync>;
pub(crate) type Answer = Response<BoxBody<Bytes, Cut>>;

/// The token for the rest of a listing whose rest never comes.
pub(crate) const MISSING_PAGE: &str = "the-page-that-never-comes";

/// The answer of the server as it is.
pub(crate) fn unchanged(answer: Response<Incoming>) -> Answer {
    answer.map(|body| body.map_err(Cut::from).boxed())
}

/// An error as S3 words it (<https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>).
pub(crate) fn refusal(status: StatusCode, code: &str, message: &str) -> Answer {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <Error><Code>{code}</Code><Message>{message}</Message><RequestId>testbed</RequestId></Error>"
    );
    let mut answer = Response::new(whole(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    answer
}

/// The server's answer with the fault in it.
pub(crate) async fn spoiled(answer: Response<Incoming>, fault: &Fault) -> Result<Answer, Cut> {
    let (mut parts, body) = answer.into_parts();
    let body = body.collect().await?.to_bytes();
    let body = match fault {
        Fault::TruncatedBody => {
            set_length(&mut parts, body.len());
            let first_half = Some(body.slice(..body.len() / 2));
            return Ok(Response::from_parts(parts, CutBody { first_half, is_flushed: false }.boxed()));
        }
        Fault::FlipByte { offset } => flipped(&parts.headers, &body, *offset),
        Fault::MissingPage => first_page(&String::from_utf8_lossy(&body)).into(),
        Fault::KeysDropped(text) => without_keys(&String::from_utf8_lossy(&body), text).into(),
        _ => body,
    };
    set_length(&mut parts, body.len());
    Ok(Response::from_parts(parts, whole(body)))
}

fn whole(body: impl Into<Bytes>) -> BoxBody<Bytes, Cut> {
    Full::new(body.into()).map_err(|never| match never {}).boxed()
}

fn set_length(parts: &mut Parts, length: usize) {
    parts.headers.remove(TRANSFER_ENCODING);
    parts.headers.insert(CONTENT_LENGTH, length.into());
}

/// The first half of a body, and then an error where the rest should be.
struct CutBody {
    first_half: Option<Bytes>,
    is_flushed: bool,
}

impl Body for CutBody {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        if let Some(bytes) = self.first_half.take() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        if !self.is_flushed {
            // What was given so far is sent only when there is nothing more at once.
            self.is_flushed = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(Err("cut by the fault proxy".into())))
    }
}

/// The body with one byte inverted, if it holds that place of the object.
fn flipped(headers: &HeaderMap, body: &Bytes, offset: u64) -> Bytes {
    let range = headers.get(CONTENT_RANGE).and_then(|range| range.to_str().ok());
    let start = range.and_then(|range| range.strip_prefix("bytes ")?.split_once('-')?.0.parse::<u64>().ok());
    let place = offset.checked_sub(start.unwrap_or(0)).and_then(|place| usize::try_from(place).ok());
    let mut bytes = body.to_vec();
    if let Some(byte) = place.and_then(|place| bytes.get_mut(place)) {
        *byte = !*byte;
    }
    bytes.into()
}

/// A listing cut to the first half of its entries, which says that there are more.
fn first_page(listing: &str) -> String {
    let entries = entries(listing);
    let dropped: Vec<_> = entries.iter().skip(entries.len() / 2).cloned().collect();
    let kept = entries.len() - dropped.len();
    let page = without(listing, &dropped);
    let page = with_element(&page, "KeyCount", &kept.to_string());
    let page = with_element(&page, "NextContinuationToken", MISSING_PAGE);
    with_element(&page, "IsTruncated", "true")
}

fn without_keys(listing: &str, text: &str) -> String {
    let entries = entries(listing);
    let is_dropped =
        |entry: &&Range<usize>| listing.get((*entry).clone()).is_some_and(|entry| name(entry).contains(text));
    let dropped: Vec<_> = entries.iter().filter(is_dropped).cloned().collect();
    let kept = entries.len() - dropped.len();
    with_element(&without(listing, &dropped), "KeyCount", &kept.to_string())
}

/// The key of an entry, or its prefix.
fn name(entry: &str) -> &str {
    let between = |open: &str, close: &str| Some(entry.split_once(open)?.1.split_once(close)?.0);
    between("<Key>", "</Key>").or_else(|| between("<Prefix>", "</Prefix>")).unwrap_or_default()
}

/// Where the entries of a listing stand.
fn entries(listing: &str) -> Vec<Range<usize>> {
    let mut entries = Vec::new();
    for (open, close) in [("<Contents>", "</Contents>"), ("<CommonPrefixes>", "</CommonPrefixes>")] {
        for (start, _) in listing.match_indices(open) {
            let length = listing.get(start..).and_then(|rest| rest.find(close));
            entries.extend(length.map(|length| start..start + length + close.len()));
        }
    }
    entries.sort_by_key(|entry| entry.start);
    entries
}

fn without(listing: &str, dropped: &[Range<usize>]) -> String {
    let mut kept = listing.to_owned();
    for entry in dropped.iter().rev() {
        kept.replace_range(entry.clone(), "");
    }
    kept
}

/// The listing with this element, in the place of one with the same name or at its end.
fn with_element(listing: &str, name: &str, value: &str) -> String {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let element = format!("{open}{value}{close}");
    let place = listing.find(&open).and_then(|start| Some(start..listing.find(&close)? + close.len()));
    let end = listing.rfind("</").unwrap_or(listing.len());
    let mut changed = listing.to_owned();
    changed.replace_range(place.unwrap_or(end..end), &element);
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTING: &str = "<ListBucketResult><KeyCount>3</KeyCount><IsTruncated>false</IsTruncated>\
        <Contents><Key>a/1</Key></Contents><Contents><Key>b/2</Key></Contents>\
        <CommonPrefixes><Prefix>c/</Prefix></CommonPrefixes></ListBucketResult>";

    #[test]
    fn the_first_page_says_that_more_follows() {
        assert_eq!(
            first_page(LISTING),
            "<ListBucketResult><KeyCount>1</KeyCount><IsTruncated>true</IsTruncated>\
             <Contents><Key>a/1</Key></Contents>\
             <NextContinuationToken>the-page-that-never-comes</NextContinuationToken></ListBucketResult>"
        );
    }

    #[test]
    fn keys_are_dropped_by_what_they_hold() {
        let listing = without_keys(LISTING, "b/");
        assert!(!listing.contains("b/2") && listing.contains("a/1") && listing.contains("c/"), "{listing}");
        assert!(listing.contains("<KeyCount>2</KeyCount><IsTruncated>false"), "{listing}");
    }

    #[test]
    fn a_byte_is_flipped_at_its_place_in_the_object() {
        let body = Bytes::from_static(b"abc");
        let mut headers = HeaderMap::new();
        assert_eq!(flipped(&headers, &body, 1), b"a\x9dc"[..]);
        headers.insert(CONTENT_RANGE, HeaderValue::from_static("bytes 10-12/100"));
        assert_eq!(flipped(&headers, &body, 11), b"a\x9dc"[..]);
        assert_eq!(flipped(&headers, &body, 1), body);
    }
}
