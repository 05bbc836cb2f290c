use http::{Method, Request, Response};
use http_body::Body;

use super::{Http, ReadHead, Replayed, exhausted::Mark};
use crate::kernel::{
    Protocol, Reading,
    attempts::{AttemptProtocol, Builder, Cloned, Every, Exhausted, Idempotent},
    context::CarriedDeadline,
};

/// What those who make several attempts, as a [`Retry`](crate::Retry) does, read HTTP responses by and mark them with.
#[derive(Clone, Copy, Debug, Default)]
pub struct HttpAttempts<H = Http> {
    protocol: H,
    mark: Mark,
}

/// Requests that do no more if they are sent twice: by `GET`, `HEAD`, `OPTIONS`, `TRACE`, `PUT` or `DELETE`, or with an
/// `Idempotency-Key`, which all attempts carry alike.
///
/// ```
/// use cofferdam::{http::ByMethod, retry::Idempotent};
/// use http::Request;
///
/// let mut request = Request::post("/charges").body(()).unwrap();
/// assert!(!ByMethod.is_idempotent(&request));
/// request.headers_mut().insert("idempotency-key", "8e03978e".parse().unwrap());
/// assert!(ByMethod.is_idempotent(&request));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct ByMethod;

impl<B> Idempotent<Request<B>> for ByMethod {
    fn is_idempotent(&self, request: &Request<B>) -> bool {
        let safe = [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE, Method::PUT, Method::DELETE];
        safe.contains(request.method()) || request.headers().contains_key("idempotency-key")
    }
}

impl<K, D, M> Builder<K, Cloned<Every>, D, M> {
    /// For HTTP clients: answers are read as responses, requests keep to their deadline and carry the number of their
    /// attempt, and only those are sent again that [`ByMethod`] holds for. What else may be is said after it, with
    /// [`idempotent`](Self::idempotent).
    ///
    /// The body of a request is sent as it comes in, and what was sent is kept for another attempt, up to
    /// [`body_limit`](Self::body_limit): the service behind is sent a [`Replay`](crate::Replay) of it, or what
    /// [`map_body`](Self::map_body) makes of one. Whose bodies are `Clone` and small may have them cloned, and the service
    /// sent what it was sent: `.http().repeat(Cloned::default()).idempotent(ByMethod)`.
    ///
    /// A response is good or bad by its head: one that breaks off later is not made again. A response of which no further attempt was made carries [`Exhausted`] in
    /// its extensions, and how many there were in the header `x-request-exhausted`: retries further out leave it as it is, in this process and in
    /// others. See [`exhausted_header`](Self::exhausted_header).
    ///
    /// ```
    /// use std::convert::Infallible;
    /// use cofferdam::{Replay, Retry, retry::Exhausted};
    /// use http::{Request, Response, StatusCode};
    /// use tower::{ServiceBuilder, ServiceExt, service_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let service = ServiceBuilder::new()
    ///     .layer(Retry::builder("payments").attempts(2).http().build()?)
    ///     .service(service_fn(|_: Request<Replay<String>>| async {
    ///         let mut response = Response::new(String::new());
    ///         *response.status_mut() = StatusCode::BAD_GATEWAY;
    ///         Ok::<_, Infallible>(response)
    ///     }));
    ///
    /// let response = service.oneshot(Request::default()).await?;
    /// assert_eq!(response.extensions().get::<Exhausted>().unwrap().attempts, 2);
    /// assert_eq!(response.headers()["x-request-exhausted"], "2");
    /// # Ok(()) }
    /// ```
    pub fn http(self) -> Builder<K, Replayed, CarriedDeadline, HttpAttempts> {
        self.http_with(Http::new()).repeat(Replayed::default())
    }
}

impl<K, R, D, M> Builder<K, R, D, M> {
    /// For services whose responses are read like this. Which requests may be sent again stays as it was said.
    pub fn http_with<H>(self, protocol: H) -> Builder<K, R, CarriedDeadline, HttpAttempts<H>> {
        self.context().protocol(HttpAttempts { protocol, mark: Mark::default() })
    }
}

impl<K, R, D, H> Builder<K, R, D, HttpAttempts<H>> {
    /// The header of a response that says how many attempts of the call were made before it was given up: digits, from 1 on. A
    /// retry writes it; a retry or a hedge that reads it, however many services further up, does not send the request again, so that
    /// the attempts of all of them are not multiplied. Over gRPC the answer also says `grpc-retry-pushback-ms: -1`, which other
    /// clients know, unless it names a time already.
    ///
    /// Default: `x-request-exhausted`. `None`: nothing is written and nothing is read, as for what answers strangers, who need not
    /// know. Of a name case does not matter; it must not be one that HTTP itself needs. Said after `http` or `grpc`, and before
    /// [`unsent`](Self::unsent).
    ///
    /// ```
    /// use cofferdam::Retry;
    ///
    /// let edge = Retry::builder("payments").http().exhausted_header(None).build()?;
    /// let other = Retry::builder("payments").http().exhausted_header("x-given-up-after").build()?;
    ///
    /// let invalid = Retry::builder("payments").http().exhausted_header("content-length").build().unwrap_err();
    /// assert_eq!(invalid.field(), "exhausted_header");
    /// # let _ = (edge, other); Ok::<(), cofferdam::Invalid>(())
    /// ```
    pub fn exhausted_header<'n>(self, name: impl Into<Option<&'n str>>) -> Self {
        match Mark::new(name.into()) {
            Ok(mark) => self.map_protocol(|HttpAttempts { protocol, .. }| HttpAttempts { protocol, mark }),
            Err(invalid) => self.unless(Some(invalid)),
        }
    }

    /// Reads answers by another protocol, and marks them as before.
    pub(crate) fn read_by<N>(self, protocol: N) -> Builder<K, R, D, HttpAttempts<N>> {
        self.map_protocol(|HttpAttempts { mark, .. }| HttpAttempts { protocol, mark })
    }
}

impl<B: Body, E, H> AttemptProtocol<Response<B>, E> for HttpAttempts<H>
where
    H: ReadHead + Protocol<Response<B>, E>,
{
    fn read(&self, answer: Result<&Response<B>, &E>) -> Reading {
        self.protocol.read(answer)
    }

    fn is_final(&self, answer: Result<&Response<B>, &E>) -> bool {
        answer.is_ok_and(|response| {
            response.extensions().get::<Exhausted>().is_some()
                || self.protocol.forbids_another(response.headers())
                || self.mark.is_in(response.headers())
        })
    }

    fn mark(&self, answer: &mut Result<Response<B>, E>, exhausted: Exhausted) {
        if let Ok(response) = answer {
            response.extensions_mut().insert(exhausted);
            if self.mark.write(exhausted.attempts, response.headers_mut()) {
                self.protocol.forbid_another(response.headers_mut());
            }
        }
    }
}
