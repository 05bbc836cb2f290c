//! Every layer at every stack, over real sockets: a call that succeeds, one that fails, one whose caller leaves in the
//! middle of the body, one that is rejected, and nothing is held afterwards.
//!
//! A row is a layer and what makes it reject. A column is a stack, and that end of the wire at which the layer stands.
//! Within a row, `Here` is the column.
#![allow(missing_docs)]
#![cfg(feature = "grpc")]

mod app;
mod caller;
mod grpc;
mod row;
mod stack;
#[path = "../support/mod.rs"]
mod support;
mod world;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use cofferdam::{
    AdaptiveLimit, AdaptiveThrottle, Admit, Bulkhead, CircuitBreaker, Drain, Ended, Fallback, Hedge, Instant, LoadShed,
    Outcome, Policy, Pool, PoolShare, Retry, Shadow, Timeout, Why, bulkhead::Queue, http::Replayed, limit::Knee,
    pool::Taken, retry::Every,
};
use row::Row;
use stack::{Axum, Column, HyperClient, HyperServer, Stack, TonicClient, TonicServer};
use tower::ServiceBuilder;

/// A module for each row, and in it a test for each column.
macro_rules! matrix {
    ($($row:ident: $case:expr;)*) => {
        $(mod $row {
            use super::*;

            column!(axum_http1, Axum<false>, $case);
            column!(axum_http2, Axum<true>, $case);
            column!(tonic_unary_server, TonicServer<false>, $case);
            column!(tonic_streaming_server, TonicServer<true>, $case);
            column!(tonic_client, TonicClient, $case);
            column!(hyper_http1_server, HyperServer<false>, $case);
            column!(hyper_http2_server, HyperServer<true>, $case);
            column!(hyper_client, HyperClient, $case);
        })*
    };
}

macro_rules! column {
    ($name:ident, $stack:ty, $case:expr) => {
        #[tokio::test]
        async fn $name() {
            type Here = $stack;
            let (row, layer) = $case.split();
            row.check(Here::build(layer).await).await;
        }
    };
}

matrix! {
    breaker: {
        let breaker = breaker();
        let (open, reset) = (breaker.clone(), breaker.clone());
        Row::of(Here::around(breaker)).ordered(move || open.force_open(), move || reset.reset(), Why::Open)
    };
    bulkhead: {
        let slots = bulkhead();
        Row::of(Here::around(slots.clone())).full(Why::Full).at_rest(move || slots.in_flight() == 0)
    };
    bulkhead_with_a_queue: {
        let slots = queue();
        let waiting = slots.clone();
        Row::of(Here::around(slots.clone()))
            .line(move || waiting.waiting(), &[Why::Full])
            .at_rest(move || slots.in_flight() == 0 && slots.waiting() == 0)
    };
    adaptive_limit: {
        let limit = limit();
        Row::of(Here::around(limit.clone())).full(Why::Full).at_rest(move || limit.in_flight() == 0)
    };
    load_shedding: {
        let shed = LoadShed::builder(limit()).max_queue(1).build().unwrap();
        let waiting = shed.clone();
        Row::of(Here::around(shed.clone()))
            .line(move || waiting.waiting(), &[Why::Shed, Why::Displaced])
            .at_rest(move || shed.limit().in_flight() == 0 && shed.waiting() == 0)
    };
    throttle: {
        let throttle = AdaptiveThrottle::builder("matrix").coin(true).build().unwrap();
        Row::of(Here::around(throttle)).after("busy", Why::Throttled)
    };
    share_of_a_pool: {
        let (share, other, silence) = pool();
        let (falls, speaks) = (silence.clone(), silence);
        Row::of(Here::around(share.clone()))
            .ordered(move || falls.falls(), move || speaks.speaks(), Why::Reserved)
            .at_rest(move || share.in_use() == 0)
            .finally(move || assert_eq!(other.in_use(), 0))
    };
    timeout: {
        let timeout = Timeout::builder("matrix").attempt(Duration::from_millis(500)).protocol(Here::protocol());
        Row::of(timeout.build().unwrap()).asked("never", Why::TimedOut)
    };
    drain: {
        let drain = Drain::builder("matrix").grace(Duration::ZERO).build().unwrap();
        let [begun, undone, idle] = [drain.clone(), drain.clone(), drain.clone()];
        Row::of(Here::around(drain))
            .ordered(move || drop(begun.begin()), move || assert!(undone.resume()), Why::Draining)
            .at_rest(move || idle.in_flight() == 0)
    };
    retry: {
        let slots = bulkhead();
        let retry = Retry::builder("matrix").http_with(Here::protocol()).repeat(Replayed::<Every>::default());
        let retry = retry.map_body(Here::sent).build().unwrap();
        Row::of(ServiceBuilder::new().layer(retry).layer(Here::around(slots.clone())))
            .full(Why::Full)
            .at_rest(move || slots.in_flight() == 0)
    };
    hedge: {
        let slots = bulkhead();
        let hedge = Hedge::builder("matrix").http_with(Here::protocol()).repeat(Replayed::<Every>::default());
        let hedge = hedge.map_body(Here::sent).build().unwrap();
        let made = hedge.clone();
        Row::of(ServiceBuilder::new().layer(hedge).layer(Here::around(slots.clone())))
            .full(Why::Full)
            .at_rest(move || slots.in_flight() == 0 && made.in_flight() == 0)
    };
    fallback: {
        let breaker = breaker();
        let (open, reset) = (breaker.clone(), breaker.clone());
        let fallback = Fallback::function(Here::sorry).http_with(Here::protocol());
        Row::of(ServiceBuilder::new().layer(fallback).layer(Here::around(breaker)))
            .ordered(move || open.force_open(), move || reset.reset(), Why::Open)
            .sorry()
    };
    context: {
        let timeout = Timeout::builder("matrix").deadline().protocol(Here::protocol()).build().unwrap();
        Row::of(ServiceBuilder::new().layer(Here::arriving()).layer(timeout).layer(Here::leaving())).expired().told()
    };
    keyed: {
        let keyed = Here::by_path(bulkhead());
        let all = keyed.clone();
        let at_rest = move || all.snapshot().iter().all(|key| key.policy.in_flight() == 0);
        Row::of(Here::around(keyed)).full(Why::Full).free_elsewhere().at_rest(at_rest)
    };
    shadow: {
        let shadow = Arc::new(Shadow::new(bulkhead()));
        let (seen, slots) = (shadow.clone(), shadow.clone());
        Row::of(Here::around(shadow))
            .full(None)
            .at_rest(move || slots.policy().in_flight() == 0)
            .finally(move || assert_eq!(seen.would_have_rejected(), 1))
    };
    fused_group: {
        let (breaker, limit, slots) = (breaker(), AdaptiveLimit::builder("matrix").build().unwrap(), bulkhead());
        let group = (breaker, limit.clone(), slots.clone());
        Row::of(Here::around(group))
            .full(Why::Full)
            .at_rest(move || slots.in_flight() == 0 && limit.in_flight() == 0)
    };
    stacked: {
        let (breaker, slots) = (breaker(), bulkhead());
        let timeout = Timeout::builder("matrix").attempt(HOUR).protocol(Here::protocol()).build().unwrap();
        Row::of(ServiceBuilder::new().layer(Here::around(breaker)).layer(Here::around(slots.clone())).layer(timeout))
            .full(Why::Full)
            .at_rest(move || slots.in_flight() == 0)
    };
}

