//! A hub as its publishers see it: calls go out, typed answers come back.

use hyper::{Method, StatusCode};
use ulid::Ulid;

use crate::api::{Accepted, Denied, EventStatus, Status};
use crate::error::Error;
use crate::http::{Call, exchange};
use crate::http_address::HttpAddress;
use crate::wire::SUBPROTOCOL;

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
        /// A broken answer is asked for again: the hub knows an event that it has accepted.
        const TRIES: u32 = 3;
        let mut tries = 0;
        let answer = loop {
            tries += 1;
            match exchange(&self.call(Method::POST, "/v1/events", jws.to_owned())).await {
                Ok(answer) => break answer,
                Err(source) if source.is_before_sending() && tries == 1 => {
                    return Err(Error::HubUnreachable { hub: self.address.clone(), source });
                }
                Err(source) if tries == TRIES => {
                    return Err(Error::Uncertain { hub: self.address.clone(), id, source });
                }
                Err(_) => {}
            }
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
