//! The breaker against a naive model of it: whatever happens to both, in whatever order and at whatever time, they
//! decide the same, are in the same state and have counted the same.

use std::time::Duration;

use cofferdam::{Admit, BreakerState, CircuitBreaker, Ended, Instant, Outcome, Policy, Rejected, Why};
use proptest::{prelude::*, sample::select};

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;
const YEAR: u64 = 365 * 24 * 3600 * SECOND;
/// Steps of years do not lead beyond the end of time, where every moment is the same.
const LATEST: u64 = 300 * YEAR;

type Breaker = CircuitBreaker;
type Token = <Breaker as Policy>::Token;

fn at(nanos: u64) -> Instant {
    Instant::ORIGIN.after(Duration::from_nanos(nanos))
}

fn nanos(time: u64) -> Duration {
    Duration::from_nanos(time)
}

fn admit(breaker: &Breaker, now: u64) -> Result<Token, Rejected> {
    breaker.admit(&(), at(now))
}

/// The call took no time and ended like this.
fn settle(breaker: &Breaker, token: Token, outcome: Outcome, now: u64) {
    breaker.settle(token, &Ended::new(outcome, at(now), at(now)));
}

// ---------------------------------------------------------------------------------------------------------------------
// The model: what the documentation says, with a `Vec` for everything and no thought for speed.
// ---------------------------------------------------------------------------------------------------------------------

#[derive(Clone, Copy, Debug)]
enum Span {
    Time(u64),
    Calls(u32),
}

#[derive(Clone, Copy, Debug)]
struct Rules {
    failure_ratio: Option<f64>,
    slow: Option<(u64, f64)>,
    consecutive: Option<u32>,
    minimum: u32,
    span: Span,
    open_time: u64,
    growth: f64,
    open_time_max: u64,
    probes: u32,
    probe_ratio: f64,
    lease: u64,
    ramp: Option<u64>,
}

