//! The model: what the documentation says, with a `Vec` for everything and no thought for speed.

use cofferdam::{BreakerState, Ended, Instant, Outcome, Why};

use super::{
    SECOND, at, nanos,
    rules::{Rules, Span},
};

#[derive(Clone, Copy, Debug)]
struct Sample {
    failed: bool,
    slow: bool,
    bucket: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Probe {
    id: u64,
    sent: u64,
    lease_ends: u64,
}

#[derive(Clone, Debug)]
pub(super) enum Phase {
    /// With the calls that came during the ramp, as long as there is one.
    Closed {
        since: u64,
        ramp: Option<Ramp>,
    },
    Open {
        until: u64,
    },
    HalfOpen {
        rules: Rules,
        good: u32,
        bad: u32,
        ignored: u32,
        out: Vec<Probe>,
    },
    ForcedOpen,
    ForcedClosed,
    Disabled,
}

/// What the shares of the calls so far add up to, and how many of them went through.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ramp {
    /// For how long it was to last when it began: it becomes no longer.
    length: u64,
    shares: f64,
    through: f64,
}

#[derive(Debug)]
pub(super) struct Model {
    pub(super) rules: Rules,
    pub(super) phase: Phase,
    /// One more with each change of phase.
    epoch: u64,
    samples: Vec<Sample>,
    /// The latest bucket that was looked at: the window does not go back.
    bucket: u64,
    failures_in_a_row: u32,
    /// When the first of them was sent.
    row_began: Instant,
    openings: i32,
    asked_until: u64,
    probes_ever: u64,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct ModelToken {
    epoch: u64,
    probe: Option<u64>,
}

/// What the model has to say about an admission.
#[derive(Debug)]
pub(super) enum Says {
    Admit(ModelToken),
    Reject(Why),
    /// A ramp lets a share through; which calls that is, is not promised.
    Either(ModelToken),
}

impl Model {
    pub(super) fn new(rules: Rules) -> Self {
        Self {
            rules,
            phase: Phase::Closed { since: 0, ramp: None },
            epoch: 0,
            samples: Vec::new(),
            bucket: 0,
            failures_in_a_row: 0,
            row_began: at(0),
            openings: 0,
            asked_until: 0,
            probes_ever: 0,
        }
    }

    pub(super) fn state(&self) -> BreakerState {
        match self.phase {
            Phase::Closed { .. } => BreakerState::Closed,
            Phase::Open { .. } => BreakerState::Open,
            Phase::HalfOpen { .. } => BreakerState::HalfOpen,
            Phase::ForcedOpen => BreakerState::ForcedOpen,
            Phase::ForcedClosed => BreakerState::ForcedClosed,
            Phase::Disabled => BreakerState::Disabled,
        }
    }

    pub(super) fn enter(&mut self, phase: Phase) {
        self.epoch += 1;
        self.phase = phase;
    }

    pub(super) fn admit(&mut self, now: u64) -> Says {
        // With the first call after the open time it is half-open.
        if let Phase::Open { until } = self.phase
            && now >= until
        {
            self.enter(Phase::HalfOpen { rules: self.rules, good: 0, bad: 0, ignored: 0, out: Vec::new() });
        }
        let token = ModelToken { epoch: self.epoch, probe: None };
        match &mut self.phase {
            Phase::Open { .. } | Phase::ForcedOpen => Says::Reject(Why::Open),
            Phase::ForcedClosed | Phase::Disabled | Phase::Closed { ramp: None, .. } => Says::Admit(token),
            Phase::Closed { since, ramp: Some(ramp) } => {
                // A ramp that was taken out of the settings holds nobody up.
                let Some(length) = self.rules.ramp.map(|length| length.min(ramp.length)) else {
                    return Says::Admit(token);
                };
                if now >= *since + length {
                    self.phase = Phase::Closed { since: *since, ramp: None };
                    return Says::Admit(token);
                }
                ramp.shares += 0.2 + 0.8 * (now.saturating_sub(*since) as f64 / length as f64);
                Says::Either(token)
            }
            Phase::HalfOpen { rules, good, bad, ignored, out } => {
                // A probe whose lease is over gives its place to this call.
                out.retain(|probe| now < probe.lease_ends);
                // The first goes alone, or with as many as were ignored.
                let first_is_out = *good == 0 && out.len() as u32 > *ignored;
                if first_is_out || out.len() as u32 + *good + *bad >= rules.probes {
                    return Says::Reject(Why::Probing);
                }
                self.probes_ever += 1;
                out.push(Probe { id: self.probes_ever, sent: now, lease_ends: now + rules.lease });
                Says::Admit(ModelToken { probe: Some(self.probes_ever), ..token })
            }
        }
    }

    /// A ramp's decision: the stated share of the calls goes through, give or take one.
    pub(super) fn ramped(&mut self, through: bool) {
        let Phase::Closed { ramp: Some(ramp), .. } = &mut self.phase else { panic!("no ramp") };
        ramp.through += f64::from(u8::from(through));
        let off = ramp.through - ramp.shares;
        assert!(
            (-0.001..=1.001).contains(&(off + 0.001)),
            "of {} calls' worth {} went through",
            ramp.shares,
            ramp.through
        );
    }

