use http::{Method, Request, Response};
use http_body::Body;

use super::{Http, ReadHead, Replayed};
use crate::kernel::{
    Protocol, Reading,
    attempts::{AttemptProtocol, Builder, Cloned, Every, Exhausted, Idempotent},
    context::CarriedDeadline,
};

/// What those who make several attempts, as a [`Retry`](crate::Retry) does, read HTTP responses by and mark them with.
#[derive(Clone, Copy, Debug, Default)]
pub struct HttpAttempts<H = Http>(H);

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
    /// its extensions, and retries further out leave it as it is.
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
    /// # Ok(()) }
    /// ```
    pub fn http(self) -> Builder<K, Replayed, CarriedDeadline, HttpAttempts> {
        self.http_with(Http::new()).repeat(Replayed::default())
    }
}

impl<K, R, D, M> Builder<K, R, D, M> {
    /// For services whose responses are read like this. Which requests may be sent again stays as it was said.
    pub fn http_with<H>(self, protocol: H) -> Builder<K, R, CarriedDeadline, HttpAttempts<H>> {
        self.context().protocol(HttpAttempts(protocol))
    }
}

impl<B: Body, E, H> AttemptProtocol<Response<B>, E> for HttpAttempts<H>
where
    H: ReadHead + Protocol<Response<B>, E>,
{
    fn read(&self, answer: Result<&Response<B>, &E>) -> Reading {
        self.0.read(answer)
    }

    fn is_final(&self, answer: Result<&Response<B>, &E>) -> bool {
        answer.is_ok_and(|response| {
            response.extensions().get::<Exhausted>().is_some() || self.0.forbids_another(response.headers())
        })
    }

    fn mark(&self, answer: &mut Result<Response<B>, E>, exhausted: Exhausted) {
        if let Ok(response) = answer {
            response.extensions_mut().insert(exhausted);
        }
    }
}