impl Rules {
    fn apply(&self, builder: cofferdam::breaker::Builder) -> cofferdam::breaker::Builder {
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

#[derive(Clone, Copy, Debug)]
struct Sample {
    failed: bool,
    slow: bool,
    bucket: u64,
}

#[derive(Clone, Debug)]
struct Probe {
    id: u64,
    sent: u64,
    lease_ends: u64,
}

#[derive(Clone, Debug)]
enum Phase {
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
struct Ramp {
    shares: f64,
    through: f64,
}

#[derive(Debug)]
struct Model {
    rules: Rules,
    phase: Phase,
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
struct ModelToken {
    epoch: u64,
    probe: Option<u64>,
}

/// What the model has to say about an admission.
#[derive(Debug)]
enum Says {
    Admit(ModelToken),
    Reject(Why),
    /// A ramp lets a share through; which calls that is, is not promised.
    Either(ModelToken),
}

impl Model {
    fn new(rules: Rules) -> Self {
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

    fn state(&self) -> BreakerState {
        match self.phase {
            Phase::Closed { .. } => BreakerState::Closed,
            Phase::Open { .. } => BreakerState::Open,
            Phase::HalfOpen { .. } => BreakerState::HalfOpen,
            Phase::ForcedOpen => BreakerState::ForcedOpen,
            Phase::ForcedClosed => BreakerState::ForcedClosed,
            Phase::Disabled => BreakerState::Disabled,
        }
    }

    fn enter(&mut self, phase: Phase) {
        self.epoch += 1;
        self.phase = phase;
    }

    fn admit(&mut self, now: u64) -> Says {
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
                let Some(length) = self.rules.ramp else { return Says::Admit(token) };
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
    fn ramped(&mut self, through: bool) {
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

    fn settle(&mut self, token: ModelToken, end: &Ended, now: u64) {
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

    fn undo(&mut self, token: ModelToken, now: u64) {
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
    fn look(&mut self, now: u64) {
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

    fn counts(&self) -> (u64, u64, u64) {
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
            let ramp = self.rules.ramp.map(|_| Ramp::default());
            self.forget();
            self.enter(Phase::Closed { since: now, ramp });
        }
    }

    fn forget(&mut self) {
        self.samples.clear();
        self.failures_in_a_row = 0;
        self.asked_until = 0;
    }

    fn reset(&mut self) {
        self.forget();
        self.openings = 0;
        self.enter(Phase::Closed { since: 0, ramp: None });
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// What may happen to both.
// ---------------------------------------------------------------------------------------------------------------------

#[derive(Clone, Debug)]
enum Op {
    Admit,
    Settle { which: usize, outcome: Outcome, took: Option<u64>, head: Option<u64>, retry_after: Option<u64> },
    Undo { which: usize },
    Forward(u64),
    Back(u64),
    Look,
    ForceOpen,
    ForceClosed,
    Disable,
    Reset,
    Configure(Change),
}

#[derive(Clone, Debug)]
enum Change {
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
    fn apply(&self, rules: &Rules) -> Rules {
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

fn probes() -> impl Strategy<Value = u32> {
    select(vec![1, 2, 3, 10])
}

fn probe_ratio() -> impl Strategy<Value = f64> {
    select(vec![0.1, 1.0 / 3.0, 0.5, 2.0 / 3.0, 1.0])
}

fn ramp() -> impl Strategy<Value = Option<u64>> {
    select(vec![None, None, Some(1), Some(500 * MS), Some(5 * SECOND)])
}

fn open_time() -> impl Strategy<Value = u64> {
    select(vec![1, 100 * MS, 750 * MS])
}

fn rules() -> impl Strategy<Value = Rules> {
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

fn change() -> impl Strategy<Value = Change> {
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

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        4 => Just(Outcome::Success),
        4 => Just(Outcome::Failure),
        1 => Just(Outcome::Overload),
        1 => Just(Outcome::Ignored),
        1 => Just(Outcome::Abandoned),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    // How long a call took: as long as it did, or this long.
    let took = || select(vec![None, None, Some(0), Some(0), Some(0), Some(50 * MS - 1), Some(50 * MS), Some(SECOND)]);
    let head = select(vec![None, None, None, Some(0), Some(50 * MS)]);
    let asked = select(vec![None, None, None, Some(0), Some(200 * MS), Some(2 * SECOND), Some(YEAR)]);
    let settle = (any::<usize>(), outcome(), took(), head, asked)
        .prop_map(|(which, outcome, took, head, retry_after)| Op::Settle { which, outcome, took, head, retry_after });
    let forward = || {
        let step =
            vec![0, 1, MS / 10, 7 * MS, 10 * MS, 50 * MS, 100 * MS, 750 * MS, SECOND, 3 * SECOND, 11 * SECOND, YEAR];
        select(step).prop_map(Op::Forward)
    };
    prop_oneof![
        12 => Just(Op::Admit),
        12 => settle,
        1 => any::<usize>().prop_map(|which| Op::Undo { which }),
        6 => forward(),
        1 => select(vec![1, 10 * MS, SECOND, YEAR]).prop_map(Op::Back),
        2 => Just(Op::Look),
        1 => change().prop_map(Op::Configure),
        1 => prop_oneof![4 => Just(Op::Reset), 1 => Just(Op::ForceOpen), 1 => Just(Op::ForceClosed), 1 => Just(Op::Disable)],
    ]
}

/// Both of them, the calls in flight, and the time.
struct Pair {
    breaker: Breaker,
    model: Model,
    calls: Vec<(Token, ModelToken, u64)>,
    now: u64,
}

impl Pair {
    fn new(rules: Rules, now: u64) -> Self {
        let breaker = rules.apply(CircuitBreaker::builder("properties")).build().expect("the rules make sense");
        Self { breaker, model: Model::new(rules), calls: Vec::new(), now }
    }

    fn step(&mut self, op: &Op) {
        match *op {
            Op::Admit => self.admit(),
            Op::Settle { which, outcome, took, head, retry_after } => {
                let Some((token, model, started)) = self.take(which) else { return };
                let started = took.map_or(started, |took| self.now.saturating_sub(took));
                let mut end = Ended::new(outcome, at(started), at(self.now));
                end.head = head.map(|after| at(started + after));
                end.retry_after = retry_after.map(nanos);
                self.breaker.settle(token, &end);
                self.model.settle(model, &end, self.now);
            }
            Op::Undo { which } => {
                let Some((token, model, _)) = self.take(which) else { return };
                self.breaker.undo(token, at(self.now));
                self.model.undo(model, self.now);
            }
            Op::Forward(time) => self.now = (self.now + time).min(LATEST),
            Op::Back(time) => self.now = self.now.saturating_sub(time),
            Op::Look => self.look(),
            Op::ForceOpen => {
                self.breaker.force_open();
                self.model.enter(Phase::ForcedOpen);
            }
            Op::ForceClosed => {
                self.breaker.force_closed();
                self.model.enter(Phase::ForcedClosed);
            }
            Op::Disable => {
                self.breaker.disable();
                self.model.enter(Phase::Disabled);
            }
            Op::Reset => {
                self.breaker.reset();
                self.model.reset();
            }
            Op::Configure(ref change) => {
                let rules = change.apply(&self.model.rules);
                // What makes no sense is refused, and changes nothing.
                if self.breaker.configure(|settings| rules.apply(settings)).is_ok() {
                    self.model.rules = rules;
                    if let Span::Calls(_) = rules.span {
                        self.model.look(self.now);
                    }
                }
            }
        }
        assert_eq!(self.breaker.state(), self.model.state());
    }

    fn admit(&mut self) {
        let (real, says) = (admit(&self.breaker, self.now), self.model.admit(self.now));
        match (real, says) {
            (Ok(token), Says::Admit(model)) => self.calls.push((token, model, self.now)),
            (Err(rejected), Says::Reject(why)) => {
                assert_eq!(rejected.why(), why);
                self.check_retry_after(rejected);
            }
            (Ok(token), Says::Either(model)) => {
                self.model.ramped(true);
                self.calls.push((token, model, self.now));
            }
            (Err(rejected), Says::Either(_)) => {
                assert_eq!(rejected.why(), Why::Ramping);
                self.model.ramped(false);
            }
            (real, says) => panic!("the breaker says {real:?}, the model {says:?}"),
        }
    }

    /// A caller is told when it is worth another try, in milliseconds, rounded up.
    fn check_retry_after(&self, rejected: Rejected) {
        if let Phase::Open { until } = self.model.phase {
            let left = Duration::from_millis((until - self.now).div_ceil(MS).min(u64::from(u32::MAX) - 1));
            assert_eq!(rejected.retry_after(), Some(left));
        }
    }

    fn take(&mut self, which: usize) -> Option<(Token, ModelToken, u64)> {
        if self.calls.is_empty() { None } else { Some(self.calls.swap_remove(which % self.calls.len())) }
    }

    fn look(&mut self) {
        self.model.look(self.now);
        let counts = self.breaker.counts_at(at(self.now));
        assert_eq!((counts.calls, counts.failures, counts.slow), self.model.counts());
    }
}

/// Four times as many cases as usual, however many that are.
fn config() -> ProptestConfig {
    let usual = ProptestConfig::default();
    ProptestConfig { cases: usual.cases * 4, failure_persistence: None, ..usual }
}

proptest! {
    #![proptest_config(config())]

    /// The breaker and the model see the same calls and are never found to differ; and at the end, whatever state they
    /// were brought to, the breaker closes again when the dependency works again.
    #[test]
    fn the_breaker_does_what_the_model_does_and_recovers(
        rules in rules(),
        start in select(vec![0, 1, 5 * SECOND, 3 * YEAR]),
        ops in prop::collection::vec(op(), 1..200),
    ) {
        let mut pair = Pair::new(rules, start);
        for op in &ops {
            pair.step(op);
        }
        pair.look();

        // A forced state is kept until a reset, by contract.
        if matches!(pair.breaker.state(), BreakerState::ForcedOpen | BreakerState::ForcedClosed | BreakerState::Disabled) {
            pair.step(&Op::Reset);
        }
        // The calls in flight never end. Time goes by, callers come, and the dependency answers them at once.
        let longest = [rules.lease, rules.open_time_max, 5 * SECOND, 2 * YEAR].into_iter().max().unwrap();
        for round in 1..=2 {
            pair.now = LATEST + round * longest;
            for _ in 0..12 {
                pair.admit();
                if let Some((token, model, _)) = pair.calls.pop() {
                    let end = Ended::new(Outcome::Success, at(pair.now), at(pair.now));
                    pair.breaker.settle(token, &end);
                    pair.model.settle(model, &end, pair.now);
                }
            }
        }
        // A threshold of a nanosecond calls nothing slow that took no time; so nothing is in the way of closing.
        prop_assert_eq!(pair.breaker.state(), BreakerState::Closed);
        let admitted = admit(&pair.breaker, pair.now + longest);
        prop_assert!(admitted.is_ok(), "closed, and past its ramp, it lets calls through");
    }

    /// Open, and a crowd comes at the end of the open time: exactly one probe goes through, and another when its lease is
    /// over, whatever the others are told. After its success it is exactly so many.
    #[test]
    fn exactly_so_many_probes_are_out(
        probes in select(vec![1_u32, 2, 10, 1_000]),
        crowd in 1..50_u32,
        periods in 1..5_u64,
    ) {
        let breaker = CircuitBreaker::builder("properties").consecutive_failures(1).open_time(nanos(750 * MS)).open_time_jitter(0.0).probes(probes)
            .probe_failure_ratio(0.5).build().unwrap();
        let token = admit(&breaker, 0).unwrap();
        settle(&breaker, token, Outcome::Failure, 0);
        prop_assert_eq!(breaker.state(), BreakerState::Open);

        // One nanosecond before the end of the open time nobody gets through.
        prop_assert!(admit(&breaker, 750 * MS - 1).is_err());
        for period in 0..periods {
            let now = 750 * MS + period * 10 * SECOND;
            let admitted = (0..probes + crowd).filter(|_| admit(&breaker, now).is_ok()).count();
            prop_assert_eq!(admitted, 1);
            // And not one more as long as they are out.
            prop_assert!(admit(&breaker, now + 10 * SECOND - 1).is_err());
        }
        let now = 750 * MS + periods * 10 * SECOND;
        let first = admit(&breaker, now).unwrap();
        settle(&breaker, first, Outcome::Success, now);
        if probes > 1 {
            let admitted = (0..probes + crowd).filter(|_| admit(&breaker, now).is_ok()).count();
            prop_assert_eq!(admitted, probes as usize - 1);
        }
    }

    /// Calls that were admitted before the breaker changed its state end in any way and at any time: nothing follows.
    #[test]
    fn late_ends_change_nothing(ends in prop::collection::vec((outcome(), 0..3 * SECOND, 0..YEAR), 3..60), ratio in 0.01..1.0) {
        let breaker = CircuitBreaker::builder("properties").failure_ratio(ratio).minimum_calls(1).open_time(nanos(750 * MS)).open_time_jitter(0.0)
            .probes(2).probe_failure_ratio(1.0).ramp(None).build().unwrap();
        // All of them are admitted while closed; then one failure opens the breaker.
        let mut tokens: Vec<_> = ends.iter().map(|_| admit(&breaker, 0).unwrap()).collect();
        let first = admit(&breaker, 0).unwrap();
        settle(&breaker, first, Outcome::Failure, 0);
        prop_assert_eq!(breaker.state(), BreakerState::Open);

        // A third of the ends come while it is open, a third while half-open, the rest when it is closed again.
        let mut late = |count: usize, now: u64| {
            for (outcome, took, asked) in ends.iter().take(count) {
                if let Some(token) = tokens.pop() {
                    let mut end = Ended::new(*outcome, at(now.saturating_sub(*took)), at(now));
                    end.retry_after = Some(nanos(*asked));
                    breaker.settle(token, &end);
                }
            }
        };
        late(ends.len() / 3, 10 * MS);
        prop_assert_eq!(breaker.state(), BreakerState::Open);
        let one = admit(&breaker, 750 * MS).expect("nothing has put off the end of the open time");
        late(ends.len() / 3, 750 * MS);
        prop_assert_eq!(breaker.state(), BreakerState::HalfOpen);
        prop_assert!(admit(&breaker, 750 * MS).is_err(), "no place was added");
        settle(&breaker, one, Outcome::Success, 751 * MS);
        prop_assert_eq!(breaker.state(), BreakerState::Closed);
        late(ends.len(), 752 * MS);
        prop_assert_eq!(breaker.state(), BreakerState::Closed);
        prop_assert_eq!(breaker.counts_at(at(752 * MS)).calls, 0);
    }

    /// Over a whole ramp, calls at a steady pace get through in the share that is stated: a fifth at first and all at
    /// last, so three fifths on the whole.
    #[test]
    fn a_ramp_lets_the_stated_share_through(calls in 20..2_000_u64, length in select(vec![MS, 500 * MS, 60 * SECOND])) {
        let breaker = CircuitBreaker::builder("properties").consecutive_failures(1).open_time(nanos(750 * MS)).open_time_jitter(0.0).probes(1)
            .ramp(nanos(length)).build().unwrap();
        let token = admit(&breaker, 0).unwrap();
        settle(&breaker, token, Outcome::Failure, 0);
        let probe = admit(&breaker, 750 * MS).unwrap();
        settle(&breaker, probe, Outcome::Success, 750 * MS);

        let through = (0..calls).filter(|call| admit(&breaker, 750 * MS + call * length / calls).is_ok()).count() as f64;
        let stated = calls as f64 * 0.6;
        prop_assert!((through - stated).abs() <= 2.0, "{through} of {calls} calls, rather than {stated}");
        // Past its end everybody gets through.
        prop_assert!((0..100).all(|_| admit(&breaker, 750 * MS + length).is_ok()));
    }
}

/// A quarter of four open times is one: from then on each is a quarter longer.
#[test]
fn an_open_time_does_not_grow_before_it_is_that_share_of_the_outage() {
    let breaker = CircuitBreaker::builder("properties")
        .consecutive_failures(1)
        .open_time(nanos(80 * MS))
        .open_time_growth(1.25)
        .open_time_jitter(0.0)
        .build()
        .unwrap();
    let mut now = 0;
    let times = [(); 6].map(|()| {
        let token = admit(&breaker, now).unwrap();
        settle(&breaker, token, Outcome::Failure, now);
        let time = admit(&breaker, now).unwrap_err().retry_after().unwrap();
        now += time.as_nanos() as u64;
        time
    });
    assert_eq!(times, [80, 80, 80, 80, 100, 125].map(|time| nanos(time * MS)));
}

/// The same open times again: they grow with each opening of an outage, up to the longest, and start anew after ten
/// seconds without one.
#[test]
fn open_times_grow_within_an_outage_and_start_anew_after_it() {
    let breaker = CircuitBreaker::builder("properties")
        .consecutive_failures(1)
        .open_time(nanos(100 * MS))
        .open_time_growth(2.0)
        .open_time_max(nanos(500 * MS))
        .open_time_jitter(0.0)
        .probes(1)
        .ramp(None)
        .build()
        .unwrap();
    let mut now = 0;
    let fail = |now: u64| {
        let token = admit(&breaker, now).unwrap();
        settle(&breaker, token, Outcome::Failure, now);
        admit(&breaker, now).unwrap_err().retry_after().unwrap().as_millis()
    };
    // The first failure opens it, and each probe after that fails.
    let mut times = Vec::new();
    for _ in 0..5 {
        let time = fail(now);
        times.push(time);
        now += time as u64 * MS;
    }
    assert_eq!(times, [100, 200, 400, 500, 500]);

    // The probe succeeds, and it fails again within ten seconds: that is still the same outage.
    let probe = admit(&breaker, now).unwrap();
    settle(&breaker, probe, Outcome::Success, now);
    now += 10 * SECOND - 1;
    assert_eq!(fail(now), 500);

    // The next time it holds for ten seconds: what comes then is another outage.
    now += 500 * MS;
    let probe = admit(&breaker, now).unwrap();
    settle(&breaker, probe, Outcome::Success, now);
    now += 10 * SECOND;
    assert_eq!(fail(now), 100);
}
