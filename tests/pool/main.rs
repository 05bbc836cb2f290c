//! A pool of slots and the shares of its dependencies, as their users see them.
#![cfg(feature = "test-util")]
#![allow(missing_docs)]

mod needs;
mod operating;
mod shares;
mod sick;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use cofferdam::{
    Admit, Bulkhead, CircuitBreaker, Control, Ended, Event, Instant, Keyed, Outcome, Policy, Pool, PoolShare,
    PoolState, Refused, Rejected, Shadow, What, Why, guard, observe, pool::Taken, waiting::Order,
};

const START: Duration = Duration::from_secs(1_000);

fn pool(slots: usize) -> Pool {
    Pool::builder("front").slots(slots).build().unwrap()
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A dependency, and its calls in flight.
struct Dependency {
    share: PoolShare,
    calls: VecDeque<(Taken, Instant)>,
}

impl Dependency {
    fn of(pool: &Pool, name: &str) -> Self {
        Self { share: pool.share(name).unwrap(), calls: VecDeque::new() }
    }

    fn call(&mut self, now: Instant) -> Result<(), Rejected> {
        let taken = self.share.admit(&(), now)?;
        self.calls.push_back((taken, now));
        Ok(())
    }

    /// The call that began first ends.
    fn end(&mut self, outcome: Outcome, now: Instant) {
        let (taken, began) = self.calls.pop_front().expect("a call is in flight");
        self.share.settle(taken, &Ended::new(outcome, began, now));
    }

    fn end_all(&mut self, outcome: Outcome, now: Instant) {
        while !self.calls.is_empty() {
            self.end(outcome, now);
        }
    }

    /// Calls as often as it is let. Returns how many that were, and the rejection.
    fn call_until_rejected(&mut self, now: Instant, most: usize) -> (usize, Option<Rejected>) {
        for calls in 0..most {
            if let Err(rejected) = self.call(now) {
                return (calls, Some(rejected));
            }
        }
        (most, None)
    }

    /// Works with that many calls in flight, each of which takes so long, for so many calls.
    fn work(&mut self, at_a_time: u32, takes: Duration, calls: u32, now: &mut Instant) {
        for _ in 0..calls {
            *now = now.after(takes / at_a_time);
            if self.calls.len() as u32 == at_a_time {
                self.end(Outcome::Success, *now);
            }
            self.call(*now).expect("all is well");
        }
        *now = now.after(takes / at_a_time);
        self.end_all(Outcome::Success, *now);
    }
}

/// A pool of 64, in which `a` is known to need 20 slots and `b` 4.
fn two_that_are_known() -> (Pool, Dependency, Dependency, Instant) {
    let pool = pool(64);
    let (mut a, mut b) = (Dependency::of(&pool, "a"), Dependency::of(&pool, "b"));
    let mut now = Instant::ORIGIN.after(START);
    a.work(21, ms(20), 2_000, &mut now);
    b.work(5, ms(20), 1_000, &mut now);
    (pool, a, b, now)
}
