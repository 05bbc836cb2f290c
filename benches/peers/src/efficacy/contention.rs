//! S5: what the backoffs make of a hundred clients that all change one row, each with 5 ms to begin with, and at most 2 s.

use std::{iter, time::Duration};

use tokio::time::sleep;
use tower::{
    retry::backoff::{Backoff as _, ExponentialBackoffMaker, MakeBackoff},
    util::rng::HasherRng,
};
use tower_resilience::retry::{ExponentialBackoff, ExponentialRandomBackoff, IntervalFunction};

use crate::{
    lab::{
        Pace,
        contention::{self, Waiting},
    },
    table::{Row, Table},
    theirs,
};

const BASE: Duration = Duration::from_millis(5);
const CAP: Duration = Duration::from_secs(2);
const CLIENTS: usize = 100;

pub fn print() {
    // In which tower makes its timers.
    let runtime = Pace::Virtual.runtime();
    let _entered = runtime.enter();
    let own = contention::backoffs().into_iter().map(|(name, backoff)| {
        let side = match name {
            "full" => "cofferdam full jitter",
            "equal" => "cofferdam equal jitter",
            "decorrelated" => "cofferdam decorrelated jitter",
            "exponential" => "exponential, without jitter",
            _ => "no wait",
        };
        (side, name != "none", contention::mean(CLIENTS, backoff.as_ref()))
    });
    // Its own factor by default.
    let tower = contention::mean_by(CLIENTS, tower(0.99));
    let plain = contention::mean_by(CLIENTS, resilience(|| ExponentialBackoff::new(BASE).max_interval(CAP)));
    let jittered = || ExponentialRandomBackoff::new(BASE, 0.5).expect("half is a share").max_interval(CAP);
    let jittered = contention::mean_by(CLIENTS, resilience(jittered));
    let theirs = [
        ("tower ExponentialBackoff, jitter 0.99", false, tower),
        ("tower-resilience ExponentialBackoff", false, plain),
        ("tower-resilience ExponentialRandomBackoff, 0.5", false, jittered),
        (
            "seatbelt exponential, with its jitter",
            false,
            contention::mean_by(CLIENTS, theirs::seatbelt_waits(BASE, CAP)),
        ),
    ];
    let sides: Vec<_> = own.chain(theirs).collect();
    Table::of(format!("S5, {CLIENTS} clients, the mean of 50 runs"), &sides, &[], |(side, ours, mean)| Row {
        side,
        ours: *ours,
        pace: Pace::Virtual,
        figures: vec![("seconds", mean.seconds), ("calls", mean.calls as f64)],
    });
}

fn resilience<I: IntervalFunction + 'static>(make: impl Fn() -> I) -> impl Fn(u64) -> Waiting {
    move |_| {
        let interval = make();
        Box::new((0..).map(move |attempt| interval.next_interval(attempt)))
    }
}

/// What its timers are set to is how long it waits.
fn tower(jitter: f64) -> impl Fn(u64) -> Waiting {
    move |_| {
        let mut maker = ExponentialBackoffMaker::new(BASE, CAP, jitter, HasherRng::new()).expect("it is valid");
        let mut backoff = maker.make_backoff();
        Box::new(iter::from_fn(move || Some(backoff.next_backoff().deadline() - sleep(Duration::ZERO).deadline())))
    }
}