#[cfg(feature = "rate-limit")]
matrix! {
    rate_limit: {
        let rate = cofferdam::Rate::per_second(2).unwrap();
        let limit = cofferdam::RateLimit::builder("matrix", rate).burst(8).build().unwrap();
        Row::of(Here::around(limit)).after("hello", Why::RateLimited)
    };
}

const HOUR: Duration = Duration::from_secs(3600);

fn breaker() -> CircuitBreaker {
    CircuitBreaker::builder("matrix").build().unwrap()
}

/// One slot.
fn bulkhead() -> Bulkhead {
    Bulkhead::builder("matrix").limit(1).build().unwrap()
}

/// One slot, and one place in line.
fn queue() -> Bulkhead<Queue> {
    Bulkhead::builder("matrix").limit(1).queue(1).max_wait(HOUR).build().unwrap()
}

/// One call at a time, whatever is measured.
fn limit() -> AdaptiveLimit<Knee> {
    AdaptiveLimit::builder("matrix").min_limit(1).initial_limit(1).max_limit(1).build().unwrap()
}

/// A share of a pool of two slots, another one, and somebody who can make the first owe an answer.
fn pool() -> (PoolShare, PoolShare, Arc<Silence>) {
    let pool = Pool::builder("matrix").slots(2).build().unwrap();
    let (share, other) = (pool.share("matrix").unwrap(), pool.share("other").unwrap());
    // It is known to answer at once.
    for _ in 0..20 {
        let (taken, now) = (share.admit(&(), Instant::now()).unwrap(), Instant::now());
        share.settle(taken, &Ended::new(Outcome::Success, now, now));
    }
    (share.clone(), other, Arc::new(Silence { share, owed: Mutex::new(None) }))
}

/// A call that is not answered, and holds the part of the pool that is its dependency's own.
struct Silence {
    share: PoolShare,
    owed: Mutex<Option<Taken>>,
}

impl Silence {
    fn falls(&self) {
        *self.owed.lock().unwrap() = self.share.admit(&(), Instant::ORIGIN).ok();
    }

    fn speaks(&self) {
        let owed = self.owed.lock().unwrap().take().expect("an answer is owed");
        self.share.settle(owed, &Ended::new(Outcome::Ignored, Instant::ORIGIN, Instant::now()));
    }
}
