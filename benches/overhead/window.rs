//! A breaker's call after few and after many calls in its window.
//!
//! While there are no failures in the window, a call that went well need not look at the rest of it. So each kind of
//! window is measured twice, and the second time there are failures in it and the ratio is worked out at every call.

use std::time::Duration;

use cofferdam::{CircuitBreaker, breaker::Builder, guard};
use tower::Layer;

use super::policies::{breaker_with, record};
use crate::support::{
    drive::{Work, call_once, time_calls},
    subject::Subject,
    table::Table,
};

/// Calls in a small window.
const FEW: u64 = 100;

/// Calls in a large one.
const MANY: u64 = 1_000_000;

/// A batch is short, so that a small window is still one at its end.
const BATCH: u64 = 900;

/// Few calls first, as the unit.
pub(crate) fn tables() -> Vec<Table> {
    let by_time = |builder: Builder| builder.window(Duration::from_secs(3600));
    let by_count = |builder: Builder| builder.window_calls(1_000_000);
    let table =
        |title, span: fn(Builder) -> Builder, failing| Table::new(title, vec![few(span, failing), many(span, failing)]);
    vec![
        table("window of an hour, no failures", by_time, u64::MAX),
        table("window of an hour, one call in a hundred failed", by_time, 100),
        table("window of a million calls, no failures", by_count, u64::MAX),
        table("window of a million calls, one call in a hundred failed", by_count, 100),
    ]
}

/// Starts afresh with each batch, as the batch itself adds calls.
fn few(span: fn(Builder) -> Builder, failing: u64) -> Subject {
    Subject::batches("after 100 calls", move |calls| {
        let breaker = filled(span, FEW, failing);
        let mut service = guard(breaker).layer(Work);
        warm_up(&mut service);
        scaled(calls, time_calls(BATCH, |request| call_once(&mut service, request)))
    })
}

fn many(span: fn(Builder) -> Builder, failing: u64) -> Subject {
    let mut service = guard(filled(span, MANY, failing)).layer(Work);
    let batch = move |calls| {
        warm_up(&mut service);
        scaled(calls, time_calls(BATCH, |request| call_once(&mut service, request)))
    };
    Subject::batches("after a million", batch).bar(1.1)
}

fn warm_up<S: tower::Service<u64>>(service: &mut S) {
    time_calls(FEW, |request| call_once(service, request));
}

fn filled(span: fn(Builder) -> Builder, calls: u64, failing: u64) -> CircuitBreaker {
    let breaker = breaker_with(|builder| span(builder).consecutive_failures(None));
    record(&breaker, calls, failing);
    breaker
}

/// What as many calls as were asked for would have taken.
fn scaled(calls: u64, took: Duration) -> Duration {
    took.mul_f64(calls as f64 / BATCH as f64)
}
