//! What hedges must reach with nothing set.

use std::time::Duration;

use cofferdam::{Hedge, HedgeLayer};

use crate::lab::fanout::{Hedging, quantile, s2, s2b};

/// As many as the experiment says, but for builds in which they take minutes.
const FAN_OUTS: usize = if cfg!(debug_assertions) { 2_000 } else { 20_000 };

const SEEDS: u64 = if cfg!(debug_assertions) { 1 } else { 3 };

fn hedge() -> HedgeLayer {
    Hedge::builder("leaves").build().unwrap()
}

/// Dean and Barroso (2013) had 74 ms where there were 1,800, for 2 % more requests, with a delay that they had set.
#[test]
fn s2_the_slowest_of_a_hundred_leaves_is_not_waited_for() {
    for seed in 0..SEEDS {
        let layer = hedge();
        let mut fanned = s2(Hedging::Ours(layer.clone()), 100, FAN_OUTS, seed);
        let p999 = quantile(&mut fanned.times, 0.999);
        eprintln!("S2 seed {seed}: p99.9 {p999:?}, load {:.4}, {}", fanned.load, cofferdam::Control::state(&layer));
        assert!(p999 <= Duration::from_millis(74), "seed {seed}: {p999:?}");
        assert!(fanned.load <= 1.025, "seed {seed}: {}", fanned.load);
    }
}

/// Without a hedge it is what it is, or the experiment says nothing.
#[test]
fn s2_without_hedges_it_is() {
    let mut fanned = s2(Hedging::Never, 100, FAN_OUTS, 0);
    let p999 = quantile(&mut fanned.times, 0.999);
    eprintln!("S2 without: p99.9 {p999:?}");
    assert!(p999 >= Duration::from_millis(700), "{p999:?}");
}

/// S2b: the conditions hold when all calls become slow at once, and the server is not pushed over.
#[test]
fn defect_220_hedges_do_not_make_a_slow_server_slower() {
    for load in [0.4, 0.6] {
        for seed in 0..SEEDS {
            let [before, meanwhile, after] = s2b(Hedging::Ours(hedge()), load, 1.5, seed);
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
/// Also where it has little to do, and whatever the first call took.
#[test]
fn s2b_at_other_loads() {
    for load in [0.25, 0.75] {
        for seed in 0..SEEDS {
            for mut phase in s2b(Hedging::Ours(hedge()), load, 1.0, seed) {
                let p999 = quantile(&mut phase.times, 0.999);
                assert!(phase.ok == 1.0 && phase.load <= 1.05, "{load} {seed}: {} {}", phase.ok, phase.load);
                assert!(p999 <= Duration::from_millis(30), "{load} {seed}: {p999:?}");
            }
        }
    }
}

/// From nine tenths of what the server can do on, its line alone takes longer: somebody who knows at once which calls straggle does
/// not pass it by either. At 98 % of it, what is sent again is the rest.
#[test]
fn s2b_where_the_line_is_long_it_is_near_what_can_be_done() {
    for (load, factor) in [(0.9, 2.0), (0.98, 4.0)] {
        let slowest = |way: fn() -> Hedging| {
            let phases = (0..SEEDS).flat_map(|seed| s2b(way(), load, 1.0, seed));
            phases.map(|mut phase| quantile(&mut phase.times, 0.999)).max().unwrap().as_secs_f64() * 1e3
        };
        let (ours, best) = (slowest(|| Hedging::Ours(hedge())), slowest(|| Hedging::Oracle));
        eprintln!("S2b {load}: p99.9 {ours} ms, and {best} ms at best");
        assert!(best > 30.0, "{load}: {best} ms is possible");
        assert!(ours <= factor * best, "{load}: {ours} ms, and {best} ms at best");
    }
}
