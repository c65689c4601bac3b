//! Reads the entries of a manifest from a server.

use super::address::{BaseUrl, is_url};
use super::crew::Source;
use super::diagnosis::Circumstances;
use super::expectation::Expectation;
use super::tally::Tally;
use super::verdict::Reading;
use crate::http::{Answer, Client, Silence};

/// A published build.
#[derive(Debug)]
pub(crate) struct Remote {
    base: BaseUrl,
    client: Client,
}

impl Remote {
    /// The build at `base`.
    pub(crate) fn new(base: BaseUrl, client: Client) -> Self {
        Remote { base, client }
    }
}

impl Source for Remote {
    fn place(&self, expected: &Expectation) -> String {
        self.base.resolve(&expected.url)
    }

    fn read(&self, expected: &Expectation) -> Reading {
        let address = self.place(expected);
        if !is_url(&address) {
            return Reading::Absent(Circumstances::default());
        }
        match self.client.get(&address, || Tally::new(&expected.promises)) {
            Ok((answer, tally)) if answer.status == 200 => {
                Reading::Bytes(circumstances(answer), tally.finish())
            }
            Ok((answer, _)) => Reading::Absent(circumstances(answer)),
            Err(Silence::NoAnswer(why)) => Reading::Silent(why),
            Err(broken @ Silence::BrokenBody { .. }) => Reading::Unread(broken.to_string()),
        }
    }
}

fn circumstances(answer: Answer) -> Circumstances {
    Circumstances {
        status: Some(answer.status),
        content_type: answer.content_type,
        content_encoding: answer.content_encoding,
        redirected_to: answer.redirected_to,
    }
}
