use crate::kernel::{
    Instant,
    sync::{AtomicU32, AtomicU64, Ordering::Relaxed},
};

/// How many calls are in flight, and how many were at most in the ten seconds that are running and in the ten before them.
///
/// Extra attempts that are sent when calls pile up make them pile up faster. So there are none while more than one and a
/// half times as many are in flight as ever were in the last window.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    in_flight: AtomicU32,
    /// See [`Peaks`].
    peaks: AtomicU64,
}

/// 24 bits say which ten seconds, and 20 each are a number of calls that stops at its largest.
#[derive(Clone, Copy)]
struct Peaks {
    number: u64,
    previous: u64,
    current: u64,
}

/// So few are no crowd, however quiet it was.
const FEW: u64 = 3;

impl Peaks {
    const LENGTH: u64 = 10_000_000_000;
    const NUMBERS: u64 = (1 << 24) - 1;
    const MOST: u64 = (1 << 20) - 1;

    fn read(word: u64) -> Self {
        Self { number: word >> 40, previous: (word >> 20) & Self::MOST, current: word & Self::MOST }
    }

    fn write(self) -> u64 {
        (self.number << 40) | (self.previous << 20) | self.current
    }

    /// The peaks as they are at that time.
    fn at(self, now: Instant) -> Self {
        let number = (now.as_nanos() / Self::LENGTH) & Self::NUMBERS;
        match number.wrapping_sub(self.number) & Self::NUMBERS {
            // Another thread's time may lie a tick before ours.
            0 | Self::NUMBERS => self,
            1 => Self { number, previous: self.current, current: 0 },
            _ => Self { number, previous: 0, current: 0 },
        }
    }
}

impl Crowd {
    /// A call is in flight from now on.
    pub(super) fn enter(&self, now: Instant) {
        let in_flight = u64::from(self.in_flight.fetch_add(1, Relaxed)) + 1;
        let _ = self.peaks.fetch_update(Relaxed, Relaxed, |word| {
            let peaks = Peaks::read(word).at(now);
            let peaks = Peaks { current: peaks.current.max(in_flight.min(Peaks::MOST)), ..peaks }.write();
            // Most of the time it is no new peak, and reading is cheaper than writing.
            (peaks != word).then_some(peaks)
        });
    }

    /// It is not any more.
    pub(super) fn leave(&self) {
        self.in_flight.fetch_sub(1, Relaxed);
    }

    /// Whether more calls are in flight than is usual. Of a window without any calls nothing follows.
    pub(super) fn is_dense(&self, now: Instant) -> bool {
        let Peaks { previous, .. } = Peaks::read(self.peaks.load(Relaxed)).at(now);
        let in_flight = u64::from(self.in_flight.load(Relaxed));
        previous > 0 && in_flight > (previous + previous / 2).max(FEW)
    }

    pub(super) fn in_flight(&self) -> u32 {
        self.in_flight.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_as_many_again_as_in_the_window_before_are_a_crowd() {
        let at = |seconds: u64| Instant::from_nanos(seconds * 1_000_000_000);
        let crowd = Crowd::default();
        (0..10).for_each(|_| crowd.enter(at(1)));
        // Nothing is known of a window before.
        assert!(!crowd.is_dense(at(1)));
        (0..5).for_each(|_| crowd.enter(at(11)));
        assert!(!crowd.is_dense(at(11)));
        crowd.enter(at(11));
        assert!(crowd.is_dense(at(11)));
        // The window after it knows the new peak.
        assert!(!crowd.is_dense(at(21)));
        crowd.leave();
        assert_eq!(crowd.in_flight(), 15);
        // What was longer ago is forgotten.
        assert!(!crowd.is_dense(at(60)));
    }

    #[test]
    fn a_few_are_no_crowd() {
        let crowd = Crowd::default();
        let at = |seconds: u64| Instant::from_nanos(seconds * 1_000_000_000);
        crowd.enter(at(1));
        crowd.leave();
        (0..3).for_each(|_| crowd.enter(at(11)));
        assert!(!crowd.is_dense(at(11)));
        crowd.enter(at(11));
        assert!(crowd.is_dense(at(11)));
    }
}
