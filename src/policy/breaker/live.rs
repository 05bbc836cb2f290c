//! The settings that every call reads, in a form that can change under it.

use super::config::Settings;
use crate::kernel::{
    Ended, Instant, Outcome, Ratio,
    clock::nanos,
    sync::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    window::{Counts, Sample},
};

/// A share that no calls reach, for a rule that is not set.
const NEVER: f64 = 2.0;

/// Failures in a row that are enough if they took at least so long: many calls fail that often in a row by chance, and few calls
/// do not come to many failures.
const FEW_FAILURES: u64 = 10;
const LASTING: u64 = 1_000_000_000;

/// Each is one word of its own: a call in the moment of a change may be judged by some of the old and some of the new.
#[derive(Debug)]
pub(super) struct Live {
    failure_ratio: AtomicU64,
    /// Whether they are failures.
    overloads: AtomicBool,
    slow_ratio: AtomicU64,
    /// Nanoseconds.
    slow_after: AtomicU64,
    minimum_calls: AtomicU32,
    consecutive_failures: AtomicU64,
    /// Failures since the last success, and when the first of them was sent: ten timeouts need no further second.
    run: AtomicU64,
    run_since: AtomicU64,
}

impl Live {
    pub(super) fn new(settings: &Settings) -> Self {
        let live = Self {
            failure_ratio: AtomicU64::new(0),
            overloads: AtomicBool::new(true),
            slow_ratio: AtomicU64::new(0),
            slow_after: AtomicU64::new(0),
            minimum_calls: AtomicU32::new(0),
            consecutive_failures: AtomicU64::new(0),
            run: AtomicU64::new(0),
            run_since: AtomicU64::new(0),
        };
        live.set(settings);
        live
    }

    pub(super) fn set(&self, settings: &Settings) {
        let bits = |ratio: Option<Ratio>| ratio.map_or(NEVER, Ratio::get).to_bits();
        self.failure_ratio.store(bits(settings.failure_ratio), Ordering::Relaxed);
        self.overloads.store(settings.overloads, Ordering::Relaxed);
        self.slow_ratio.store(bits(settings.slow_calls.map(|(_, ratio)| ratio)), Ordering::Relaxed);
        self.slow_after.store(settings.slow_after(), Ordering::Relaxed);
        self.minimum_calls.store(settings.minimum_calls, Ordering::Relaxed);
        let run = settings.consecutive_failures.map_or(u64::MAX, u64::from);
        self.consecutive_failures.store(run, Ordering::Relaxed);
    }

    /// What a call counts as; `None` if it counts neither way. One that failed after more than `late_after` was slow as well.
    pub(super) fn sample(&self, ended: &Ended, late_after: u64) -> Option<Sample> {
        let slow_after = self.slow_after.load(Ordering::Relaxed);
        let sample = sample(ended, self.overloads.load(Ordering::Relaxed), slow_after)?;
        // Where no call is ever slow, a late one is none either.
        let is_late = sample.failed && slow_after != u64::MAX && ended.latency_nanos() > late_after;
        Some(Sample { slow: sample.slow || is_late, ..sample })
    }

    /// Whether a call went well: the only question there is while all do.
    #[inline]
    pub(super) fn is_good(&self, ended: &Ended) -> bool {
        ended.outcome == Outcome::Success && ended.latency_nanos() < self.slow_after.load(Ordering::Relaxed)
    }

    /// A success ends the run of failures.
    #[inline]
    pub(super) fn end_run(&self) {
        if self.run.load(Ordering::Relaxed) != 0 {
            self.run.store(0, Ordering::Release);
        }
    }

    /// Counts the run of failures. Returns whether it is long enough to open.
    pub(super) fn run_ends_it(&self, ended: &Ended) -> bool {
        let outcome = ended.outcome;
        let is_answer = outcome == Outcome::Overload && !self.overloads.load(Ordering::Relaxed);
        if outcome.is_bad() && !is_answer {
            if self.run.load(Ordering::Acquire) == 0 {
                self.run_since.store(ended.started.as_nanos(), Ordering::Release);
            }
            let run = self.run.fetch_add(1, Ordering::AcqRel) + 1;
            return self.is_long(run, ended.now);
        }
        if is_answer || outcome == Outcome::Success {
            self.end_run();
        }
        false
    }

    /// Whether a run of that many failures, which is not over now, is none by chance.
    fn is_long(&self, run: u64, now: Instant) -> bool {
        let lasted = || now.as_nanos().saturating_sub(self.run_since.load(Ordering::Acquire));
        match self.consecutive_failures.load(Ordering::Relaxed) {
            u64::MAX => false,
            most => run >= most || run >= FEW_FAILURES && lasted() >= LASTING,
        }
    }

    /// Whether there are enough calls for a share of them to mean anything.
    pub(super) fn are_enough(&self, counts: Counts) -> bool {
        counts.calls > 0 && counts.calls >= self.minimum_calls.load(Ordering::Relaxed).into()
    }

    /// Whether the counts are bad enough to open.
    pub(super) fn counts_end_it(&self, counts: Counts) -> bool {
        let reached = |bad: u64, ratio: &AtomicU64| {
            bad as f64 / counts.calls as f64 >= f64::from_bits(ratio.load(Ordering::Relaxed))
        };
        self.are_enough(counts)
            && (reached(counts.failures, &self.failure_ratio) || reached(counts.slow, &self.slow_ratio))
    }
}

impl Settings {
    /// From how many nanoseconds on a call is slow.
    pub(super) fn slow_after(&self) -> u64 {
        self.slow_calls.map_or(u64::MAX, |(threshold, _)| nanos(threshold))
    }
}

/// What a call counts as, if overloads are failures or not, and if it is slow after that many nanoseconds; `None` if it counts
/// neither way.
pub(super) fn sample(ended: &Ended, overloads: bool, slow_after: u64) -> Option<Sample> {
    let slow = ended.latency_nanos() >= slow_after;
    match ended.outcome {
        Outcome::Success => Some(Sample { failed: false, slow }),
        Outcome::Failure => Some(Sample { failed: true, slow }),
        Outcome::Overload => Some(Sample { failed: overloads, slow }),
        Outcome::Ignored => None,
        // The caller left: our business only if it had waited too long.
        Outcome::Abandoned => slow.then_some(Sample { failed: false, slow }),
    }
}
