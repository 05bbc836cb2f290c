//! Whether a dependency has stopped answering, without waiting for a timeout.

use std::time::Duration;

use crate::kernel::{
    Ended, Instant, Outcome,
    clock::nanos,
    dependency::{Fact, Report},
    sync::{AtomicU64, Ordering},
};

/// A threshold before anything is known, or where none is set.
const NEVER: u64 = u64::MAX;

/// Successes that make a baseline.
const ENOUGH: u64 = 20;

/// More calls than these must be without an answer: fewer are nobody's stall.
const FEW: u64 = 5;

/// In this time the baseline at most doubles, so that what has become slow is not soon taken for normal.
const DOUBLES: u64 = 60_000_000_000;

/// When the last answer came, how long answers usually take, and a suspicion if there is one.
///
/// While answers come, a call loads a word on the way in and one on the way out; the rest is done once a tick. Words
/// are written one by one: threads in the same moment may lose a sample or a count, and the next ones make up for it.
#[derive(Debug)]
pub(super) struct Stall {
    /// The last answer, to a tick; [`NEVER`] while nobody wants to know.
    answered: AtomicU64,
    /// Up to then nobody wonders where answers are.
    calm_until: AtomicU64,
    /// How long it must be quiet.
    after: AtomicU64,
    floor: AtomicU64,
    multiple: AtomicU64,
    /// When the first call came that found it quiet, and the calls since then; zero for no suspicion. Idle time
    /// is thereby not quiet time.
    suspected: AtomicU64,
    waiting: AtomicU64,
    /// What nearly all answers take less time than, and how far the baseline has followed it.
    delay: AtomicU64,
    baseline: AtomicU64,
    samples: AtomicU64,
    /// Where others are told of it.
    report: Option<Report>,
}

impl Stall {
    pub(super) fn new(setting: Option<(Duration, f64)>, report: Option<Report>) -> Self {
        let stall = Self {
            answered: AtomicU64::new(0),
            calm_until: AtomicU64::new(NEVER),
            after: AtomicU64::new(NEVER),
            floor: AtomicU64::new(NEVER),
            multiple: AtomicU64::new(0),
            suspected: AtomicU64::new(0),
            waiting: AtomicU64::new(0),
            delay: AtomicU64::new(0),
            baseline: AtomicU64::new(0),
            samples: AtomicU64::new(0),
            report,
        };
        stall.set(setting);
        stall
    }

    pub(super) fn set(&self, setting: Option<(Duration, f64)>) {
        let (floor, multiple) = setting.map_or((NEVER, 0.0), |(floor, multiple)| (nanos(floor), multiple));
        self.floor.store(floor, Ordering::Relaxed);
        self.multiple.store(multiple.to_bits(), Ordering::Relaxed);
        if self.is_off() {
            self.answered.store(NEVER, Ordering::Relaxed);
        } else if self.answered.load(Ordering::Relaxed) == NEVER {
            self.answered.store(0, Ordering::Relaxed);
        }
        self.weigh();
        self.forget();
    }

    /// Whether answers came lately, or nobody would know if they did not.
    #[inline]
    pub(super) fn is_calm(&self, now: Instant) -> bool {
        now.as_nanos() <= self.calm_until.load(Ordering::Relaxed)
    }

    /// A call comes when it is quiet. Returns whether that is a stall.
    #[cold]
    pub(super) fn suspect(&self, now: Instant) -> bool {
        let (now, since) = (now.as_nanos(), self.suspected.load(Ordering::Relaxed));
        if since == 0 {
            self.waiting.store(1, Ordering::Relaxed);
            self.suspected.store(now, Ordering::Relaxed);
            return false;
        }
        let waiting = self.waiting.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let after = self.after.load(Ordering::Relaxed);
        let is_quiet = now.saturating_sub(since) > after;
        if is_quiet && let Some(report) = &self.report {
            // For as long again, unless calls go on to find it quiet.
            report.state(Fact::Stalled, Instant::from_nanos(now.saturating_add(after.saturating_mul(2))));
        }
        waiting > FEW && is_quiet
    }

