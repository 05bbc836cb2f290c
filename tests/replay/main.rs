//! Bodies that are sent again: as they come in, the same each time, and never more of them kept than was said.
#![cfg(feature = "http")]
#![allow(missing_docs)]

mod requests;
#[path = "../support/mod.rs"]
mod support;
mod tape;

use std::{
    cell::Cell,
    collections::VecDeque,
    convert::Infallible,
    fmt::Debug,
    io,
    marker::PhantomPinned,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread,
};

use axum::{Router, routing::put};
use bytes::{Buf, Bytes};
use cofferdam::{
    Backoff, BoxError, GivenUp, Replay, Retry,
    http::{ByMethod, Replayed},
    replay::{ReplayError, Tape},
    retry::{Exhausted, Repeat},
};
use futures_util::{StreamExt, stream};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Empty, Full, StreamBody, combinators::UnsyncBoxBody};
use support::{CountingWaker, Fed, fed, settled, within};
use tokio::sync::mpsc;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

type Given<E> = Option<Result<Frame<Bytes>, ReplayError<E>>>;

/// The next frame, if there is one at once.
fn next<B: Body>(body: &mut Replay<B>) -> Poll<Given<B::Error>>
where
    Replay<B>: Unpin,
{
    Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop()))
}

/// The next data, which is there at once.
fn data<B: Body<Error: Debug>>(body: &mut Replay<B>) -> Bytes
where
    Replay<B>: Unpin,
{
    match next(body) {
        Poll::Ready(Some(Ok(frame))) => frame.into_data().unwrap(),
        other => panic!("no data: {other:?}"),
    }
}

fn taped<B: Body>(body: B, limit: usize) -> (Replay<B>, Tape<B>) {
    let (first, tape) = Replay::new(body, limit);
    (first, tape.unwrap())
}

/// A body of these chunks, which does not say how long it is.
fn chunks<const N: usize>(chunks: [&'static str; N]) -> impl Body<Data = Bytes, Error = Infallible> + Unpin + Send {
    StreamBody::new(stream::iter(chunks.map(|chunk| Ok(Frame::data(Bytes::from_static(chunk.as_bytes()))))))
}
