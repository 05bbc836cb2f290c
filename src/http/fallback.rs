use http::{HeaderName, HeaderValue, Response};
use http_body::Body;

use super::{Http, ReadHead};
use crate::{
    flow::fallback::{FallbackLayer, FallbackProtocol},
    kernel::{Degraded, Plain, Protocol, Reading},
};

/// What a [`Fallback`](crate::Fallback) reads HTTP responses by, and marks its own with.
#[derive(Clone, Debug)]
pub struct HttpFallback<H = Http> {
    protocol: H,
    header: Option<(HeaderName, HeaderValue)>,
}

impl<A, Request> FallbackLayer<A, Plain, Request> {
    /// For services that answer with HTTP responses. What is not to be read by the defaults is said with
    /// [`http_with`](Self::http_with).
    ///
    /// ```
    /// use std::convert::Infallible;
    /// use cofferdam::{Degraded, Fallback};
    /// use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
    /// use tower::{ServiceBuilder, ServiceExt, service_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Infallible> {
    /// let service = ServiceBuilder::new()
    ///     .layer(
    ///         Fallback::value(Response::new(String::new()))
    ///             .http()
    ///             .header(HeaderName::from_static("x-degraded"), HeaderValue::from_static("1")),
    ///     )
    ///     .service(service_fn(|_: Request<String>| async {
    ///         let mut response = Response::new(String::from("oh no"));
    ///         *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    ///         Ok::<_, Infallible>(response)
    ///     }));
    ///
    /// let response = service.oneshot(Request::default()).await?;
    /// assert_eq!(response.status(), StatusCode::OK);
    /// assert_eq!(response.headers()["x-degraded"], "1");
    /// assert!(response.extensions().get::<Degraded>().is_some());
    /// # Ok(()) }
    /// ```
    ///
    /// Where the body is one that another layer has wrapped, make it from text or from bytes:
    /// `Fallback::function(|_| Ok(Response::new("[]".into())))`.
    #[must_use]
    pub fn http(self) -> FallbackLayer<A, HttpFallback, Request> {
        self.http_with(Http::new())
    }

    /// For services whose responses are read like this.
    #[must_use]
    pub fn http_with<H>(self, protocol: H) -> FallbackLayer<A, HttpFallback<H>, Request> {
        self.protocol(HttpFallback { protocol, header: None })
    }
}

impl<A, H, Request> FallbackLayer<A, HttpFallback<H>, Request> {
    /// Also marks answers for whoever is at the other end, with this header. Default: only with the extension
    /// [`Degraded`], which does not leave the process.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.protocol_mut().header = Some((name, value));
        self
    }
}

impl<B: Body, E, H> FallbackProtocol<Response<B>, E> for HttpFallback<H>
where
    H: ReadHead + Protocol<Response<B>, E>,
{
    fn read(&self, answer: Result<&Response<B>, &E>) -> Reading {
        match answer {
            // Another fallback has answered: if that is good enough, it is not for this one to answer again.
            Ok(response) if response.extensions().get::<Degraded>().is_some() => self.protocol.read_head(response),
            _ => self.protocol.read(answer),
        }
    }

    fn mark(&self, response: &mut Response<B>, degraded: Degraded) {
        response.extensions_mut().insert(degraded);
        if let Some((name, value)) = &self.header {
            response.headers_mut().insert(name, value.clone());
        }
    }
}
