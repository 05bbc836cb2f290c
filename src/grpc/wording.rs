//! How a rejection is worded.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, header::CONTENT_TYPE};

use super::{Code, status};
use crate::{
    http::Wording,
    kernel::{Rejected, Why},
};

/// A response that is all head: `UNAVAILABLE`, `DEADLINE_EXCEEDED` if time was up, or `RESOURCE_EXHAUSTED` for a rate limit, with `grpc-retry-pushback-ms` where
/// that is known, and a message that says what happened and not to whom: the names of dependencies stay inside.
///
/// Where there is no room and nobody knows until when, it asks for 100 ms: by a time it says "not now", which is an
/// [overload](super::ByCode) to guards, throttles and retries at the other end. Without one it would be a failure, as whoever
/// cannot be reached is `UNAVAILABLE` too, and breakers would open on a server that does all that it can. A policy of your own says
/// so by [`Rejected::with_retry_after`].
///
/// ```
/// use std::time::Duration;
/// use cofferdam::{Name, Rejected, Why, grpc::TrailersOnly, http::Wording};
///
/// let rejected = Rejected::new(Name::new("payments")?, Why::Open).with_retry_after(Duration::from_secs(2));
/// let response = Wording::<std::convert::Infallible>::word(&TrailersOnly, &rejected).unwrap();
/// assert_eq!(response.status(), 200);
/// assert_eq!(response.headers()["grpc-status"], "14");
/// assert_eq!(response.headers()["grpc-message"], "the circuit is open");
/// assert_eq!(response.headers()["grpc-retry-pushback-ms"], "2000");
/// assert!(response.body().is_empty());
/// # Ok::<(), cofferdam::Invalid>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct TrailersOnly;

impl<E> Wording<E> for TrailersOnly {
    fn word(&self, rejected: &Rejected) -> Result<Response<Bytes>, E> {
        Ok(trailers_only(code_of(rejected), rejected.why().as_str(), pushback_of(rejected)))
    }
}

/// A gRPC answer that is all head, such as a [wording](super::Grpc::wording) returns: a status, a message in any language,
/// and after how long another try is welcome (in milliseconds, rounded up).
///
/// ```
/// use cofferdam::grpc::{Code, trailers_only};
///
/// let response = trailers_only(Code::ResourceExhausted, "100 % busy", None);
/// assert_eq!(response.headers()["grpc-status"], "8");
/// assert_eq!(response.headers()["grpc-message"], "100 %25 busy");
/// ```
#[must_use]
pub fn trailers_only(code: Code, message: &str, retry_after: Option<Duration>) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    status::write(response.headers_mut(), code, message, retry_after);
    response
}

/// The status of a rejection, as the trailers of an answer that time has cut off.
pub(crate) fn trailers(rejected: &Rejected) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    status::write(&mut trailers, code_of(rejected), rejected.why().as_str(), pushback_of(rejected));
    trailers
}

/// What is asked for where there is no room: about as long as clients wait by themselves before they try again.
const SOON: Duration = Duration::from_millis(100);

/// After how long another try is welcome.
fn pushback_of(rejected: &Rejected) -> Option<Duration> {
    let has_no_room = match rejected.why() {
        Why::Full | Why::Waited | Why::Displaced | Why::Shed | Why::Throttled | Why::Crowded => Some(SOON),
        _ => None,
    };
    rejected.retry_after().or(has_no_room)
}

fn code_of(rejected: &Rejected) -> Code {
    match rejected.why() {
        Why::RateLimited | Why::TooMuch => Code::ResourceExhausted,
        why if why.is_timeout() => Code::DeadlineExceeded,
        _ => Code::Unavailable,
    }
}
