//! S5: clients that all change one row, each of which fails when another was faster. What does a backoff make of that?
//!
//! The model is the one that "Exponential Backoff And Jitter" by Marc Brooker (2015) is about: a client reads the row's
//! version, sends its change along with that, and waits before it begins anew when the version was another by then.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use cofferdam::Backoff;

use super::{Random, world::nanos};

/// What came of it: when the last client was done, in seconds, and how many changes were sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Contention {
    pub seconds: f64,
    pub calls: u64,
}

/// Where a client is, with the version that it has read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Begin,
    Read,
    Write(u64),
    Answered(bool),
}

/// How long a client waits before each time that it begins anew.
pub type Waiting = Box<dyn Iterator<Item = Duration>>;

/// Of that backoff, or none.
fn waits(backoff: Option<&Backoff>) -> impl Fn(u64) -> Waiting {
    move |client| match backoff {
        Some(backoff) => Box::new(backoff.waits_from(client)),
        None => Box::new(std::iter::empty()),
    }
}

/// So many clients, each with waits of its own, which it is given a number for.
pub fn contend(clients: usize, waits: impl Fn(u64) -> Waiting, seed: u64) -> Contention {
    let mut random = Random::new(seed);
    // 10 ms each way, give or take two.
    let mut network = || nanos((0.01 + 0.002 * random.normal()).abs());
    let mut waits: Vec<_> = (0..clients).map(|client| waits(seed << 32 | client as u64)).collect();
    let mut events: BinaryHeap<_> = (0..clients).map(|client| Reverse((0, client, Step::Begin))).collect();
    let (mut version, mut calls, mut last) = (0, 0, 0);
    while let Some(Reverse((now, client, step))) = events.pop() {
        let (after, next) = match step {
            Step::Begin => (network(), Step::Read),
            Step::Read => (network() + network(), Step::Write(version)),
            Step::Write(read) => {
                calls += 1;
                let is_first = read == version;
                version += u64::from(is_first);
                (network(), Step::Answered(is_first))
            }
            Step::Answered(true) => {
                last = now;
                continue;
            }
            Step::Answered(false) => {
                let wait = waits[client].next().unwrap_or_default();
                (nanos(wait.as_secs_f64()), Step::Begin)
            }
        };
        events.push(Reverse((now + after, client, next)));
    }
    Contention { seconds: last as f64 / 1e9, calls }
}

/// Each kind of wait, from 5 ms on, at most 2 s. The model doubles before the first wait, where our backoff begins with its
/// base.
pub fn backoffs() -> [(&'static str, Option<Backoff>); 5] {
    let (base, doubled, cap) = (Duration::from_millis(5), Duration::from_millis(10), Duration::from_secs(2));
    [
        ("full", Some(Backoff::full_jitter(doubled, cap))),
        ("equal", Some(Backoff::equal_jitter(doubled, cap))),
        ("decorrelated", Some(Backoff::decorrelated(base, cap))),
        ("exponential", Some(Backoff::exponential(doubled, cap))),
        ("none", None),
    ]
}

/// The mean of many runs: one says little.
pub fn mean(clients: usize, backoff: Option<&Backoff>) -> Contention {
    mean_by(clients, waits(backoff))
}

/// The same with waits of another kind.
pub fn mean_by(clients: usize, waits: impl Fn(u64) -> Waiting) -> Contention {
    const RUNS: u64 = 50;
    let runs = (0..RUNS).map(|seed| contend(clients, &waits, seed));
    let (seconds, calls) = runs.fold((0.0, 0), |(seconds, calls), run| (seconds + run.seconds, calls + run.calls));
    Contention { seconds: seconds / RUNS as f64, calls: calls / RUNS }
}
