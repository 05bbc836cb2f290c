//! What a breaker is told to go by, and how that may change while it runs.

use cofferdam::breaker::Builder;
use proptest::{prelude::*, sample::select};

use super::{MS, SECOND, YEAR, nanos};

#[derive(Clone, Copy, Debug)]
pub(super) enum Span {
    Time(u64),
    Calls(u32),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) failure_ratio: Option<f64>,
    pub(super) slow: Option<(u64, f64)>,
    pub(super) consecutive: Option<u32>,
    pub(super) minimum: u32,
    pub(super) span: Span,
    pub(super) open_time: u64,
    pub(super) growth: f64,
    pub(super) open_time_max: u64,
    pub(super) probes: u32,
    pub(super) probe_ratio: f64,
    pub(super) lease: u64,
    pub(super) ramp: Option<u64>,
}

impl Rules {
    pub(super) fn apply(&self, builder: Builder) -> Builder {
        let builder = match self.span {
            Span::Time(length) => builder.window(nanos(length)),
            Span::Calls(calls) => builder.window_calls(calls),
        };
        let builder = match self.slow {
            Some((threshold, ratio)) => builder.slow_calls(nanos(threshold), ratio),
            None => builder.no_slow_calls(),
        };
        builder
            .failure_ratio(self.failure_ratio)
            .consecutive_failures(self.consecutive)
            .minimum_calls(self.minimum)
            .open_time(nanos(self.open_time))
            .open_time_growth(self.growth)
            .open_time_max(nanos(self.open_time_max))
            .open_time_jitter(0.0)
            .probes(self.probes)
            .probe_failure_ratio(self.probe_ratio)
            .probe_lease(nanos(self.lease))
            .ramp(self.ramp.map(nanos))
            // Stalls have stories of their own.
            .stall(None)
    }
}

fn failure_ratio() -> impl Strategy<Value = Option<f64>> {
    select(vec![None, Some(0.07), Some(1.0 / 3.0), Some(0.5), Some(1.0), Some(f64::MIN_POSITIVE)])
}

fn slow() -> impl Strategy<Value = Option<(u64, f64)>> {
    select(vec![None, Some((50 * MS, 0.5)), Some((50 * MS, 1.0)), Some((SECOND, 0.1)), Some((1, 0.9))])
}

fn consecutive() -> impl Strategy<Value = Option<u32>> {
    select(vec![None, Some(1), Some(3), Some(5), Some(12), Some(u32::MAX)])
}

fn span() -> impl Strategy<Value = Span> {
    let calls = || select(vec![1, 2, 5, 10, 21]).prop_map(Span::Calls);
    prop_oneof![select(vec![MS, 100 * MS, 999 * MS + 7, 10 * SECOND, YEAR]).prop_map(Span::Time), calls()]
}

fn open_time() -> impl Strategy<Value = u64> {
    select(vec![1, 100 * MS, 750 * MS])
}

fn probes() -> impl Strategy<Value = u32> {
    select(vec![1, 2, 3, 10])
}

fn probe_ratio() -> impl Strategy<Value = f64> {
    select(vec![0.1, 1.0 / 3.0, 0.5, 2.0 / 3.0, 1.0])
}

fn ramp() -> impl Strategy<Value = Option<u64>> {
    select(vec![None, None, Some(1), Some(500 * MS), Some(5 * SECOND)])
}

pub(super) fn rules() -> impl Strategy<Value = Rules> {
    let when = (failure_ratio(), slow(), consecutive(), select(vec![1, 2, 5, 10]), span());
    let open = (open_time(), select(vec![1.0, 2.0]), select(vec![750 * MS, 3 * SECOND]));
    let trial = (probes(), probe_ratio(), select(vec![SECOND, 10 * SECOND]), ramp());
    (when, open, trial).prop_map(|(when, open, trial)| {
        let (failure_ratio, slow, consecutive, minimum, span) = when;
        let (open_time, growth, open_time_max) = open;
        let (probes, probe_ratio, lease, ramp) = trial;
        let minimum = match span {
            Span::Calls(calls) => calls.min(minimum),
            Span::Time(_) => minimum,
        };
        Rules {
            failure_ratio,
            slow,
            consecutive,
            minimum,
            span,
            open_time,
            growth,
            open_time_max,
            probes,
            probe_ratio,
            lease,
            ramp,
        }
    })
}

#[derive(Clone, Debug)]
pub(super) enum Change {
    FailureRatio(Option<f64>),
    Slow(Option<(u64, f64)>),
    Consecutive(Option<u32>),
    Minimum(u32),
    /// Only in a window of calls.
    Calls(u32),
    OpenTime(u64),
    Probes(u32),
    ProbeRatio(f64),
    Ramp(Option<u64>),
}

impl Change {
    pub(super) fn apply(&self, rules: &Rules) -> Rules {
        let mut rules = *rules;
        match *self {
            Self::FailureRatio(ratio) => rules.failure_ratio = ratio,
            Self::Slow(slow) => rules.slow = slow,
            Self::Consecutive(most) => rules.consecutive = most,
            Self::Minimum(minimum) => rules.minimum = minimum,
            Self::Calls(calls) => {
                if let Span::Calls(_) = rules.span {
                    rules.span = Span::Calls(calls);
                }
            }
            Self::OpenTime(time) => rules.open_time = time,
            Self::Probes(probes) => rules.probes = probes,
            Self::ProbeRatio(ratio) => rules.probe_ratio = ratio,
            Self::Ramp(ramp) => rules.ramp = ramp,
        }
        rules
    }
}

pub(super) fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        failure_ratio().prop_map(Change::FailureRatio),
        slow().prop_map(Change::Slow),
        consecutive().prop_map(Change::Consecutive),
        (0..12_u32).prop_map(Change::Minimum),
        (0..40_u32).prop_map(Change::Calls),
        open_time().prop_map(Change::OpenTime),
        probes().prop_map(Change::Probes),
        probe_ratio().prop_map(Change::ProbeRatio),
        ramp().prop_map(Change::Ramp),
    ]
}
