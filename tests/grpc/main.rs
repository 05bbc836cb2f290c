//! gRPC without sockets: where a status is found and what it means, when a call ends, and how a rejection is worded.
#![allow(missing_docs)]
#![cfg(feature = "grpc")]

mod bodies;
#[cfg(feature = "test-util")]
mod paused;
mod rejections;
mod status;
#[path = "../support/mod.rs"]
mod support;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    time::Duration,
};

use Step::{Error, Message, Panic, Status, Trailers};
use bytes::Bytes;
use cofferdam::{
    Admit, BoxError, Bulkhead, Cause, Degraded, Ended, Fallback, Grpc, Immediate, Instant, Name, Outcome, Policy,
    Protocol, Rejected, Why,
    grpc::{ByCode, ClassifyStatus, Code, trailers_only},
    guard, rejection,
};
use futures_util::stream;
use http::{HeaderMap, HeaderValue, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty, Full, StreamBody, combinators::UnsyncBoxBody};
use support::{Broken, Does, Log, Recording, settled};
use tower::{Layer, Service, ServiceExt, service_fn};

type Boxed = UnsyncBoxBody<Bytes, Broken>;

/// What a body does next.
#[derive(Clone, Copy, Debug)]
enum Step {
    Message,
    /// Trailers with that status, and with that pushback.
    Status(&'static str, Option<&'static str>),
    /// Trailers without a status.
    Trailers,
    Error,
    Panic,
}

fn metadata(status: &'static str, pushback: Option<&'static str>) -> HeaderMap {
    let mut metadata = HeaderMap::new();
    metadata.insert("grpc-status", HeaderValue::from_static(status));
    if let Some(pushback) = pushback {
        metadata.insert("grpc-retry-pushback-ms", HeaderValue::from_static(pushback));
    }
    metadata
}

/// A body that does this, and does not know its end before it is asked once more.
fn body(steps: &'static [Step]) -> Boxed {
    let frames = steps.iter().map(|step| match *step {
        Message => Ok(Frame::data(Bytes::from_static(b"\0\0\0\0\0"))),
        Status(status, pushback) => Ok(Frame::trailers(metadata(status, pushback))),
        Trailers => Ok(Frame::trailers(HeaderMap::new())),
        Error => Err(Broken),
        Panic => panic!("the body's own"),
    });
    StreamBody::new(stream::iter(frames)).boxed_unsync()
}

/// A body that knows that there is nothing in it.
fn nothing() -> Boxed {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

fn answer(head: HeaderMap, body: Boxed) -> Response<Boxed> {
    let mut response = Response::new(body);
    *response.headers_mut() = head;
    response
}

/// A service that answers once.
fn once(response: Response<Boxed>) -> impl Service<(), Response = Response<Boxed>, Error = Broken> {
    let mut response = Some(response);
    service_fn(move |()| std::future::ready(Ok(response.take().unwrap())))
}

/// That answer, through a policy that writes down what it is told.
fn through(log: &Log, response: Response<Boxed>) -> Response<impl Body<Data = Bytes, Error = Broken>> {
    let layer = Recording::new("call", Does::Admit, log).layer().grpc();
    settled(layer.layer(once(response)).oneshot(())).unwrap()
}

/// Takes that many frames, and says whether there was an error among them.
fn take<B: Body>(mut body: Pin<&mut B>, frames: usize) -> bool {
    (0..frames).any(|_| matches!(settled(body.frame()), Some(Err(_))))
}
