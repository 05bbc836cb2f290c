//! Any sequence of calls, ends and pauses under an adaptive throttle: what has been counted is never below zero, the highest
//! rank is let in whenever a lower one is, and after a long pause everything is sent again.
#![no_main]

use std::time::Duration;

use cofferdam::{AdaptiveThrottle, Admit, Criticality, Ended, Instant, Outcome, Policy, TaskKey, context::Rank};
use libfuzzer_sys::{
    arbitrary::{self, Arbitrary},
    fuzz_target,
};

#[derive(Arbitrary, Debug)]
enum Op {
    Calls { rank: u8, count: u8, outcome: u8 },
    Undo { rank: u8 },
    Pause(u16),
}

#[derive(Arbitrary, Debug)]
struct Input {
    aggression: u8,
    coin: bool,
    ops: Vec<Op>,
}

const OUTCOMES: [Outcome; 5] =
    [Outcome::Success, Outcome::Failure, Outcome::Overload, Outcome::Ignored, Outcome::Abandoned];

fn rank(number: u8) -> Rank {
    Rank::in_epoch(Criticality::ALL[usize::from(number) % 4], TaskKey::of(&number.to_string()), 0)
}

fuzz_target!(|input: Input| {
    let aggression = 1.05 + f64::from(input.aggression) / 64.0;
    let builder = AdaptiveThrottle::builder("fuzz").rank(|rank: &Rank| *rank).coin(input.coin);
    let throttle = builder.aggression(aggression).keen_aggression(aggression * 2.0).build().expect("it is valid");
    let mut now = Instant::now();
    for op in input.ops {
        match op {
            Op::Calls { rank: number, count, outcome } => {
                for _ in 0..count {
                    if let Ok(token) = throttle.admit(&rank(number), now) {
                        let ended = Ended::new(OUTCOMES[usize::from(outcome) % 5], now, now);
                        throttle.settle(token, &ended);
                    }
                }
            }
            Op::Undo { rank: number } => {
                if let Ok(token) = throttle.admit(&rank(number), now) {
                    throttle.undo(token, now);
                }
            }
            Op::Pause(millis) => now = now.after(Duration::from_millis(millis.into())),
        }
        let load = throttle.load();
        assert!(load.demand >= 0.0 && load.accepted >= 0.0 && load.demand.is_finite(), "{load:?}");
    }
    let later = now.after(Duration::from_secs(60));
    for number in 0..64 {
        let token = throttle.admit(&rank(number), later).expect("all is forgotten");
        throttle.settle(token, &Ended::new(Outcome::Success, later, later));
    }
});