    /// A call is answered after so many nanoseconds, or has gone well to its end.
    #[inline]
    pub(super) fn answer(&self, took: u64, now: Instant) {
        if now.as_nanos() > self.answered.load(Ordering::Relaxed) {
            self.learn(took, now.as_nanos());
        }
    }

    /// Any other call ended. A failure that took its time is most likely a timeout, and no answer; of a call that was given
    /// up early, or never reached the dependency, none is expected.
    pub(super) fn ended(&self, ended: &Ended) {
        let is_late = ended.latency_nanos() > self.after();
        match ended.outcome {
            Outcome::Success => self.answer(ended.latency_nanos(), ended.now),
            Outcome::Failure | Outcome::Overload if !is_late => self.heard(ended.now.as_nanos()),
            Outcome::Ignored => self.expect_one_less(),
            Outcome::Abandoned if !is_late => self.expect_one_less(),
            _ => {}
        }
    }

    pub(super) fn expect_one_less(&self) {
        if self.suspected.load(Ordering::Relaxed) != 0 {
            let waiting = self.waiting.load(Ordering::Relaxed);
            self.waiting.store(waiting.saturating_sub(1), Ordering::Relaxed);
        }
    }

    /// Ends a suspicion. What answers usually take stays known.
    pub(super) fn forget(&self) {
        self.suspected.store(0, Ordering::Relaxed);
    }

    /// For how many nanoseconds it must be quiet, and after how many a failure is late.
    pub(super) fn after(&self) -> u64 {
        self.after.load(Ordering::Relaxed)
    }

    fn is_off(&self) -> bool {
        self.floor.load(Ordering::Relaxed) == NEVER
    }

    fn heard(&self, now: u64) {
        if self.is_off() {
            return;
        }
        self.answered.store(now, Ordering::Relaxed);
        self.calm_until.store(now.saturating_add(self.after.load(Ordering::Relaxed)), Ordering::Relaxed);
        self.forget();
        if let Some(report) = &self.report {
            report.end(Fact::Stalled);
        }
    }

    /// The first answer of a tick.
    #[cold]
    #[inline(never)]
    fn learn(&self, took: u64, now: u64) {
        let passed = now.saturating_sub(self.answered.load(Ordering::Relaxed)).min(DOUBLES);
        let samples = self.samples.load(Ordering::Relaxed);
        let delay = self.delay.load(Ordering::Relaxed);
        // A longer one moves it fifty times as far as a shorter one: it settles where one of fifty is longer.
        let delay = match (samples < ENOUGH, took > delay) {
            (true, _) => delay.max(took),
            (false, true) => took.min(delay.saturating_add(delay / 10 + 1)),
            (false, false) => took.max(delay - delay / 500),
        };
        let baseline = self.baseline.load(Ordering::Relaxed);
        let baseline = if samples < ENOUGH {
            delay
        } else {
            let share = passed as f64 / DOUBLES as f64;
            delay.min(baseline.saturating_add((baseline as f64 * share) as u64).saturating_add(1))
        };
        self.delay.store(delay, Ordering::Relaxed);
        self.baseline.store(baseline, Ordering::Relaxed);
        if samples < ENOUGH {
            self.samples.store(samples + 1, Ordering::Relaxed);
        }
        self.weigh();
        self.heard(now);
    }

    fn weigh(&self) {
        let floor = self.floor.load(Ordering::Relaxed);
        let after = if self.is_off() || self.samples.load(Ordering::Relaxed) < ENOUGH {
            NEVER
        } else {
            let multiple = f64::from_bits(self.multiple.load(Ordering::Relaxed));
            floor.max((self.baseline.load(Ordering::Relaxed) as f64 * multiple) as u64)
        };
        self.after.store(after, Ordering::Relaxed);
        self.calm_until.store(self.answered.load(Ordering::Relaxed).saturating_add(after), Ordering::Relaxed);
    }
}
