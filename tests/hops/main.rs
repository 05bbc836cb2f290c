//! What a request is worth, from service to service in headers: stories on a paused clock.
#![allow(missing_docs)]
#![cfg(all(feature = "http", feature = "test-util"))]

mod read;
#[path = "../support/mod.rs"]
mod support;
mod tree;
mod written;

use std::{convert::Infallible, future::ready, time::Duration};

use cofferdam::{
    Attempt, BoxError, Context, ContextHeaders, Criticality, Deadline, Instant, Rejected, TaskKey, Timeout, Why,
    context::{Carried, Trust},
    hops,
};
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Request, Response};
use support::{ms, settled};
use tokio::time::advance;
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};

const CLASS: &str = "x-request-criticality";

const MILLIS: &str = "x-request-timeout-ms";

const HEAD_MILLIS: &str = "x-request-head-timeout-ms";

const TASK: &str = "x-request-task";

const ATTEMPT: &str = "x-request-attempt";

fn headers() -> ContextHeaders {
    ContextHeaders::default()
}

fn open() -> Trust {
    Trust::builder().highest_criticality(Criticality::CriticalPlus).build().unwrap()
}

/// A request with these headers.
fn saying(texts: &[(&'static str, &str)]) -> Request<()> {
    let mut request = Request::new(());
    for (name, text) in texts {
        let value = HeaderValue::from_bytes(text.as_bytes()).unwrap();
        request.headers_mut().append(HeaderName::from_static(name), value);
    }
    request
}

/// The request as it comes out at the other side of a layer.
fn through<L>(layer: &L, request: Request<()>) -> Request<()>
where
    L: Layer<Echo, Service: tower::Service<Request<()>, Response = Request<()>, Error = Infallible>>,
{
    settled(layer.layer(service_fn_echo()).oneshot(request)).unwrap()
}

type Echo = tower::util::ServiceFn<fn(Request<()>) -> std::future::Ready<Result<Request<()>, Infallible>>>;

fn echo(request: Request<()>) -> std::future::Ready<Result<Request<()>, Infallible>> {
    ready(Ok(request))
}

/// As a function pointer, so that layers around it have a name.
fn service_fn_echo() -> Echo {
    service_fn(echo as fn(Request<()>) -> std::future::Ready<Result<Request<()>, Infallible>>)
}

fn inbound(trust: Trust, texts: &[(&'static str, &str)]) -> Request<()> {
    through(&headers().inbound(trust), saying(texts))
}

fn left(request: &impl Context) -> Option<Duration> {
    request.deadline().map(Deadline::remaining)
}

fn text<'r>(request: &'r Request<()>, name: &str) -> Option<&'r str> {
    let mut values = request.headers().get_all(name).iter();
    let value = values.next()?.to_str().unwrap();
    assert!(values.next().is_none(), "{name} is there twice");
    Some(value)
}
