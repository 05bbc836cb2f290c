//! What the protocols that speak HTTP do alike: they read what this crate has put into a response, and put it there.

use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body::Body;

use super::{Wording, lasting::is_marked};
use crate::kernel::{Degraded, Outcome, Reading, Rejected};

/// Reads the heads of responses that a dependency has given: what [`Http`](crate::Http) and other protocols on top of it
/// differ in.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not speak HTTP",
    label = "there are no heads and no frames here yet",
    note = "say `.http()` or `.grpc()` first, and then what is about responses: `.http().between_frames(..)`"
)]
pub trait ReadHead: Clone {
    /// What became of the call, as far as the head shows. It is the head's own worth: that it may stand in for another
    /// answer is not looked at.
    fn read_head<B: Body>(&self, response: &Response<B>) -> Reading;

    /// Whether the head asks that the request is not sent again. Unless overridden: never.
    fn forbids_another(&self, headers: &HeaderMap) -> bool {
        let _ = headers;
        false
    }

    /// Asks in the head, if the protocol has words for that, that the request is not sent again. Unless overridden: it has none.
    fn forbid_another(&self, headers: &mut HeaderMap) {
        let _ = headers;
    }

    /// Whether the answer, which is not here as a whole, is a lasting one that goes on for as long as its reader stays. Unless
    /// overridden it is if it is [marked](super::Lasting).
    fn lasts<B: Body>(&self, response: &Response<B>) -> bool {
        is_marked(response)
    }
}

/// The rejection that a response is, if this crate rejected the call.
#[must_use]
pub fn rejection<B>(response: &Response<B>) -> Option<&Rejected> {
    response.extensions().get()
}

/// Reads an answer that may be the dependency's, stand in for it, or be a rejection.
pub(crate) fn read_answer<B: Body, E>(
    protocol: &impl ReadHead,
    wording: &impl Wording<E>,
    of_error: impl FnOnce(&E) -> Outcome,
    answer: Result<&Response<B>, &E>,
) -> Reading {
    match answer {
        Ok(response) => {
            if let Some(degraded) = response.extensions().get::<Degraded>() {
                let mut reading = Reading::of(degraded.outcome);
                reading.rejected = degraded.rejected;
                reading
            } else if let Some(rejected) = rejection(response) {
                Reading::of_rejection(*rejected)
            } else {
                protocol.read_head(response)
            }
        }
        Err(error) => match wording.find(error) {
            Some(rejected) => Reading::of_rejection(*rejected),
            None => Reading::of(of_error(error)),
        },
    }
}

/// A rejection as a response, which says so to whoever is in the same process, or as an error.
pub(crate) fn word<E>(wording: &impl Wording<E>, rejected: Rejected) -> Result<Response<Bytes>, E> {
    let mut response = wording.word(&rejected)?;
    response.extensions_mut().insert(rejected);
    Ok(response)
}