    pub(super) fn settle(&mut self, token: ModelToken, end: &Ended, now: u64) {
        // Whoever was admitted in another phase has nothing to say.
        if token.epoch != self.epoch {
            return;
        }
        // Only a dependency that is in trouble asks to be left alone.
        if let Some(after) = end.retry_after.filter(|_| end.outcome.is_bad()) {
            self.asked_until = self.asked_until.max(now + after.as_nanos() as u64);
        }
        match (token.probe, &self.phase) {
            (Some(probe), Phase::HalfOpen { rules, .. }) => {
                let sample = self.sample(end, *rules);
                self.probed(probe, sample, end.outcome == Outcome::Ignored, now);
            }
            (None, Phase::Closed { .. } | Phase::Disabled) => {
                // Disabled, it counts and draws no conclusion.
                let must_open = self.record(end, now);
                if must_open {
                    self.trip(now);
                }
            }
            _ => {}
        }
    }

    pub(super) fn undo(&mut self, token: ModelToken, now: u64) {
        if let (Some(probe), true) = (token.probe, token.epoch == self.epoch) {
            self.probed(probe, None, false, now);
        }
    }

    /// Failed and slow, unless it counts neither way.
    fn sample(&self, end: &Ended, rules: Rules) -> Option<(bool, bool)> {
        let slow = rules.slow.is_some_and(|(threshold, _)| end.latency() >= nanos(threshold));
        match end.outcome {
            Outcome::Success => Some((false, slow)),
            Outcome::Failure | Outcome::Overload => Some((true, slow)),
            Outcome::Abandoned if slow => Some((false, true)),
            Outcome::Abandoned | Outcome::Ignored => None,
        }
    }

    /// Whether the thresholds, with this call counted, say that it must open.
    fn record(&mut self, end: &Ended, now: u64) -> bool {
        let Some((failed, slow)) = self.sample(end, self.rules) else { return false };
        self.look(now);
        self.samples.push(Sample { failed, slow, bucket: self.bucket });
        self.look(now);
        match end.outcome {
            Outcome::Failure | Outcome::Overload => {
                if self.failures_in_a_row == 0 {
                    self.row_began = end.started;
                }
                self.failures_in_a_row += 1;
            }
            Outcome::Success => self.failures_in_a_row = 0,
            Outcome::Ignored | Outcome::Abandoned => {}
        }
        let (calls, failures, slow) = self.counts();
        let share = |part: u64| part as f64 / calls as f64;
        let ratios = calls >= self.rules.minimum.into()
            && (self.rules.failure_ratio.is_some_and(|ratio| share(failures) >= ratio)
                || self.rules.slow.is_some_and(|(_, ratio)| share(slow) >= ratio));
        let lasting = self.failures_in_a_row >= 10 && end.now.since(self.row_began) >= nanos(SECOND);
        let run = failed && self.rules.consecutive.is_some_and(|most| self.failures_in_a_row >= most || lasting);
        ratios || run
    }

    /// The window moves on to that time, if it is later than what it has seen.
    pub(super) fn look(&mut self, now: u64) {
        match self.rules.span {
            Span::Time(length) => {
                self.bucket = self.bucket.max(now / (length / 10));
                let bucket = self.bucket;
                self.samples.retain(|sample| bucket - sample.bucket < 10);
            }
            Span::Calls(calls) => {
                let excess = self.samples.len().saturating_sub(calls as usize);
                self.samples.drain(..excess);
            }
        }
    }

    pub(super) fn counts(&self) -> (u64, u64, u64) {
        let count = |what: fn(&Sample) -> bool| self.samples.iter().filter(|sample| what(sample)).count() as u64;
        (count(|_| true), count(|sample| sample.failed), count(|sample| sample.slow))
    }

    fn trip(&mut self, now: u64) {
        let Phase::Closed { since, .. } = self.phase else { return };
        // Closed for long enough, it is a new outage.
        if now >= since + 10 * SECOND {
            self.openings = 0;
        }
        self.open(now, now);
    }

    /// The open time begins with the probe that failed.
    fn open(&mut self, since: u64, now: u64) {
        let longest = now + self.rules.open_time_max;
        // An opening makes it longer, unless it was so large a share of all up to that one.
        let longer = |opening: &i32| f64::from(opening + 1) * (self.rules.growth - 1.0) > 1.0;
        let times = (1..=self.openings).filter(longer).count() as i32;
        let grown = self.rules.open_time as f64 * self.rules.growth.powi(times);
        let own = since + (grown.min(self.rules.open_time_max as f64) as u64);
        self.openings += 1;
        self.enter(Phase::Open { until: own.max(self.asked_until.min(longest)) });
    }

    fn probed(&mut self, id: u64, sample: Option<(bool, bool)>, is_ignored: bool, now: u64) {
        let Phase::HalfOpen { rules, good, bad, ignored, out } = &mut self.phase else { return };
        let Some(place) = out.iter().position(|probe| probe.id == id) else { return };
        let sent = out.remove(place).sent.min(now);
        *ignored += u32::from(is_ignored);
        match sample {
            Some((false, false)) => *good += 1,
            Some(_) => *bad += 1,
            None => {}
        }
        let share = |part: u32| f64::from(part) / f64::from(rules.probes);
        if *bad > 0 && *good == 0 || share(*bad) >= rules.probe_ratio {
            self.open(sent, now);
        } else if share(rules.probes - *good) < rules.probe_ratio {
            let ramp = self.rules.ramp.map(|length| Ramp { length, ..Ramp::default() });
            self.forget();
            self.enter(Phase::Closed { since: now, ramp });
        }
    }

    fn forget(&mut self) {
        self.samples.clear();
        self.failures_in_a_row = 0;
        self.asked_until = 0;
    }

    pub(super) fn reset(&mut self) {
        self.forget();
        self.openings = 0;
        self.enter(Phase::Closed { since: 0, ramp: None });
    }
}
