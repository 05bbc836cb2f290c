//! What really broke in circuit breakers, one story for each: every one of them was somebody's outage. And what is a stall.
#![allow(missing_docs)]
#![cfg_attr(not(feature = "test-util"), allow(dead_code, unused_imports))] // there are fewer stories on the production clock

#[cfg(feature = "test-util")]
mod calls;
#[cfg(feature = "test-util")]
mod half_open;
mod recovery;
mod stall;
mod window;

use std::{
    future::pending,
    pin::pin,
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

use cofferdam::{
    Admit, BoxError, BreakerState, CircuitBreaker, Ended, Instant, Outcome, Policy, Refused, Rejected, Timeout, Why,
    breaker::Builder, guard,
};
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};

type Token = <CircuitBreaker as Policy>::Token;

fn at(millis: u64) -> Instant {
    Instant::ORIGIN.after(ms(millis))
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Opens at the first failure, for a second, and needs one probe to close, at once.
fn touchy() -> Builder {
    CircuitBreaker::builder("payments")
        .consecutive_failures(1)
        .open_time(ms(1_000))
        .open_time_growth(1.0)
        .open_time_jitter(0.0)
        .probes(1)
        .ramp(None)
}

fn admit(breaker: &CircuitBreaker, millis: u64) -> Result<Token, Rejected> {
    breaker.admit(&(), at(millis))
}

fn settle(breaker: &CircuitBreaker, token: Token, outcome: Outcome, millis: u64) {
    breaker.settle(token, &Ended::new(outcome, at(millis), at(millis)));
}

/// A call that takes no time.
fn call(breaker: &CircuitBreaker, outcome: Outcome, millis: u64) {
    settle(breaker, admit(breaker, millis).expect("calls flow"), outcome, millis);
}

/// Open, since time zero.
fn open(builder: Builder) -> CircuitBreaker {
    let breaker = builder.build().expect("the settings make sense");
    call(&breaker, Outcome::Failure, 0);
    assert_eq!(breaker.state(), BreakerState::Open);
    breaker
}
