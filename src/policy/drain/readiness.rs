use std::{
    convert::Infallible,
    future::{Ready, ready},
    task::{Context, Poll},
};

use http::{HeaderValue, Request, Response, StatusCode, header};
use tower_service::Service;

use super::{Drain, State, live::Live};
use crate::kernel::sync::Arc;

impl<X> Drain<X> {
    /// A service that answers whether this one should be sent requests: 200 while it is ready, else 503; the body is the
    /// state in a word. Mount it where load balancers ask, best at `/readyz`, which load shedding lets in at any load.
    ///
    /// It needs no layer around it, and does no harm under one: [health checks](super::HealthChecks) are let in at any time.
    ///
    /// ```
    /// use axum::{Router, body::Body, routing::get};
    /// use cofferdam::{Drain, Policy};
    /// use http::{Request, StatusCode};
    /// use tower::ServiceExt;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let drain = Drain::builder("checkout").build()?;
    /// let app: Router = Router::new()
    ///     .route("/", get(|| async { "hello" }))
    ///     .layer(drain.clone().layer().http())
    ///     .route_service("/readyz", drain.readiness());
    ///
    /// let ask = || Request::get("/readyz").body(Body::empty());
    /// assert_eq!(app.clone().oneshot(ask()?).await?.status(), StatusCode::OK);
    /// drop(drain.begin());
    /// assert_eq!(app.oneshot(ask()?).await?.status(), StatusCode::SERVICE_UNAVAILABLE);
    /// # Ok(()) }
    /// ```
    pub fn readiness(&self) -> Readiness {
        Readiness { live: Arc::clone(&self.live) }
    }
}

/// Answers whether a server should be sent requests: see [`Drain::readiness`].
#[derive(Clone, Debug)]
pub struct Readiness {
    live: Arc<Live>,
}

impl<B> Service<Request<B>> for Readiness {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        let (state, _) = self.live.read();
        let mut response = Response::new(format!("{state}\n"));
        if state != State::Ready {
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        }
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        ready(Ok(response))
    }
}
