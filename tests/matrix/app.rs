//! What is served over HTTP: each request says what is to become of it.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use axum::body::Body;
use bytes::Bytes;
use cofferdam::{Context as _, Criticality};
use http::{Extensions, HeaderMap, Request, Response, StatusCode};
use tokio::sync::mpsc;
use tower::Service;

use crate::support::fed;

/// Where the test gets the feeding ends of bodies that are held open.
pub(crate) type Feeds = mpsc::UnboundedSender<Feed>;
pub(crate) type Feed = mpsc::UnboundedSender<Bytes>;

#[derive(Clone)]
pub(crate) struct App(pub(crate) Feeds);

/// The class of a request, as far as it has reached this far: with the request, or on the wire.
pub(crate) fn class(extensions: &Extensions, headers: &HeaderMap) -> String {
    let wire = headers.get("x-request-criticality").map(|class| class.to_str().unwrap());
    extensions.criticality().map(Criticality::as_str).or(wire).unwrap_or("none").to_owned()
}

async fn answer(feeds: Feeds, what: String, class: String) -> Response<Body> {
    let status = |status| Response::builder().status(status).body(Body::from("as asked")).unwrap();
    match what.as_str() {
        "hello" => Response::new("hello".into()),
        "class" => Response::new(class.into()),
        "fails" => status(StatusCode::INTERNAL_SERVER_ERROR),
        "busy" => status(StatusCode::TOO_MANY_REQUESTS),
        "never" => std::future::pending().await,
        "hold" => {
            let (feed, body) = fed();
            feed.send("first".into()).unwrap();
            feeds.send(feed).unwrap();
            Response::new(Body::new(body))
        }
        what => panic!("what is {what}?"),
    }
}

impl<B> Service<Request<B>> for App {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let what = request.uri().query().unwrap().to_owned();
        let answer = answer(self.0.clone(), what, class(request.extensions(), request.headers()));
        Box::pin(async { Ok(answer.await) })
    }
}
