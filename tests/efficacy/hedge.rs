//! What hedges must reach with nothing set.

use std::time::Duration;

use cofferdam::{Hedge, HedgeLayer};

use crate::lab::fanout::{quantile, s2, s2b};

/// As many as the experiment says, but for builds in which they take minutes.
const FAN_OUTS: usize = if cfg!(debug_assertions) { 2_000 } else { 20_000 };

fn hedge() -> HedgeLayer {
    Hedge::builder("leaves").build().unwrap()
}

/// Dean and Barroso (2013) had 74 ms where there were 1,800, for 2 % more requests, with a delay that they had set.
#[test]
fn s2_the_slowest_of_a_hundred_leaves_is_not_waited_for() {
    for seed in 0..if cfg!(debug_assertions) { 1 } else { 3 } {
        let layer = hedge();
        let mut fanned = s2(Some(layer.clone()), 100, FAN_OUTS, seed);
        let p999 = quantile(&mut fanned.times, 0.999);
        eprintln!("S2 seed {seed}: p99.9 {p999:?}, load {:.4}, {}", fanned.load, cofferdam::Control::state(&layer));
        assert!(p999 <= Duration::from_millis(74), "seed {seed}: {p999:?}");
        assert!(fanned.load <= 1.025, "seed {seed}: {}", fanned.load);
    }
}

/// Without a hedge it is what it is, or the experiment says nothing.
#[test]
fn s2_without_hedges_it_is() {
    let mut fanned = s2(None, 100, FAN_OUTS, 0);
    let p999 = quantile(&mut fanned.times, 0.999);
    eprintln!("S2 without: p99.9 {p999:?}");
    assert!(p999 >= Duration::from_millis(700), "{p999:?}");
}

/// S2b: the conditions hold when all calls become slow at once, and the server is not pushed over.
#[test]
fn defect_220_hedges_do_not_make_a_slow_server_slower() {
    for load in [0.4, 0.6] {
        for seed in 0..if cfg!(debug_assertions) { 1 } else { 3 } {
            let [before, meanwhile, after] = s2b(Some(hedge()), load, 1.5, seed);
            for (name, mut phase) in [("before", before), ("meanwhile", meanwhile), ("after", after)] {
                let p999 = quantile(&mut phase.times, 0.999);
                eprintln!("S2b {load} seed {seed} {name}: ok {:.4}, p99.9 {p999:?}, load {:.4}", phase.ok, phase.load);
                assert_eq!(phase.ok, 1.0, "{load} {seed} {name}");
                assert!(phase.load <= 1.05, "{load} {seed} {name}: {}", phase.load);
                let normal = name != "meanwhile";
                assert!(!normal || p999 <= Duration::from_millis(30), "{load} {seed} {name}: {p999:?}");
            }
        }
    }
}
