//! Stories of calls that wait for a slot.
#![cfg(feature = "test-util")]
#![allow(missing_docs)]

mod breaker;
mod ends;
mod policy;
mod pressure;
#[path = "../support/mod.rs"]
mod support;
mod turns;

use std::{
    future::{pending, ready},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::Poll,
    time::Duration,
};

use cofferdam::{
    BoxError, BreakerState, Bulkhead, CircuitBreaker, Instant, Policy, Refused, Rejected, Why, bulkhead::Queue, guard,
    waiting::Order,
};
use futures_util::future::join_all;
use support::{Asks, CountingWaker, Kind, Probe, Script, controlled, ms, poll, poll_with};
use tower::{Layer, Service, ServiceExt, service_fn};

fn since(begun: Instant) -> Duration {
    Instant::now().since(begun)
}

fn queued(limit: usize, length: usize) -> Bulkhead<Queue> {
    Bulkhead::builder("line").limit(limit).queue(length).max_wait(ms(100)).order(Order::Fifo).build().unwrap()
}

fn why<T: std::fmt::Debug>(answer: Result<T, BoxError>) -> Why {
    Rejected::find(answer.unwrap_err().as_ref()).unwrap().why()
}

/// A breaker that is open for an hour once it is.
fn breaker() -> CircuitBreaker {
    CircuitBreaker::builder("breaker").open_time(ms(3_600_000)).open_time_max(ms(3_600_000)).build().unwrap()
}
