//! Any settings, any calls, any times: no panic, never too many probes, and in the end it closes again.
#![no_main]

use std::time::Duration;

use cofferdam::{Admit, BreakerState, CircuitBreaker, Ended, Instant, Outcome, Policy, breaker::Builder};
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
    FailureRatio(Option<f64>),
    SlowCalls(Duration, f64),
    NoSlowCalls,
    Stall(Option<(Duration, f64)>),
    Consecutive(Option<u32>),
    MinimumCalls(u32),
    Window(Duration),
    /// Small ones: a large window is a lot of memory and nothing new.
    WindowCalls(u8),
    OpenTime(Duration),
    OpenTimeGrowth(f64),
    OpenTimeMax(Duration),
    OpenTimeJitter(f64),
    Probes(u16),
    ProbeFailureRatio(f64),
    ProbeLease(Duration),
    Ramp(Option<Duration>),
}

#[derive(Arbitrary, Debug)]
enum Op {
    Admit,
    Settle {
        which: u8,
        how: How,
        took: Option<Duration>,
        head: Option<Duration>,
        retry_after: Option<Duration>,
    },
    Undo {
        which: u8,
    },
    /// A little, or anything at all: to the end of time.
    Millis(u16),
    Forward(Duration),
    Back(Duration),
    Counts,
    Shut,
    ForceOpen,
    ForceClosed,
    Disable,
    Reset,
    Configure(Setting),
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum How {
    Success,
    Failure,
    Overload,
    Ignored,
    Abandoned,
}

impl How {
    fn outcome(self) -> Outcome {
        match self {
            Self::Success => Outcome::Success,
            Self::Failure => Outcome::Failure,
            Self::Overload => Outcome::Overload,
            Self::Ignored => Outcome::Ignored,
            Self::Abandoned => Outcome::Abandoned,
        }
    }
}

fn set(builder: Builder, setting: Setting) -> Builder {
    match setting {
        Setting::FailureRatio(ratio) => builder.failure_ratio(ratio),
        Setting::SlowCalls(threshold, ratio) => builder.slow_calls(threshold, ratio),
        Setting::NoSlowCalls => builder.no_slow_calls(),
        Setting::Stall(stall) => builder.stall(stall),
        Setting::Consecutive(most) => builder.consecutive_failures(most),
        Setting::MinimumCalls(calls) => builder.minimum_calls(calls),
        Setting::Window(length) => builder.window(length),
        Setting::WindowCalls(calls) => builder.window_calls(calls.into()),
        Setting::OpenTime(time) => builder.open_time(time),
        Setting::OpenTimeGrowth(factor) => builder.open_time_growth(factor),
        Setting::OpenTimeMax(time) => builder.open_time_max(time),
        Setting::OpenTimeJitter(ratio) => builder.open_time_jitter(ratio),
        Setting::Probes(probes) => builder.probes(probes.into()),
        Setting::ProbeFailureRatio(ratio) => builder.probe_failure_ratio(ratio),
        Setting::ProbeLease(lease) => builder.probe_lease(lease),
        Setting::Ramp(ramp) => builder.ramp(ramp),
    }
}

type Token = <CircuitBreaker as Policy>::Token;

/// A place between the breaker's own time and the end of it.
fn earlier(now: Instant, by: Duration) -> Instant {
    Instant::ORIGIN.after(now.since(Instant::ORIGIN).saturating_sub(by))
}

fuzz_target!(|input: Input| {
    let builder = input.settings.iter().copied().fold(CircuitBreaker::builder("fuzz"), set);
    let breaker = builder.build().unwrap_or_else(|invalid| {
        // What cannot be is refused with a field's name. Then those of the settings hold that can be.
        assert!(!invalid.field().is_empty() && !invalid.allowed().is_empty());
        let breaker = CircuitBreaker::builder("fuzz").build().expect("the defaults make sense");
        for setting in &input.settings {
            let _ = breaker.configure(|settings| set(settings, *setting));
        }
        breaker
    });
    let mut now = Instant::ORIGIN;
    let mut calls: Vec<(Token, Instant)> = Vec::new();
    for op in input.ops {
        match op {
            Op::Admit => {
                let state = breaker.state();
                match breaker.admit(&(), now) {
                    Ok(token) => {
                        assert_ne!(state, BreakerState::ForcedOpen);
                        calls.push((token, now));
                    }
                    Err(_) => assert!(!matches!(state, BreakerState::ForcedClosed | BreakerState::Disabled)),
                }
            }
            Op::Settle { which, how, took, head, retry_after } => {
                if calls.is_empty() {
                    continue;
                }
                let (token, started) = calls.swap_remove(usize::from(which) % calls.len());
                let started = took.map_or(started, |took| earlier(now, took));
                let mut ended = Ended::new(how.outcome(), started, now);
                ended.head = head.map(|after| started.after(after));
                if let Some(head) = ended.head {
                    breaker.head(&token, started, head);
                }
                ended.retry_after = retry_after;
                breaker.settle(token, &ended);
            }
            Op::Undo { which } => {
                if !calls.is_empty() {
                    let (token, _) = calls.swap_remove(usize::from(which) % calls.len());
                    breaker.undo(token, now);
                }
            }
            Op::Millis(millis) => now = now.after(Duration::from_millis(millis.into())),
            Op::Forward(time) => now = now.after(time),
            Op::Back(time) => now = earlier(now, time),
            Op::Counts => {
                let counts = breaker.counts_at(now);
                assert!(counts.failures <= counts.calls && counts.slow <= counts.calls);
            }
            Op::Shut => {
                if Admit::<()>::shut(&breaker, || now).is_some() {
                    assert!(breaker.admit(&(), now).is_err(), "what is shut rejects");
                }
            }
            Op::ForceOpen => breaker.force_open(),
            Op::ForceClosed => breaker.force_closed(),
            Op::Disable => breaker.disable(),
            Op::Reset => breaker.reset(),
            Op::Configure(setting) => {
                let _ = breaker.configure(|settings| set(settings, setting));
            }
        }
    }
    recovers(&breaker);
});

/// However it was treated: with settings that are known, it opens, probes as often as it may, and closes again.
fn recovers(breaker: &CircuitBreaker) {
    const HOUR: Duration = Duration::from_secs(3600);
    let known = breaker.configure(|settings| {
        settings
            .failure_ratio(None)
            .no_slow_calls()
            .consecutive_failures(1)
            .minimum_calls(1)
            .open_time(HOUR)
            .open_time_growth(1.0)
            .open_time_max(HOUR)
            .probes(3)
            .probe_failure_ratio(0.5)
            .probe_lease(HOUR)
            .ramp(None)
    });
    known.expect("these are fine whatever the rest was");
    breaker.reset();
    let settle = |token: Token, outcome: Outcome, now: Instant| breaker.settle(token, &Ended::new(outcome, now, now));

    // One failure opens it.
    let now = Instant::ORIGIN.after(HOUR);
    settle(breaker.admit(&(), now).expect("closed"), Outcome::Failure, now);
    assert_eq!(breaker.state(), BreakerState::Open);

    // An hour later there is one probe, and when it went well the other two, and no more.
    let now = now.after(HOUR);
    let probes = || -> Vec<Token> { std::iter::from_fn(|| breaker.admit(&(), now).ok()).take(1_000).collect() };
    let first = probes();
    assert_eq!(first.len(), 1);
    first.into_iter().for_each(|token| settle(token, Outcome::Success, now));
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
    let others = probes();
    assert_eq!(others.len(), 2);

    // Two successes tell that less than half of them can fail: it closes.
    others.into_iter().for_each(|token| settle(token, Outcome::Success, now));
    assert_eq!(breaker.state(), BreakerState::Closed);
    assert!(breaker.admit(&(), now).is_ok());
}
