//! The adaptive limit in front of a plant: so many workers, each of which takes so long.
#![cfg(feature = "test-util")]
#![allow(missing_docs)]

mod learning;
mod operating;
mod weights;

use std::{cmp::Reverse, collections::BinaryHeap, num::NonZeroU32, time::Duration};

use cofferdam::{
    AdaptiveLimit, Admit, Control, Ended, Fresh, Instant, Outcome, Policy, Weighted, Why,
    limit::{Aimd, Algorithm, Builder, Gradient, Gradient2, Plan, Sample, Vegas},
};
use proptest::{prelude::*, sample::select};
use tokio::time::advance;

/// Takes calls that come evenly, each millisecond some.
struct Plant<A: Algorithm, P: Policy = AdaptiveLimit<A>> {
    limit: AdaptiveLimit<A>,
    policy: P,
    /// What each call weighs, by its number: it needs as many workers at a time.
    weight: fn(u64) -> u32,
    /// Calls that weigh more than one take so many times as long.
    stretch: u64,
    workers: Vec<u64>,
    /// In milliseconds.
    latency: u64,
    /// Beyond so many at a time it turns calls away at once.
    turns_away_above: usize,
    /// One of so many fails at once; zero for none.
    fails: u64,
    hangs: bool,
    /// Callers leave after so many milliseconds.
    patience: u64,
    now: u64,
    due: f64,
    calls: u64,
    running: BinaryHeap<Reverse<(u64, u64)>>,
    tokens: std::collections::HashMap<u64, (P::Token, Instant, Outcome)>,
    /// The limit after each millisecond.
    limits: Vec<u32>,
    rejected: u64,
}

type Weigh = fn(&u32) -> NonZeroU32;

/// Each request says what it weighs.
fn by_weight<A: Algorithm>(limit: &AdaptiveLimit<A>) -> Weighted<AdaptiveLimit<A>, Weigh> {
    limit.clone().weighted(|weight: &u32| NonZeroU32::new(*weight).expect("something"))
}

impl<A: Algorithm> Plant<A> {
    fn new(workers: usize, latency: u64, limit: AdaptiveLimit<A>) -> Self {
        Self::with(workers, latency, limit.clone(), limit, |_| 1)
    }
}

impl<A: Algorithm> Plant<A, Weighted<AdaptiveLimit<A>, Weigh>> {
    fn weighted(workers: usize, latency: u64, limit: AdaptiveLimit<A>, weight: fn(u64) -> u32) -> Self {
        Self::with(workers, latency, by_weight(&limit), limit, weight)
    }
}

impl<A: Algorithm, P: Admit<u32>> Plant<A, P> {
    fn with(workers: usize, latency: u64, policy: P, limit: AdaptiveLimit<A>, weight: fn(u64) -> u32) -> Self {
        Self {
            limit,
            policy,
            weight,
            stretch: 1,
            workers: vec![0; workers],
            latency,
            turns_away_above: usize::MAX,
            fails: 0,
            hangs: false,
            patience: 1000,
            now: 0,
            due: 0.0,
            calls: 0,
            running: BinaryHeap::new(),
            tokens: std::collections::HashMap::new(),
            limits: Vec::new(),
            rejected: 0,
        }
    }

    /// For so many milliseconds, so many calls in each.
    async fn run(&mut self, millis: u64, calls: f64) {
        for _ in 0..millis {
            advance(Duration::from_millis(1)).await;
            self.now += 1;
            while let Some(Reverse((at, _))) = self.running.peek()
                && *at <= self.now
            {
                let Reverse((_, call)) = self.running.pop().unwrap();
                let (token, started, outcome) = self.tokens.remove(&call).unwrap();
                self.policy.settle(token, &Ended::new(outcome, started, Instant::now()));
            }
            self.due += calls;
            while self.due >= 1.0 {
                self.due -= 1.0;
                self.call();
            }
            self.limits.push(self.limit.limit());
        }
    }

    fn call(&mut self) {
        let now = Instant::now();
        let weight = (self.weight)(self.calls + self.rejected);
        let Ok(token) = self.policy.admit(&weight, now) else {
            self.rejected += 1;
            return;
        };
        self.calls += 1;
        let (took, outcome) = self.answer(weight);
        let (took, outcome) = if took > self.patience { (self.patience, Outcome::Abandoned) } else { (took, outcome) };
        self.running.push(Reverse((self.now + took, self.calls)));
        self.tokens.insert(self.calls, (token, now, outcome));
    }

    fn answer(&mut self, weight: u32) -> (u64, Outcome) {
        if self.hangs {
            return (u64::MAX, Outcome::Success);
        }
        if self.running.len() >= self.turns_away_above {
            return (1, Outcome::Overload);
        }
        if self.fails > 0 && self.calls.is_multiple_of(self.fails) {
            return (1, Outcome::Failure);
        }
        // Ten percent more or less, as nothing is quite the same twice.
        let stretch = if weight > 1 { self.stretch } else { 1 };
        let work = (stretch * self.latency * (90 + self.calls * 7 % 21)).div_ceil(100);
        // Those who are free first.
        let needed = weight as usize;
        let (_, last, _) = self.workers.select_nth_unstable(needed - 1);
        let done = (*last).max(self.now) + work;
        self.workers[..needed].fill(done);
        (done - self.now, Outcome::Success)
    }

    fn mean(&self, last: usize) -> f64 {
        let last = &self.limits[self.limits.len() - last..];
        last.iter().map(|limit| f64::from(*limit)).sum::<f64>() / last.len() as f64
    }
}

fn builder() -> Builder {
    AdaptiveLimit::builder("plant").patience(Duration::from_secs(1))
}
