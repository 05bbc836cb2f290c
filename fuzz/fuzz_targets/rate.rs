//! Any sequence of operations on a rate limit, against a naive model of it: the same calls come in, the same are rejected and
//! for as long, whatever it is set to meanwhile. And any settings at all: refused by name, or kept without a panic.
#![no_main]

#[path = "../../tests/support/rate.rs"]
mod rate;

use std::{num::NonZeroU32, time::Duration};

use cofferdam::{Admit, Instant, Policy, Rate, RateLimit};
use libfuzzer_sys::{
    arbitrary::{self, Arbitrary},
    fuzz_target,
};
use rate::{Harness, Op};

#[derive(Arbitrary, Debug)]
struct Input {
    settings: (u8, u8, u8),
    ops: Vec<(u8, u8)>,
    wild: Vec<Wild>,
}

/// With arguments that may be anything.
#[derive(Arbitrary, Debug)]
enum Wild {
    Admit(u32),
    Undo,
    Forward(Duration),
    Back(Duration),
    Rate(u32, Duration),
    Burst(u32),
    WarmUp(Option<Duration>),
    ColdFactor(u32),
}

fuzz_target!(|input: Input| {
    Harness::new(input.settings).run(input.ops.into_iter().map(Op::new));
    anything(input.wild);
});

fn anything(ops: Vec<Wild>) {
    let rate = Rate::per_second(10).expect("a rate");
    let limit = RateLimit::builder("fuzz", rate).build().expect("the defaults make sense");
    let weighted = limit.clone().weighted(|weight: &u32| NonZeroU32::new(*weight).expect("something"));
    let (mut now, mut taken) = (Instant::ORIGIN, Vec::new());
    for op in ops {
        match op {
            Wild::Admit(0) => {}
            Wild::Admit(weight) => match weighted.admit(&weight, now) {
                Ok(permits) => {
                    assert!(weight <= limit.burst());
                    taken.push(permits);
                }
                Err(_) => assert!(weight > 0),
            },
            Wild::Undo => {
                if let Some(permits) = taken.pop() {
                    weighted.undo(permits, now);
                }
            }
            Wild::Forward(time) => now = now.after(time),
            Wild::Back(time) => now = Instant::ORIGIN.after(now.since(Instant::ORIGIN).saturating_sub(time)),
            Wild::Rate(permits, period) => {
                let Ok(rate) = Rate::per(permits, period) else { continue };
                let _ = limit.configure_at(now, |settings| settings.rate(rate));
            }
            Wild::Burst(burst) => drop(limit.configure_at(now, |settings| settings.burst(burst))),
            Wild::WarmUp(time) => drop(limit.configure_at(now, |settings| settings.warm_up(time))),
            Wild::ColdFactor(factor) => drop(limit.configure_at(now, |settings| settings.cold_factor(factor))),
        }
        assert!(limit.free_at(now) <= limit.burst());
    }
}
