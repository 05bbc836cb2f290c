use std::time::Duration;

use crate::kernel::{Instant, peaks::Peaks};

/// How long the quickest call took of late of those that went well and had a deadline: what has less time than that cannot
/// be done in it.
///
/// The quickest is the one that leaves most of the longest time that there is, so what is kept are peaks.
#[derive(Debug, Default)]
pub(super) struct Pace(Peaks);

impl Pace {
    /// A call went well in that time.
    pub(super) fn took(&self, time: Duration, now: Instant) {
        let millis = u64::try_from(time.as_millis()).unwrap_or(Peaks::MOST);
        self.0.see(Peaks::MOST.saturating_sub(millis), now);
    }

    /// No attempt takes less, as far as is known: to a millisecond below, and nothing if nothing is known.
    pub(super) fn least(&self, now: Instant) -> Duration {
        match self.0.largest(now) {
            0 => Duration::ZERO,
            left => Duration::from_millis(Peaks::MOST - left),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quickest_of_late_counts_and_is_forgotten() {
        let ms = Duration::from_millis;
        let at = |seconds: u64| Instant::from_nanos(seconds * 1_000_000_000);
        let pace = Pace::default();
        assert_eq!(pace.least(at(1)), ms(0));
        [50, 30, 90].into_iter().for_each(|took| pace.took(ms(took), at(1)));
        assert_eq!(pace.least(at(2)), ms(30));
        pace.took(ms(70), at(12));
        assert_eq!(pace.least(at(12)), ms(30));
        pace.took(Duration::from_micros(60_999), at(22));
        assert_eq!((pace.least(at(22)), pace.least(at(45))), (ms(60), ms(0)));
        // What took longer than can be told is no reason to wait for nothing.
        pace.took(Duration::MAX, at(60));
        assert_eq!(pace.least(at(60)), ms(0));
    }
}
