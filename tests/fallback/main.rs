//! Answers in place of the service's own: for which causes, from where, and who still gets to know.
#![allow(missing_docs)]

mod calls;
mod causes;
#[path = "../support/mod.rs"]
mod support;
#[cfg(feature = "http")]
mod web;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use cofferdam::{BoxError, Bulkhead, Cause, CircuitBreaker, Failed, Fallback, Policy, Rejected, Timeout, Why};
use support::{Ask, Asks, Broken, Probe, Script, controlled, poll, settled, within};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

type Answer = Result<u32, BoxError>;

fn breaker(name: &str) -> CircuitBreaker {
    CircuitBreaker::builder(name).build().unwrap()
}

/// The causes that a fallback was asked for.
type Learnt = Arc<std::sync::Mutex<Vec<(Cause, Option<Why>)>>>;

/// A layer that answers with what it learnt of the cause, and the causes it was asked for.
fn learning() -> (Learnt, impl Fn(Failed<u32, BoxError>) -> Answer + Clone) {
    let causes = Arc::new(std::sync::Mutex::new(Vec::new()));
    let learnt = Arc::clone(&causes);
    let answer = move |failed: Failed<u32, BoxError>| {
        learnt.lock().unwrap().push((failed.cause(), failed.rejected().map(Rejected::why)));
        Ok(7)
    };
    (causes, answer)
}
