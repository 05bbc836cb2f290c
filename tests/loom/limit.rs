//! Calls under an adaptive limit. No window is due on a clock that stands still: what meets are the slots, the counts and the
//! cohort.

use std::num::NonZeroU32;

use cofferdam::{AdaptiveLimit, Admit, Ended, Instant, Outcome, Policy};
use loom::thread;

use super::explore;

fn call(limit: &AdaptiveLimit, outcome: Option<Outcome>) -> bool {
    let now = Instant::now();
    let Ok(token) = limit.admit(&(), now) else { return false };
    assert!((1..=2).contains(&limit.in_flight()));
    match outcome {
        Some(outcome) => limit.settle(token, &Ended::new(outcome, now, now)),
        None => limit.undo(token, now),
    }
    true
}

#[test]
fn every_slot_comes_back_however_calls_end() {
    explore(2, || {
        let limit = AdaptiveLimit::builder("loom").initial_limit(2).max_limit(2).build().unwrap();
        let other = limit.clone();
        let thread = thread::spawn(move || call(&other, Some(Outcome::Success)) && call(&other, None));
        let own = call(&limit, Some(Outcome::Failure));
        // There are two slots for two threads: neither is ever turned away.
        assert!(own && thread.join().unwrap());
        assert_eq!((limit.in_flight(), limit.limit()), (0, 2));
    });
}

#[test]
fn the_last_slot_goes_to_one_of_two() {
    explore(2, || {
        let limit = AdaptiveLimit::builder("loom").initial_limit(1).min_limit(1).max_limit(1).build().unwrap();
        let other = limit.clone();
        let thread = thread::spawn(move || other.admit(&(), Instant::now()).is_ok());
        let own = limit.admit(&(), Instant::now()).is_ok();
        assert!(own ^ thread.join().unwrap());
        assert_eq!(limit.in_flight(), 1);
    });
}

#[test]
fn what_is_heavier_than_the_limit_is_alone() {
    explore(2, || {
        let limit = AdaptiveLimit::builder("loom").initial_limit(2).max_limit(2).build().unwrap();
        let weighted = limit.clone().weighted(|weight: &NonZeroU32| *weight);
        let other = weighted.clone();
        let heavy = NonZeroU32::new(3).unwrap();
        let thread = thread::spawn(move || other.admit(&heavy, Instant::now()).ok());
        let light = limit.admit(&(), Instant::now()).ok();
        let heavy = thread.join().unwrap();
        assert!(light.is_some() ^ heavy.is_some());
        assert_eq!(limit.in_flight(), if heavy.is_some() { 3 } else { 1 });
        if let Some(taken) = heavy {
            weighted.undo(taken, Instant::now());
        }
        if let Some(taken) = light {
            limit.undo(taken, Instant::now());
        }
        assert_eq!(limit.in_flight(), 0);
    });
}
