//! Reads the entries of a manifest from a server.

use super::address::{BaseUrl, is_url};
use super::crew::Source;
use super::diagnosis::Circumstances;
use super::expectation::Expectation;
use super::tally::Tally;
use super::verdict::Reading;
use crate::http::{Answer, Client, Encoding, Silence};

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
        let new_tally = || Tally::new(&expected.promises);
        match self.client.get(&address, Encoding::Compressed, new_tally) {
            Ok((answer, tally)) if answer.status == 200 => {
                let summed = tally.finish();
                let is_broken = summed.first_broken(&expected.promises).is_some();
                let is_second_right = is_broken && self.is_plain_copy_right(&address, expected);
                Reading::Bytes(Circumstances { is_second_right, ..circumstances(answer) }, summed)
            }
            Ok((answer, _)) => Reading::Absent(circumstances(answer)),
            Err(Silence::NoAnswer(why)) => Reading::Silent(why),
            Err(other) => Reading::Unread(other.to_string()),
        }
    }
}

impl Remote {
    /// Asks once more, for the plain bytes: a stale compressed copy is a fault of its own kind.
    fn is_plain_copy_right(&self, address: &str, expected: &Expectation) -> bool {
        let second = self.client.get(address, Encoding::Plain, || Tally::new(&expected.promises));
        second.is_ok_and(|(answer, tally)| {
            answer.status == 200 && tally.finish().first_broken(&expected.promises).is_none()
        })
    }
}

fn circumstances(answer: Answer) -> Circumstances {
    Circumstances {
        status: Some(answer.status),
        content_type: answer.content_type,
        content_encoding: answer.content_encoding,
        redirected_to: answer.redirected_to,
        is_second_right: false,
    }
}
