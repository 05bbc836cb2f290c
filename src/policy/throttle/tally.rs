//! What calls write down without a lock, until the meter is told.

use std::array;

use super::state::News;
use crate::kernel::{
    Instant,
    context::Rank,
    sync::{AtomicU32, AtomicU64, Ordering},
};

/// Counts since the meter was last told, in units of [`ONE`]. What is taken back may be more than came since then: they wrap,
/// and are read as what they are below zero.
#[derive(Debug)]
pub(super) struct Tally {
    demand: [AtomicU64; Rank::COUNT],
    accepted: AtomicU64,
    /// Good answers since the last overload, as far as anybody cares.
    good: AtomicU32,
    /// When the first overload after the last good answer was, or the time of pressure began.
    bad: AtomicU64,
    /// When the last overload was.
    overload: AtomicU64,
}

/// One call.
const ONE: u64 = 1 << 20;

impl Tally {
    pub(super) fn new() -> Self {
        Self {
            demand: array::from_fn(|_| AtomicU64::new(0)),
            accepted: AtomicU64::new(0),
            good: AtomicU32::new(0),
            bad: AtomicU64::new(0),
            overload: AtomicU64::new(0),
        }
    }

    /// A call of that rank is asked for.
    #[inline]
    pub(super) fn came(&self, rank: usize) {
        self.demand[rank].fetch_add(ONE, Ordering::Relaxed);
    }

    /// It was sent, and counts as taken by the server until somebody says otherwise.
    #[inline]
    pub(super) fn sent(&self) {
        self.accepted.fetch_add(ONE, Ordering::Relaxed);
    }

    /// A call that was sent, and counts that much by now, was not taken.
    pub(super) fn take_back(&self, weight: f64) {
        self.accepted.fetch_sub(units(weight), Ordering::Relaxed);
    }

    /// A call that was sent never got there: as if it had never come.
    pub(super) fn never_was(&self, rank: usize, weight: f64) {
        self.demand[rank].fetch_sub(units(weight), Ordering::Relaxed);
        self.take_back(weight);
    }

    /// The server took a call and did its work.
    #[inline]
    pub(super) fn went_well(&self, enough: u32) {
        if self.good.load(Ordering::Relaxed) < enough {
            self.good.fetch_add(1, Ordering::Release);
        }
    }

    /// How many answers were good, in a row.
    pub(super) fn good(&self) -> u32 {
        self.good.load(Ordering::Acquire)
    }

    /// No answer was good after that, if none [is](Self::good). It is never older than the zero that was read.
    pub(super) fn nothing_good_since(&self) -> Instant {
        Instant::from_nanos(self.bad.load(Ordering::Acquire))
    }

    /// From now on, answers are waited for.
    pub(super) fn begin(&self, now: Instant) {
        self.bad.store(now.as_nanos(), Ordering::Release);
        self.good.store(0, Ordering::Release);
    }

    /// The server was overloaded. Whoever looks at the gate after that sees all that was done to it before a
    /// [`last_overload`](Self::last_overload) that does not know of this yet.
    pub(super) fn overloaded(&self, now: Instant) {
        if self.good.load(Ordering::Relaxed) != 0 {
            self.begin(now);
        }
        self.overload.swap(now.as_nanos(), Ordering::AcqRel);
    }

    /// When the last overload was: not after `now`, if the clock has gone back.
    pub(super) fn last_overload(&self, now: Instant) -> Instant {
        Instant::from_nanos(self.overload.fetch_min(now.as_nanos(), Ordering::AcqRel)).min(now)
    }

    /// What has come and gone since this was last asked.
    pub(super) fn news(&self) -> News {
        News { demand: array::from_fn(|rank| take(&self.demand[rank])), accepted: take(&self.accepted) }
    }
}

fn units(weight: f64) -> u64 {
    (weight * ONE as f64) as u64
}

fn take(count: &AtomicU64) -> f64 {
    // Most ranks have nothing to say, and a look is cheaper than an exchange.
    if count.load(Ordering::Relaxed) == 0 {
        return 0.0;
    }
    count.swap(0, Ordering::Relaxed).cast_signed() as f64 / ONE as f64
}
