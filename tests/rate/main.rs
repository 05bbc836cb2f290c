//! Stories of rate limits, on a clock that stands still unless it is told to go on.
#![cfg(all(feature = "rate-limit", feature = "test-util"))]
#![allow(missing_docs)]

mod keys;
mod line;
mod operating;
mod permits;
#[path = "../support/mod.rs"]
mod support;

use std::{
    future::ready,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use cofferdam::{
    Admit, Bulkhead, CircuitBreaker, Control, Deadline, Fresh, Guard, Instant, Keyed, Policy, Rate, RateLimit, Refused,
    Rejected, Waiting, Why, guard, keyed::WhenFull, rate::Queue, waiting::Order,
};
use support::{CountingWaker, poll_with};
use tokio::task::JoinHandle;
use tower::{BoxError, Layer, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);

const MILLISECOND: Duration = Duration::from_millis(1);

fn per_second(permits: u32) -> Rate {
    Rate::per_second(permits).unwrap()
}

fn limit(rate: Rate, burst: u32) -> RateLimit {
    RateLimit::builder("search", rate).burst(burst).build().unwrap()
}

fn patient(rate: Rate, burst: u32, length: usize) -> RateLimit<Queue> {
    let builder = RateLimit::builder("search", rate).burst(burst).queue(length).order(Order::Fifo);
    builder.max_wait(Duration::from_secs(3600)).build().unwrap()
}

/// Takes as many permits as there are, one by one.
fn drain(limit: &RateLimit, now: Instant) -> u32 {
    (0..).take_while(|_| Admit::<()>::admit(limit, &(), now).is_ok()).count() as u32
}

fn why<T>(result: Result<T, Rejected>) -> Why {
    result.err().expect("it is rejected").why()
}
