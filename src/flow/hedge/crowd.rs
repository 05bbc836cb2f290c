use crate::kernel::{
    Instant,
    peaks::Peaks,
    sync::{AtomicU32, Ordering::Relaxed},
};

/// How many calls are in flight, and how many were at most of late.
///
/// Extra attempts that are sent when calls pile up make them pile up faster. So there are none while more than one and a
/// half times as many are in flight as ever were in the last window of ten seconds.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    in_flight: AtomicU32,
    peaks: Peaks,
}

/// So few are no crowd, however quiet it was.
const FEW: u64 = 3;

impl Crowd {
    /// A call is in flight from now on.
    pub(super) fn enter(&self, now: Instant) {
        let in_flight = u64::from(self.in_flight.fetch_add(1, Relaxed)) + 1;
        self.peaks.see(in_flight, now);
    }

    /// It is not any more.
    pub(super) fn leave(&self) {
        self.in_flight.fetch_sub(1, Relaxed);
    }

    /// Whether more calls are in flight than is usual. Of a window without any calls nothing follows.
    pub(super) fn is_dense(&self, now: Instant) -> bool {
        let usual = self.peaks.previous(now);
        let in_flight = u64::from(self.in_flight.load(Relaxed));
        usual > 0 && in_flight > (usual + usual / 2).max(FEW)
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
