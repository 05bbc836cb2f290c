//! HTTP without sockets: how heads and bodies are read, when a call ends, and how a rejection is worded.
#![allow(missing_docs)]
#![cfg(feature = "http")]

#[cfg(feature = "test-util")]
mod asked;
mod bodies;
mod heads;
mod lasting;
mod rejections;
#[path = "../support/mod.rs"]
mod support;

use std::{
    cell::Cell,
    collections::VecDeque,
    marker::PhantomData,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use cofferdam::{
    BoxError, BreakerState, Bulkhead, CircuitBreaker, Http, Outcome, Policy, Rejected, Why, breaker::Counts, guard,
    http::Tracked, rejection,
};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use support::{Broken, Does, Log, Recording, poll, settled};
use tower::{Layer, ServiceExt, service_fn};

/// What a hand-made body does next.
#[derive(Clone, Copy, Debug)]
enum Step {
    Data,
    Trailers,
    Error,
    Panic,
    Pending,
}

/// A body made by hand: neither `Clone` nor `Sync`.
struct HandMade {
    steps: VecDeque<Step>,
    /// Whether it says so when its last frame has been taken. Not all bodies do.
    knows_its_end: bool,
    not_sync: PhantomData<Cell<u8>>,
}

impl HandMade {
    fn new(steps: &[Step]) -> Self {
        Self { steps: steps.iter().copied().collect(), knows_its_end: false, not_sync: PhantomData }
    }

    fn that_knows_its_end(steps: &[Step]) -> Self {
        Self { knows_its_end: true, ..Self::new(steps) }
    }
}

impl Body for HandMade {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match self.steps.pop_front() {
            None => Poll::Ready(None),
            Some(Step::Data) => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"data"))))),
            Some(Step::Trailers) => Poll::Ready(Some(Ok(Frame::trailers(HeaderMap::new())))),
            Some(Step::Error) => Poll::Ready(Some(Err(Broken))),
            Some(Step::Panic) => panic!("the body's own"),
            Some(Step::Pending) => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.knows_its_end && self.steps.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        let data = self.steps.iter().filter(|step| matches!(step, Step::Data)).count();
        SizeHint::with_exact(4 * data as u64)
    }
}

/// One response with that body, through a policy that writes down what it is told.
fn through<W, C>(
    protocol: Http<W, C>,
    log: &Log,
    status: u16,
    body: HandMade,
) -> Response<impl Body<Data = Bytes, Error = Broken>>
where
    Http<W, C>:
        cofferdam::Protocol<Response<HandMade>, Broken, Guarded<Recording> = Response<Tracked<HandMade, Recording>>>,
{
    let mut response = Some(Response::builder().status(status).body(body).unwrap());
    let service = service_fn(move |(): ()| std::future::ready(Ok::<_, Broken>(response.take().unwrap())));
    let layer = Recording::new("call", Does::Admit, log).layer().protocol(protocol);
    settled(layer.layer(service).oneshot(())).unwrap()
}

/// Takes that many frames, and says whether there was an error among them.
fn take<B: Body>(mut body: Pin<&mut B>, frames: usize) -> bool {
    (0..frames).any(|_| matches!(settled(body.frame()), Some(Err(_))))
}

/// Bodies of different types in one table.
trait BoxedAny {
    fn boxed_any(self) -> Response<http_body_util::combinators::UnsyncBoxBody<Bytes, BoxError>>;
}

impl<B> BoxedAny for Response<B>
where
    B: Body<Data = Bytes, Error = std::convert::Infallible> + Send + 'static,
{
    fn boxed_any(self) -> Response<http_body_util::combinators::UnsyncBoxBody<Bytes, BoxError>> {
        self.map(|body| body.map_err(|never| match never {}).boxed_unsync())
    }
}
