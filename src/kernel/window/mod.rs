//! Counts over the recent past, at a cost that does not depend on how much of it there was.

mod count;
mod last_two;
mod time;

use std::{sync::OnceLock, time::Duration};

use count::CountWindow;
pub(crate) use count::LARGEST;
pub(crate) use last_two::LastTwo;
pub(crate) use time::Epoch;
use time::TimeWindow;

use super::{
    Instant,
    sync::{AtomicBool, Ordering},
};

/// What one call was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) failed: bool,
    pub(crate) slow: bool,
}

/// How many calls a window holds, and how many of them were bad.
///
/// ```
/// use cofferdam::CircuitBreaker;
///
/// let breaker = CircuitBreaker::builder("payments").build()?;
/// assert_eq!(breaker.counts().calls, 0);
/// # Ok::<(), cofferdam::Invalid>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Calls that counted.
    pub calls: u64,
    /// Those that failed.
    pub failures: u64,
    /// Those that took longer than the slow-call threshold, failed or not, and those that failed late.
    pub slow: u64,
}

/// What a window spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Span {
    Time(Duration),
    /// 1 to [`LARGEST`].
    Calls(u32),
}

/// A sliding window whose span may change while calls are counted.
#[derive(Debug)]
pub(crate) struct Window {
    time: TimeWindow,
    count: OnceLock<Box<CountWindow>>,
    by_count: AtomicBool,
}

impl Window {
    pub(crate) fn new(span: Span) -> Self {
        let length = match span {
            Span::Time(length) => length,
            Span::Calls(_) => Duration::from_secs(1),
        };
        let window = Self { time: TimeWindow::new(length), count: OnceLock::new(), by_count: AtomicBool::new(false) };
        if let Span::Calls(_) = span {
            window.reshape(span, Instant::ORIGIN);
        }
        window
    }

    /// Counts a call that ended now. Returns whether the window is certainly no worse for it than when it was last
    /// [settled](Self::settle), or holds nothing bad at all.
    #[inline]
    pub(crate) fn record(&self, sample: Sample, now: Instant) -> bool {
        match self.by_count() {
            Some(count) => count.record(sample),
            None => self.time.record(sample, now),
        }
    }

    /// What to call [`settle`](Self::settle) with after a weighing that begins now.
    pub(crate) fn epoch(&self) -> Epoch {
        self.time.epochs().now()
    }

    /// The window was weighed, holds enough calls, and not too many bad ones: until calls leave it, only bad ones can change
    /// that. (A window of calls has its totals in one word, and is weighed each time.)
    pub(crate) fn settle(&self, epoch: Epoch) {
        self.time.epochs().settle(epoch);
    }

    /// It will be weighed by another rule from now on.
    pub(crate) fn unsettle(&self) {
        self.time.epochs().advance();
    }

    pub(crate) fn counts(&self, now: Instant) -> Counts {
        self.by_count().map_or_else(|| self.time.counts(now), CountWindow::counts)
    }

    pub(crate) fn clear(&self) {
        self.by_count().map_or_else(|| self.time.clear(), CountWindow::clear);
    }

    /// Changes what the window spans. What was counted stays in it as far as it fits; a change between time and calls
    /// starts afresh. Only one thread may do so at a time; calls may be counted meanwhile.
    pub(crate) fn reshape(&self, span: Span, now: Instant) {
        match span {
            Span::Time(length) => {
                self.time.resize(length, now);
                if self.by_count.load(Ordering::Acquire) {
                    self.time.clear();
                    self.by_count.store(false, Ordering::Release);
                }
            }
            Span::Calls(size) => {
                let count = self.count.get_or_init(|| Box::new(CountWindow::new(size)));
                if !self.by_count.load(Ordering::Acquire) {
                    count.clear();
                }
                count.resize(size);
                self.by_count.store(true, Ordering::Release);
            }
        }
    }

    #[inline]
    fn by_count(&self) -> Option<&CountWindow> {
        if self.by_count.load(Ordering::Acquire) { self.count.get().map(|count| &**count) } else { None }
    }
}
