//! Stories of adaptive throttles: one client and its server, and many clients of one.
#![cfg(feature = "test-util")]
#![allow(missing_docs)]

mod ends;
mod many_clients;
mod operating;
mod pressure;
mod ranks;

use std::{future::ready, time::Duration};

use cofferdam::{
    AdaptiveThrottle, Admit, BoxError, Criticality, Ended, Event, Instant, Keyed, Outcome, Policy, Rejected, TaskKey,
    ThrottleState, Timing, What, Why, context::Rank, guard, observe, throttle::Builder,
};
use tower::{Layer, ServiceExt, service_fn};

type ByRank = fn(&Rank) -> Rank;
type Throttle = AdaptiveThrottle<ByRank>;

fn itself(rank: &Rank) -> Rank {
    *rank
}

/// Requests are their own ranks.
fn builder() -> Builder<ByRank> {
    AdaptiveThrottle::builder("search").rank(itself)
}

fn throttle() -> Throttle {
    builder().build().unwrap()
}

fn rank(criticality: Criticality, task: u64) -> Rank {
    Rank::in_epoch(criticality, TaskKey::from_bits(task), 0)
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn at(millis: u64) -> Instant {
    Instant::ORIGIN.after(ms(millis))
}

fn settle(throttle: &Throttle, token: cofferdam::throttle::Token, outcome: Outcome, millis: u64) {
    throttle.settle(token, &Ended::new(outcome, at(millis), at(millis)));
}

/// Admitted and answered in the same moment. Returns whether it was sent.
fn call(throttle: &Throttle, rank: Rank, outcome: Outcome, millis: u64) -> bool {
    match throttle.admit(&rank, at(millis)) {
        Ok(token) => {
            settle(throttle, token, outcome, millis);
            true
        }
        Err(rejected) => {
            assert_eq!((rejected.why(), rejected.retry_after()), (Why::Throttled, None));
            false
        }
    }
}

/// A call of each class per millisecond, all of which get that answer. Returns how many of each were sent.
fn second_of(throttle: &Throttle, outcome: Outcome, from: u64) -> [u32; 4] {
    let mut sent = [0; 4];
    for millis in from..from + 1_000 {
        for class in Criticality::ALL {
            sent[class as usize] += u32::from(call(throttle, rank(class, millis), outcome, millis));
        }
    }
    sent
}
