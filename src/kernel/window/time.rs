//! The calls of the last so many seconds.

use std::time::Duration;

use super::{Counts, Sample};
use crate::kernel::{
    Instant,
    clock::nanos,
    sync::{AtomicU64, AtomicUsize, Mutex, Ordering, lock},
};

/// The window slides in tenths: it spans between nine tenths and the whole of its length.
const BUCKETS: usize = 10;

/// A sliding window of time, in buckets that lie on multiples of their width.
///
/// A call that went well costs one addition. A bucket is emptied once, by the first call after its time; a call on
/// another thread in that very moment counts for the bucket before, and is neither lost nor counted twice.
#[derive(Debug)]
pub(crate) struct TimeWindow {
    buckets: [Bucket; BUCKETS],
    /// The bucket that calls are counted in, and when its time is over.
    current: AtomicUsize,
    ends: AtomicU64,
    /// Failures and slow calls in all buckets: while there are none, nobody has to add up the rest.
    bad: AtomicU64,
    /// A bucket's width in nanoseconds.
    width: Mutex<u64>,
}

#[derive(Debug, Default)]
struct Bucket {
    calls: AtomicU64,
    failures: AtomicU64,
    slow: AtomicU64,
    /// How often it began to be emptied, and how often that was done: so nobody takes a half of it for the whole.
    emptying: AtomicU64,
    emptied: AtomicU64,
}

impl TimeWindow {
    pub(crate) fn new(length: Duration) -> Self {
        Self {
            buckets: Default::default(),
            current: AtomicUsize::new(0),
            ends: AtomicU64::new(0),
            bad: AtomicU64::new(0),
            width: Mutex::new(width(length)),
        }
    }

    /// Counts a call that ended now. Returns whether all calls in the window are good.
    #[inline]
    pub(crate) fn record(&self, sample: Sample, now: Instant) -> bool {
        if now.as_nanos() >= self.ends.load(Ordering::Acquire) {
            self.rotate(now);
        }
        let bucket = &self.buckets[self.current.load(Ordering::Acquire)];
        // Calls before failures: whoever reads between the two sees too small a share, and the last one sees it all.
        bucket.calls.fetch_add(1, Ordering::AcqRel);
        if sample != Sample::default() {
            bucket.failures.fetch_add(sample.failed.into(), Ordering::AcqRel);
            bucket.slow.fetch_add(sample.slow.into(), Ordering::AcqRel);
            self.bad.fetch_add(u64::from(sample.failed) + u64::from(sample.slow), Ordering::AcqRel);
        }
        self.bad.load(Ordering::Acquire) == 0
    }

    /// What the window holds at this time.
    pub(crate) fn counts(&self, now: Instant) -> Counts {
        if now.as_nanos() >= self.ends.load(Ordering::Acquire) {
            self.rotate(now);
        }
        self.sum()
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        for bucket in &self.buckets {
            self.empty(bucket);
        }
    }

    /// Changes the length. What was counted stays, and leaves the window bucket by bucket at the new pace.
    pub(crate) fn resize(&self, length: Duration, now: Instant) {
        let mut current = lock(&self.width);
        *current = width(length);
        self.ends.fetch_min(boundary(now.as_nanos(), *current), Ordering::AcqRel);
    }

    fn sum(&self) -> Counts {
        let mut counts = Counts::default();
        for bucket in &self.buckets {
            let emptied = bucket.emptied.load(Ordering::Acquire);
            // The other way round than they are written, so that no failure is seen without its call.
            let slow = bucket.slow.load(Ordering::Acquire);
            let failures = bucket.failures.load(Ordering::Acquire);
            let calls = bucket.calls.load(Ordering::Acquire);
            // What is being emptied at this moment has left the window already.
            if bucket.emptying.load(Ordering::Acquire) == emptied {
                counts.slow += slow;
                counts.failures += failures;
                counts.calls += calls;
            }
        }
        counts
    }

    /// Empties the buckets whose time has come again. Whoever finds another thread at it goes on at once.
    #[cold]
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
            self.empty(&self.buckets[current]);
        }
        self.current.store(current, Ordering::Release);
        self.ends.store(boundary(now, *width), Ordering::Release);
    }

    fn empty(&self, bucket: &Bucket) {
        bucket.emptying.fetch_add(1, Ordering::AcqRel);
        bucket.calls.swap(0, Ordering::AcqRel);
        let failures = bucket.failures.swap(0, Ordering::AcqRel);
        let slow = bucket.slow.swap(0, Ordering::AcqRel);
        bucket.emptied.fetch_add(1, Ordering::AcqRel);
        self.bad.fetch_sub(failures + slow, Ordering::AcqRel);
    }
}

/// The next multiple of the width.
fn boundary(now: u64, width: u64) -> u64 {
    (now / width).saturating_add(1).saturating_mul(width)
}

fn width(length: Duration) -> u64 {
    (nanos(length) / BUCKETS as u64).max(1)
}
