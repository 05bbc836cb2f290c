//! Timeouts to the tick, on a paused clock.
#![allow(missing_docs)]
#![cfg(feature = "test-util")]

mod attempt;
#[cfg(feature = "http")]
mod bodies;
mod deadline;
#[path = "../support/mod.rs"]
mod support;

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use cofferdam::{
    BoxError, BreakerState, CircuitBreaker, Deadline, Instant, Policy, Rejected, Timeout, TimeoutLayer, Why,
    timeout::CarriedDeadline,
};
use support::{Ask, Asks, Probe, Script, controlled, ms, poll, settled};
use tokio::time::{advance, sleep};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

const TICK: Duration = Duration::from_millis(1);

fn attempt(limit: Duration) -> TimeoutLayer {
    Timeout::builder("attempt").attempt(limit).build().unwrap()
}

fn to_deadline() -> TimeoutLayer<CarriedDeadline> {
    Timeout::builder("deadline").deadline().build().unwrap()
}

fn asking(deadline: Deadline) -> Ask {
    Ask { deadline: Some(deadline), ..Ask::default() }
}

fn why<T>(answer: Result<T, BoxError>) -> Why {
    match answer {
        Ok(_) => panic!("should have been rejected"),
        Err(error) => Rejected::find(error.as_ref()).expect("should have been rejected").why(),
    }
}
