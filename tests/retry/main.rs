//! Retries on a paused clock.
#![allow(missing_docs)]
#![cfg(feature = "test-util")]

mod attempts;
mod budget;
mod exhausted;
mod left;
mod over_http;
#[path = "../support/mod.rs"]
mod support;
mod time;

use std::{
    future::ready,
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use cofferdam::{
    Backoff, BoxError, Budget, Bulkhead, Carries, CircuitBreaker, Deadline, Dependency, Event, GivenUp, Instant, Name,
    Next, Outcome, Policy, Rejected, Retry, RetryLayer, Timeout, What, Why,
    context::NoDeadline,
    observe,
    retry::{AttemptProtocol, Cloned},
};
use support::{Letter, ms, rich};
use tower::{Layer, Service, ServiceExt, service_fn};

/// Fails so often, and then succeeds; counts its calls and remembers when they were.
#[derive(Clone, Default)]
struct Flaky {
    failures: u32,
    calls: Arc<Mutex<Vec<(Instant, u32)>>>,
}

impl Flaky {
    fn new(failures: u32) -> Self {
        Self { failures, ..Self::default() }
    }

    fn calls(&self) -> usize {
        self.calls.lock().unwrap().len()
    }
}

impl Service<u32> for Flaky {
    type Response = u32;
    type Error = BoxError;
    type Future = std::future::Ready<Result<u32, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: u32) -> Self::Future {
        let mut calls = self.calls.lock().unwrap();
        calls.push((Instant::now(), request));
        let number = calls.len();
        let failed = number <= self.failures as usize;
        std::future::ready(if failed { Err(format!("failure {number}").into()) } else { Ok(request) })
    }
}

fn every(wait: Duration) -> Backoff {
    Backoff::constant(wait)
}

fn attempts(attempts: u32) -> RetryLayer {
    Retry::builder("retry").attempts(attempts).backoff(every(ms(10))).build().unwrap()
}
