//! A hub as its publishers see it: calls go out, typed answers come back.

use std::time::{Duration, Instant};

use hyper::{Method, StatusCode};
use ulid::Ulid;

use crate::api::{Accepted, Denied, EventStatus, Status};
use crate::error::Error;
use crate::http::{Answer, Call, HttpError, exchange};
use crate::http_address::HttpAddress;
use crate::wire::SUBPROTOCOL;

/// A hub that is lost while it is offered an event is given this long to restart.
const RESTART_LIMIT: Duration = Duration::from_secs(10);
/// Between two offers to a hub that was lost.
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// A hub to talk to.
#[derive(Clone, Debug)]
pub(crate) struct HubClient {
    address: HttpAddress,
    token: Option<String>,
}

/// What the hub said to an event.
#[derive(Debug)]
pub(crate) enum PublishAnswer {
    Accepted(Accepted),
    /// The number is taken: somebody published in between.
    TakeNumberAbove(u64),
}

impl HubClient {
    pub(crate) fn new(address: HttpAddress, token: Option<String>) -> HubClient {
        HubClient { address, token }
    }

    pub(crate) fn address(&self) -> &HttpAddress {
        &self.address
    }

    /// What the hub tells about itself, or about one event; `None` when it does not know that one.
    pub(crate) async fn status(&self, event: Option<Ulid>) -> Result<Option<Status>, Error> {
        let path = match event {
            Some(id) => format!("/v1/status?event={id}"),
            None => "/v1/status".to_owned(),
        };
        let answer = exchange(&self.call(Method::GET, &path, String::new())).await;
        let answer = answer.map_err(|source| Error::HubUnreachable { hub: self.address.clone(), source })?;
        let not_a_hub = || Error::NotAHub { hub: self.address.clone() };
        if answer.status == StatusCode::NOT_FOUND {
            let denied: Denied = serde_json::from_slice(&answer.body).map_err(|_| not_a_hub())?;
            return if denied.code == "unknown_event" { Ok(None) } else { Err(not_a_hub()) };
        }
        self.check_protocol(&answer.body)?;
        serde_json::from_slice(&answer.body).map(Some).map_err(|_| not_a_hub())
    }

    /// How an event fares that is published: whatever keeps the hub from telling it, the event stands.
    pub(crate) async fn published(&self, id: Ulid) -> Result<(Status, EventStatus), Error> {
        match self.status(Some(id)).await {
            Ok(status) => {
                let event = status.as_ref().and_then(|status| status.events.first().cloned());
                status.zip(event).ok_or_else(|| Error::Forgotten { hub: self.address.clone(), id })
            }
            Err(error) => Err(Error::HubLost { hub: self.address.clone(), id, source: Box::new(error) }),
        }
    }

    /// Offers a signed event.
    pub(crate) async fn publish(&self, id: Ulid, jws: &str) -> Result<PublishAnswer, Error> {
        let mut lost_since = None;
        let answer = loop {
            let source = match exchange(&self.call(Method::POST, "/v1/events", jws.to_owned())).await {
                // A proxy that answers for a lost hub tells nothing about the event.
                Ok(answer) if lost_since.is_some() && !is_of_a_hub(&answer) => {
                    HttpError::Answer("something else answers in the hub's place".to_owned())
                }
                Ok(answer) => break answer,
                Err(source) if source.is_before_sending() && lost_since.is_none() => {
                    return Err(Error::HubUnreachable { hub: self.address.clone(), source });
                }
                Err(source) => source,
            };
            // The hub knows an event that it has accepted, so offering it again is safe.
            if lost_since.get_or_insert_with(Instant::now).elapsed() > RESTART_LIMIT {
                return Err(Error::Uncertain { hub: self.address.clone(), id, source });
            }
            tokio::time::sleep(RETRY_PAUSE).await;
        };
        if answer.status.is_success() {
            let accepted = serde_json::from_slice(&answer.body);
            return accepted
                .map(PublishAnswer::Accepted)
                .map_err(|_| Error::NotAHub { hub: self.address.clone() });
        }
        let hub = self.address.clone();
        let Ok(Denied { code, message, seq }) = serde_json::from_slice(&answer.body) else {
            return Err(Error::NotAHub { hub });
        };
        match (answer.status, code.as_str()) {
            (StatusCode::CONFLICT, "seq") => Ok(PublishAnswer::TakeNumberAbove(seq)),
            (StatusCode::SERVICE_UNAVAILABLE, _) => Err(Error::HubBusy { hub, message }),
            _ => Err(Error::Refused { hub, code, message }),
        }
    }

    /// A hub of another version may answer with another shape, but it says which protocol it speaks.
    fn check_protocol(&self, body: &[u8]) -> Result<(), Error> {
        #[derive(serde::Deserialize)]
        struct Greeting {
            protocol: String,
        }
        let hub = self.address.clone();
        match serde_json::from_slice(body) {
            Ok(Greeting { protocol }) if protocol == SUBPROTOCOL => Ok(()),
            Ok(Greeting { protocol }) => Err(Error::OtherProtocol { hub, protocol }),
            Err(_) => Err(Error::NotAHub { hub }),
        }
    }

    fn call<'a>(&'a self, method: Method, path: &'a str, body: String) -> Call<'a> {
        Call { method, address: &self.address, path: Some(path), token: self.token.as_deref(), body }
    }
}

/// Whether the answer to an offer has one of the two shapes that a hub gives it.
fn is_of_a_hub(answer: &Answer) -> bool {
    serde_json::from_slice::<Accepted>(&answer.body).is_ok()
        || serde_json::from_slice::<Denied>(&answer.body).is_ok()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::{Accepted, Error, HubClient, PublishAnswer, Ulid};

    /// Takes one request per answer and gives that answer; an empty one breaks the connection.
    async fn fake_hub(answers: Vec<String>) -> HubClient {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        HubClient::new(address.parse().unwrap(), None)
    }

    fn answer(status: &str, body: &str) -> String {
        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
    }

    #[tokio::test]
    async fn an_event_whose_answer_was_lost_is_offered_until_the_hub_is_back() {
        let accepted = Accepted { id: Ulid::nil(), seq: 7, is_new: false };
        let taken = answer("200 OK", &serde_json::to_string(&accepted).unwrap());
        let from_a_proxy = answer("502 Bad Gateway", "<h1>Bad Gateway</h1>");
        let hub = fake_hub(vec![String::new(), from_a_proxy, String::new(), taken]).await;
        let answered = hub.publish(Ulid::nil(), "jws").await.unwrap();
        assert!(matches!(answered, PublishAnswer::Accepted(found) if found == accepted));
    }

    #[tokio::test]
    async fn a_page_in_the_hub_s_place_is_no_hub_when_nothing_was_offered_yet() {
        let hub = fake_hub(vec![answer("502 Bad Gateway", "<h1>Bad Gateway</h1>")]).await;
        assert!(matches!(hub.publish(Ulid::nil(), "jws").await, Err(Error::NotAHub { .. })));
    }
}
