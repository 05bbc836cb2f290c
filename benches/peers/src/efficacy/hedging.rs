//! S2 and S2b: hedges where few calls straggle, and where all become slow.

use std::{ops::Range, rc::Rc, time::Duration};

use cofferdam::Hedge;
use tower::Layer;
use tower_resilience::hedge::HedgeLayer;

use crate::{
    lab::{
        Pace,
        fanout::{self, Client, Hedging, Leaf},
    },
    remote::{Remote, client},
    table::{Better, Row, Table},
    theirs,
};

/// A way to send calls again that is made anew for each run, as a hedge learns.
type Named = (&'static str, fn() -> Hedging);

const OURS: Named = ("cofferdam Hedge", || Hedging::Ours(Hedge::builder("leaves").build().expect("they are valid")));

const THEIRS: [Named; 9] = [
    ("nothing", || Hedging::Never),
    // Its percentile has no default: these are the ones of "The Tail at Scale" and of the laboratory.
    ("tower Hedge, 95th percentile", || Hedging::Tower(0.95)),
    ("tower Hedge, 98th percentile", || Hedging::Tower(0.98)),
    ("tower-resilience hedge, default: 1 s", || Hedging::Other(|leaf| resilience(leaf, HedgeLayer::builder().build()))),
    ("tower-resilience hedge, standard: 100 ms, 3 attempts", || {
        Hedging::Other(|leaf| resilience(leaf, HedgeLayer::standard()))
    }),
    ("tower-resilience hedge, aggressive: 50 ms, 5 attempts", || {
        Hedging::Other(|leaf| resilience(leaf, HedgeLayer::aggressive()))
    }),
    // What its guide has for paths on which latency is critical.
    ("tower-resilience hedge, its guide's 10 ms", || {
        Hedging::Other(|leaf| resilience(leaf, HedgeLayer::new(Duration::from_millis(10))))
    }),
    ("seatbelt hedging, default: 500 ms", || Hedging::Other(|leaf| theirs::seatbelt_hedging(remote(leaf), None))),
    // Its documentation names no other delay: this is the one of the row above.
    ("seatbelt hedging, 10 ms", || {
        Hedging::Other(|leaf| theirs::seatbelt_hedging(remote(leaf), Some(Duration::from_millis(10))))
    }),
];

fn remote(leaf: Leaf) -> Remote<()> {
    Remote::new(Rc::new(move |()| leaf()))
}

fn resilience(leaf: Leaf, hedge: HedgeLayer) -> Client {
    let client = client(hedge.layer(remote(leaf)));
    Rc::new(move || client(()))
}

fn table(scenario: String, figures: impl Fn(fn() -> Hedging) -> Vec<(&'static str, f64)> + Sync) -> Table {
    let sides: Vec<_> = [(true, OURS)].into_iter().chain(THEIRS.map(|named| (false, named))).collect();
    Table::of(scenario, &sides, &[], |(ours, (side, way))| Row {
        side,
        ours: *ours,
        pace: Pace::Virtual,
        figures: figures(*way),
    })
}

pub fn print(fan_outs: usize, seeds: Range<u64>) {
    let name = format!("S2, 100 leaves, {fan_outs} fan-outs");
    let fanned = table(name, |way| fanout::s2_worst(way, 100, fan_outs, seeds.clone()));
    fanned.assert("p99.9 ms", Better::Less, 0.0);
    for load in [0.4, 0.6] {
        let name = format!("S2b, {load} of the capacity, 1.5 times slower for 20 s");
        let slow = table(name, |way| fanout::s2b_worst(way, load, 1.5, seeds.clone()));
        slow.assert("meanwhile", Better::More, 0.0);
    }
}
