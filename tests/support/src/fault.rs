//! What a [`FaultProxy`](crate::FaultProxy) does to which requests.

use hyper::Method;
use hyper::Uri;

/// What goes wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It is read and answered with this status, and not carried out.
    Status(u16),
    /// It is read and answered as S3 does under load (503 `SlowDown`), and not carried out.
    SlowDown,
    /// The connection is reset in the middle of its body, and it is not carried out.
    Reset,
    /// It is read and never answered, and not carried out.
    Stall,
    /// It is read and answered with 200 and an error for body, as S3 may answer `CompleteMultipartUpload`; it is not
    /// carried out.
    OkWithError,
    /// It is carried out, and the connection is cut before the answer.
    AnswerLost,
    /// It is carried out; of the body of the answer only the first half comes, under the full `Content-Length`.
    TruncatedBody,
    /// A listing is answered with its first half and a token for the rest, and every request for the rest with 500.
    MissingPage,
    /// A listing is answered without the keys that hold this text, and says that it is complete.
    KeysDropped(String),
    /// An object is answered with the byte at this place of the whole object inverted; an answer that does not hold
    /// the place is passed on unchanged.
    FlipByte {
        /// The place of the byte.
        offset: u64,
    },
}

/// Which requests a fault is for: those that hold to every condition. Unless told otherwise it is for the first of
/// them.
#[derive(Debug, Clone)]
pub struct Rule {
    fault: Fault,
    method: Option<String>,
    key: Option<String>,
    query: Option<String>,
    first: usize,
    times: usize,
    matched: usize,
}

impl Rule {
    /// A rule for the first request of all.
    pub fn new(fault: Fault) -> Self {
        Self { fault, method: None, key: None, query: None, first: 1, times: 1, matched: 0 }
    }

    /// Only requests with this method.
    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        self.method = Some(method.to_owned());
        self
    }

    /// Only requests whose path, bucket and key, holds this text.
    #[must_use]
    pub fn key(mut self, text: &str) -> Self {
        self.key = Some(text.to_owned());
        self
    }

    /// Only requests whose query holds this text, such as `partNumber=2`, `uploadId`, `uploads` or `list-type=2`.
    #[must_use]
    pub fn query(mut self, text: &str) -> Self {
        self.query = Some(text.to_owned());
        self
    }

    /// From the request with this number on, of those that hold to the conditions; the first has number 1.
    #[must_use]
    pub fn nth(mut self, number: usize) -> Self {
        self.first = number;
        self
    }

    /// For so many requests on end.
    #[must_use]
    pub fn times(mut self, times: usize) -> Self {
        self.times = times;
        self
    }

    /// For every request from there on.
    #[must_use]
    pub fn always(self) -> Self {
        self.times(usize::MAX)
    }

    /// Counts the request if it holds to the conditions; the fault if it is its turn.
    pub(crate) fn meet(&mut self, method: &Method, uri: &Uri) -> Option<&Fault> {
        let holds = |text: &Option<String>, whole: &str| {
            text.as_ref().is_none_or(|text| whole.contains(text.as_str()))
        };
        let is_method = self.method.as_ref().is_none_or(|wanted| method.as_str() == wanted);
        if !is_method || !holds(&self.key, uri.path()) || !holds(&self.query, uri.query().unwrap_or_default())
        {
            return None;
        }
        self.matched += 1;
        let is_due = self.matched >= self.first && self.matched - self.first < self.times;
        is_due.then_some(&self.fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_counts_only_what_holds_to_its_conditions() {
        let mut rule = Rule::new(Fault::Stall).method("PUT").key("dump").query("partNumber").nth(2).times(2);
        let mut meet = |method: Method, uri: &str| rule.meet(&method, &uri.parse().unwrap()).is_some();
        let part = "/backups/dump?partNumber=1&uploadId=x";
        assert!(!meet(Method::PUT, part), "the first");
        for (method, uri) in
            [(Method::GET, part), (Method::PUT, "/backups/dump"), (Method::PUT, "/b/c?partNumber=1")]
        {
            assert!(!meet(method, uri), "{uri}");
        }
        let turns: Vec<_> = (2..=4).map(|_| meet(Method::PUT, part)).collect();
        assert_eq!(turns, [true, true, false]);
    }
}
