//! Every order in which threads can meet in a budget, tried out.
//!
//! Run as `RUSTFLAGS="--cfg cofferdam_loom" cargo test --release --test loom_budget`.
#![cfg(cofferdam_loom)]
#![allow(missing_docs)]

use std::time::Duration;

use cofferdam::{Budget, Instant};
use loom::thread;

fn at(millis: u64) -> Instant {
    Instant::ORIGIN.after(Duration::from_millis(millis))
}

/// Two threads take from what is left for one: one of them gets it.
#[test]
fn the_last_token_is_spent_once() {
    loom::model(|| {
        let budget = Budget::builder("loom").build().unwrap();
        let kept = [budget.extra_at(at(1)).unwrap(), budget.extra_at(at(1)).unwrap()];
        let other = {
            let budget = budget.clone();
            thread::spawn(move || budget.extra_at(at(1)).is_ok())
        };
        let own = budget.extra_at(at(1)).is_ok();
        assert!(own ^ other.join().unwrap());
        assert_eq!(budget.balance_at(at(1)), 0.0);
        drop(kept);
        assert_eq!(budget.in_flight(), 0);
    });
}

/// A success pays in while somebody takes: nothing is lost.
#[test]
fn what_is_paid_in_meanwhile_is_there() {
    loom::model(|| {
        let budget = Budget::builder("loom").ratio(1.0).build().unwrap();
        drop([budget.extra_at(at(1)), budget.extra_at(at(1))]);
        let other = {
            let budget = budget.clone();
            thread::spawn(move || budget.succeeded_at(at(1)))
        };
        assert!(budget.extra_at(at(1)).is_ok());
        other.join().unwrap();
        assert_eq!(budget.balance_at(at(1)), 1.0);
    });
}
