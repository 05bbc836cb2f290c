//! Answers that go on for as long as their reader stays.

use http::{HeaderMap, Response, StatusCode, header::CONTENT_TYPE};

use crate::kernel::ClassifyWith;

/// Marks a lasting answer: one that goes on for as long as its reader stays, so that it is no measure of what keeps a server
/// busy.
///
/// Put into the extensions of a response by whoever knows, where its head would not say so: a download that is read at its
/// reader's pace, a long poll whose head is sent at once, a stream over gRPC. Server-sent events are known without it. What comes of it: see
/// [answers that take long](crate::presets#answers-that-take-long).
///
/// ```
/// use axum::{Extension, Router, body::Body, response::IntoResponse, routing::get};
/// use cofferdam::{AdaptiveLimit, Policy, http::Lasting};
/// use http::Request;
/// use tower::ServiceExt;
///
/// async fn watch() -> impl IntoResponse {
///     (Extension(Lasting), Body::from_stream(futures_util::stream::pending::<Result<String, String>>()))
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let limit = AdaptiveLimit::builder("shop").build()?;
/// let app: Router = Router::new().route("/watch", get(watch)).layer(limit.clone().layer().http());
///
/// let watching = app.oneshot(Request::get("/watch").body(Body::empty())?).await?;
/// assert_eq!(limit.in_flight(), 0);
/// # drop(watching); Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Lasting;

/// Whether whoever answered has [marked](Lasting) the response.
pub(super) fn is_marked<B>(response: &Response<B>) -> bool {
    response.extensions().get::<Lasting>().is_some()
}

/// Whether a closer look at the head is due: not for most answers, whose length is known and which have no extensions.
#[inline(always)]
pub(super) fn may_last<B>(response: &Response<B>, length: impl FnOnce() -> Option<u64>) -> bool {
    !response.extensions().is_empty() || length().is_none()
}

/// Tells from the head of an answer of unknown length whether it is a [lasting](Lasting) one.
pub trait ClassifyLasting {
    /// Whether it is.
    fn lasts(&self, status: StatusCode, headers: &HeaderMap) -> bool;
}

/// Those whose `content-type` is `text/event-stream`.
///
/// ```
/// use cofferdam::http::{ClassifyLasting, EventStreams};
/// use http::{HeaderMap, HeaderValue, StatusCode, header::CONTENT_TYPE};
///
/// let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"))]);
/// assert!(EventStreams.lasts(StatusCode::OK, &headers));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct EventStreams;

impl ClassifyLasting for EventStreams {
    fn lasts(&self, _: StatusCode, headers: &HeaderMap) -> bool {
        is_event_stream(headers)
    }
}

impl<F: Fn(StatusCode, &HeaderMap) -> bool> ClassifyLasting for ClassifyWith<F> {
    fn lasts(&self, status: StatusCode, headers: &HeaderMap) -> bool {
        (self.0)(status, headers)
    }
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    const EVENT_STREAM: &[u8] = b"text/event-stream";
    headers.get(CONTENT_TYPE).is_some_and(|value| {
        value.as_bytes().split_at_checked(EVENT_STREAM.len()).is_some_and(|(kind, parameters)| {
            kind.eq_ignore_ascii_case(EVENT_STREAM) && matches!(parameters.first(), None | Some(b';' | b' ' | b'\t'))
        })
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn knows_event_streams_by_their_type_and_nothing_else() {
        let lasts = |text| {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_bytes(text).expect("a value"))]);
            EventStreams.lasts(StatusCode::OK, &headers)
        };
        let streams: [&[u8]; 5] = [
            b"text/event-stream",
            b"text/event-stream;charset=utf-8",
            b"text/event-stream ; x",
            b"Text/Event-Stream",
            b"text/event-stream\t",
        ];
        for text in streams {
            assert!(lasts(text), "{}", text.escape_ascii());
        }
        let others: [&[u8]; 7] = [
            b"",
            b"text/event-strea",
            b"text/event-streams",
            b"text/event-stream+json",
            b"application/json",
            b"x-text/event-stream",
            b"\xff\xfe",
        ];
        for text in others {
            assert!(!lasts(text), "{}", text.escape_ascii());
        }
        assert!(!EventStreams.lasts(StatusCode::OK, &HeaderMap::new()));
    }
}
