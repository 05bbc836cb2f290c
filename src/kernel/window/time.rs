//! The calls of the last so many seconds.

use std::{fmt, time::Duration};

use super::{Counts, Sample};
use crate::kernel::{
    Instant,
    clock::nanos,
    lane::{Lane, lane, lanes},
    sync::{AtomicU64, AtomicUsize, Mutex, Ordering, lock},
};

/// The window slides in tenths: it spans between nine tenths and the whole of its length.
const BUCKETS: usize = 10;

/// A sliding window of time, in buckets that lie on multiples of their width.
///
/// A call that went well costs one addition, to a count that threads of other lanes do not write to. A bucket is emptied
/// once, by the first call after its time; a call on another thread in that very moment counts for the bucket before, and
/// is neither lost nor counted twice. It takes 256 bytes per lane.
pub(crate) struct TimeWindow {
    lanes: Box<[Lane<[Bucket; BUCKETS]>]>,
    /// The bucket that calls are counted in, and when its time is over.
    current: AtomicUsize,
    ends: AtomicU64,
    /// Failures and slow calls in all buckets: while there are none, nobody has to add up the rest.
    bad: AtomicU64,
    epochs: Epochs,
    /// How often each bucket began to be emptied, and how often that was done: so nobody takes a half of it for the whole.
    emptying: [AtomicU64; BUCKETS],
    emptied: [AtomicU64; BUCKETS],
    /// A bucket's width in nanoseconds.
    width: Mutex<u64>,
}

#[derive(Debug, Default)]
struct Bucket {
    calls: AtomicU64,
    failures: AtomicU64,
    slow: AtomicU64,
}

/// What it holds, and not in which of many buckets.
impl fmt::Debug for TimeWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TimeWindow").field(&self.sum()).finish()
    }
}

impl TimeWindow {
    pub(crate) fn new(length: Duration) -> Self {
        Self {
            lanes: (0..lanes()).map(|_| Lane::default()).collect(),
            current: AtomicUsize::new(0),
            ends: AtomicU64::new(0),
            bad: AtomicU64::new(0),
            epochs: Epochs::default(),
            emptying: Default::default(),
            emptied: Default::default(),
            width: Mutex::new(width(length)),
        }
    }

    /// Counts a call that ended now. Returns whether the window is no worse for it than when it was last weighed.
    #[inline]
    pub(crate) fn record(&self, sample: Sample, now: Instant) -> bool {
        if now.as_nanos() >= self.ends.load(Ordering::Acquire) {
            self.rotate(now);
        }
        let bucket = &self.lanes[lane(self.lanes.len())].0[self.current.load(Ordering::Acquire)];
        // Calls before failures: whoever reads between the two sees too small a share, and the last one sees it all.
        bucket.calls.fetch_add(1, Ordering::AcqRel);
        if sample != Sample::default() {
            bucket.failures.fetch_add(sample.failed.into(), Ordering::AcqRel);
            bucket.slow.fetch_add(sample.slow.into(), Ordering::AcqRel);
            self.bad.fetch_add(u64::from(sample.failed) + u64::from(sample.slow), Ordering::AcqRel);
            return false;
        }
        self.bad.load(Ordering::Acquire) == 0 || self.epochs.is_settled()
    }

    /// What the window holds at this time.
    pub(crate) fn counts(&self, now: Instant) -> Counts {
        if now.as_nanos() >= self.ends.load(Ordering::Acquire) {
            self.rotate(now);
        }
        self.sum()
    }

    pub(crate) fn epochs(&self) -> &Epochs {
        &self.epochs
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        for index in 0..BUCKETS {
            self.empty(index);
        }
        self.epochs.advance();
    }

    /// Changes the length. What was counted stays, and leaves the window bucket by bucket at the new pace.
    pub(crate) fn resize(&self, length: Duration, now: Instant) {
        let mut current = lock(&self.width);
        *current = width(length);
        self.ends.fetch_min(boundary(now.as_nanos(), *current), Ordering::AcqRel);
    }

    fn sum(&self) -> Counts {
        let mut sum = Counts::default();
        for index in 0..BUCKETS {
            let emptied = self.emptied[index].load(Ordering::Acquire);
            let mut counts = Counts::default();
            for lane in &self.lanes {
                let bucket = &lane.0[index];
                // The other way round than they are written, so that no failure is seen without its call.
                counts.slow += bucket.slow.load(Ordering::Acquire);
                counts.failures += bucket.failures.load(Ordering::Acquire);
                counts.calls += bucket.calls.load(Ordering::Acquire);
            }
            // What is being emptied at this moment has left the window already.
            if self.emptying[index].load(Ordering::Acquire) == emptied {
                sum.slow += counts.slow;
                sum.failures += counts.failures;
                sum.calls += counts.calls;
            }
        }
        sum
    }

    /// Empties the buckets whose time has come again. Whoever finds another thread at it goes on at once.
    #[cold]
    #[inline(never)]
    fn rotate(&self, now: Instant) {
        let Ok(width) = self.width.try_lock() else { return };
        let (now, ends) = (now.as_nanos(), self.ends.load(Ordering::Acquire));
        if now < ends {
            return;
        }
        let passed = ((now - ends) / *width).saturating_add(1);
        let mut current = self.current.load(Ordering::Acquire);
        for _ in 0..passed.min(BUCKETS as u64) {
            current = (current + 1) % BUCKETS;
            self.empty(current);
        }
        self.epochs.advance();
        self.current.store(current, Ordering::Release);
        self.ends.store(boundary(now, *width), Ordering::Release);
    }

    fn empty(&self, index: usize) {
        self.emptying[index].fetch_add(1, Ordering::AcqRel);
        let mut bad = 0;
        for lane in &self.lanes {
            let bucket = &lane.0[index];
            bucket.calls.swap(0, Ordering::AcqRel);
            bad += bucket.failures.swap(0, Ordering::AcqRel) + bucket.slow.swap(0, Ordering::AcqRel);
        }
        self.emptied[index].fetch_add(1, Ordering::AcqRel);
        self.bad.fetch_sub(bad, Ordering::AcqRel);
    }
}

/// In which epoch the window was last weighed and found to be fine.
///
/// An epoch ends when calls leave the window, or when it is weighed by another rule. Within one, calls are only added; and
/// once there are enough of them, one that went well makes no share of bad ones larger.
#[derive(Debug)]
pub(crate) struct Epochs {
    now: AtomicU64,
    settled: AtomicU64,
}

/// What an epoch is remembered by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Epoch(u64);

impl Default for Epochs {
    fn default() -> Self {
        Self { now: AtomicU64::new(1), settled: AtomicU64::new(0) }
    }
}

impl Epochs {
    /// The epoch of a weighing: to be asked for before it, so that nothing that leaves meanwhile is overlooked.
    pub(crate) fn now(&self) -> Epoch {
        Epoch(self.now.load(Ordering::Acquire))
    }

    /// Weighed in that epoch, there were enough calls, and not too many bad ones.
    pub(crate) fn settle(&self, epoch: Epoch) {
        self.settled.store(epoch.0, Ordering::Release);
    }

    pub(crate) fn advance(&self) {
        self.now.fetch_add(1, Ordering::AcqRel);
    }

    #[inline]
    fn is_settled(&self) -> bool {
        self.settled.load(Ordering::Acquire) == self.now.load(Ordering::Acquire)
    }
}

/// The next multiple of the width.
fn boundary(now: u64, width: u64) -> u64 {
    (now / width).saturating_add(1).saturating_mul(width)
}

fn width(length: Duration) -> u64 {
    (nanos(length) / BUCKETS as u64).max(1)
}
