//! A server on its way out, told as stories on a clock that stands still.
#![cfg(all(feature = "http", feature = "test-util"))]
#![allow(missing_docs)]

mod inside;
mod phases;
mod readiness;
#[path = "../support/mod.rs"]
mod support;
mod waiting;

use std::{
    convert::Infallible,
    future::pending,
    pin::pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use cofferdam::{
    AdaptiveLimit, BoxError, Bulkhead, CircuitBreaker, Context as _, Control, Cutting, Drain, DrainState, Instant,
    LoadShed, Policy, Refused, Rejected, Shadow, TaskKey, What, Why,
    drain::{Builder, Nobody},
    guard, observe, rejection,
};
use futures_util::FutureExt;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use support::{CountingWaker, Fed, controlled, fed, poll, poll_with};
use tokio::time::{advance, sleep};
use tower::{Layer, Service, ServiceExt, service_fn};

const GRACE: Duration = Duration::from_secs(5);

const DEADLINE: Duration = Duration::from_secs(30);

fn builder() -> Builder {
    Drain::builder("server").grace(GRACE).deadline(DEADLINE)
}

fn drain() -> Drain {
    builder().build().unwrap()
}

/// For requests of any type.
fn plain() -> Drain<Nobody> {
    builder().exempt_nobody().build().unwrap()
}

fn get(path: &str) -> Request<String> {
    Request::get(path).body(String::new()).unwrap()
}

async fn readiness(drain: &Drain) -> (u16, String) {
    let response = drain.readiness().oneshot(get("/readyz")).await.unwrap();
    (response.status().as_u16(), response.into_body())
}

/// A future that waits for its end, and is driven.
fn awaited(drain: &Drain<impl Send + 'static>) -> tokio::task::JoinHandle<cofferdam::drain::Drained> {
    tokio::spawn(drain.begin())
}

/// Lets all tasks run that can.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

/// Whoever was made ready by hand is; its clones never are.
struct NeverReady {
    ready: bool,
}

impl Clone for NeverReady {
    fn clone(&self) -> Self {
        Self { ready: false }
    }
}

impl Service<()> for NeverReady {
    type Response = ();
    type Error = BoxError;
    type Future = std::future::Pending<Result<(), BoxError>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), BoxError>> {
        if self.ready { std::task::Poll::Ready(Ok(())) } else { std::task::Poll::Pending }
    }

    fn call(&mut self, (): ()) -> Self::Future {
        pending()
    }
}
