//! Any settings, any calls, any times: no panic, counts that are counts, whoever ranks higher is not cut first, and in the end
//! everything is sent again.
#![no_main]

use std::time::Duration;

use cofferdam::{
    AdaptiveThrottle, Admit, Criticality, Ended, Instant, Outcome, Policy, TaskKey, ThrottleState,
    context::Rank,
    throttle::{Builder, Token},
};
use libfuzzer_sys::{
    arbitrary::{self, Arbitrary},
    fuzz_target,
};

#[derive(Arbitrary, Debug)]
struct Input {
    settings: Vec<Setting>,
    ops: Vec<Op>,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Setting {
    Aggression(f64),
    KeenAggression(f64),
    KeenAfter(u32),
    Cap(f64),
    TimeConstant(Duration),
    Coin(bool),
}

#[derive(Arbitrary, Debug)]
enum Op {
    Admit {
        class: u8,
        task: u16,
    },
    Settle {
        which: u8,
        how: u8,
        took: Option<Duration>,
    },
    Undo {
        which: u8,
    },
    /// A little, or anything at all: to the end of time.
    Millis(u16),
    Forward(Duration),
    Back(Duration),
    Load,
    Reset,
    Configure(Setting),
}

type ByRank = fn(&Rank) -> Rank;

fn set<R>(builder: Builder<R>, setting: Setting) -> Builder<R> {
    match setting {
        Setting::Aggression(factor) => builder.aggression(factor),
        Setting::KeenAggression(factor) => builder.keen_aggression(factor),
        Setting::KeenAfter(answers) => builder.keen_after(answers),
        Setting::Cap(share) => builder.cap(share),
        Setting::TimeConstant(time) => builder.time_constant(time),
        Setting::Coin(coin) => builder.coin(coin),
    }
}

fn outcome(how: u8) -> Outcome {
    match how % 8 {
        0 => Outcome::Success,
        1 => Outcome::Failure,
        2 => Outcome::Ignored,
        3 => Outcome::Abandoned,
        _ => Outcome::Overload,
    }
}

fn rank(class: u8, task: u16) -> Rank {
    let class = Criticality::ALL[usize::from(class) % Criticality::ALL.len()];
    Rank::in_epoch(class, TaskKey::from_bits(task.into()), 0)
}

/// A place between the throttle's own time and the end of it.
fn earlier(now: Instant, by: Duration) -> Instant {
    Instant::ORIGIN.after(now.since(Instant::ORIGIN).saturating_sub(by))
}

fuzz_target!(|input: Input| {
    let plain = || AdaptiveThrottle::builder("fuzz").rank((|rank| *rank) as ByRank);
    let throttle = input.settings.iter().copied().fold(plain(), set).build().unwrap_or_else(|invalid| {
        // What cannot be is refused with a field's name. Then those of the settings hold that can be.
        assert!(!invalid.field().is_empty() && !invalid.allowed().is_empty());
        let throttle = plain().build().expect("the defaults make sense");
        for setting in &input.settings {
            let _ = throttle.configure(|settings| set(settings, *setting));
        }
        throttle
    });
    let mut now = Instant::ORIGIN;
    let mut calls: Vec<(Token, Instant)> = Vec::new();
    for op in input.ops {
        match op {
            Op::Admit { class, task } => {
                let calm = throttle.state() == ThrottleState::Calm;
                match throttle.admit(&rank(class, task), now) {
                    Ok(token) => calls.push((token, now)),
                    Err(_) => assert!(!calm, "cut while calm"),
                }
            }
            Op::Settle { which, how, took } => {
                if !calls.is_empty() {
                    let (token, started) = calls.swap_remove(usize::from(which) % calls.len());
                    let started = took.map_or(started, |took| earlier(now, took));
                    throttle.settle(token, &Ended::new(outcome(how), started, now));
                }
            }
            Op::Undo { which } => {
                if !calls.is_empty() {
                    let (token, _) = calls.swap_remove(usize::from(which) % calls.len());
                    throttle.undo(token, now);
                }
            }
            Op::Millis(millis) => now = now.after(Duration::from_millis(millis.into())),
            Op::Forward(time) => now = now.after(time),
            Op::Back(time) => now = earlier(now, time),
            Op::Load => {
                let load = throttle.load_at(now);
                assert!(load.demand.is_finite() && load.demand >= 0.0, "{load:?}");
                assert!(load.accepted.is_finite() && load.accepted >= 0.0, "{load:?}");
            }
            Op::Reset => throttle.reset(),
            Op::Configure(setting) => {
                let _ = throttle.configure(|settings| set(settings, setting));
            }
        }
    }
    // However it was treated, whatever the time is now: a server that takes everything gets everything within ten time constants.
    let known = throttle.configure(|settings| {
        let settings = settings.aggression(1.25).keen_aggression(2.0).keen_after(12);
        settings.cap(0.95).time_constant(Duration::from_millis(500)).coin(false)
    });
    known.expect("these are fine whatever the rest was");
    let mut now = earlier(now, Duration::from_secs(3600));
    let mut sent = 0;
    for nth in 0..1_000_u16 {
        now = now.after(Duration::from_millis(10));
        if let Ok(token) = throttle.admit(&rank(nth as u8, nth), now) {
            sent = if nth < 500 { 0 } else { sent + 1 };
            throttle.settle(token, &Ended::new(Outcome::Success, now, now));
        }
    }
    assert_eq!((sent, throttle.state()), (500, ThrottleState::Calm));
});
