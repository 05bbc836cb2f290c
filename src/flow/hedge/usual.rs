use std::time::Duration;

use crate::kernel::{
    Instant,
    clock::nanos,
    sync::{AtomicU64, Ordering::Relaxed},
};

/// What the delay is while nothing is wrong.
///
/// It falls with the delay at once, and doubles in a minute at most. So what is slow for good is usual before long, and what waits in
/// a line that comes and goes is not.
#[derive(Debug, Default)]
pub(super) struct Usual {
    /// In nanoseconds; zero if nothing is known.
    delay: AtomicU64,
    /// When that was so.
    at: AtomicU64,
}

/// In such a time it doubles, in nanoseconds.
const DOUBLES_IN: f64 = 60e9;
/// So many times the usual delay is none that says anything of single calls.
const FAR: u64 = 8;

impl Usual {
    /// Sees the delay as it is now. Whether that is far above what is usual.
    pub(super) fn is_far_below(&self, delay: Duration, now: Instant) -> bool {
        let delay = nanos(delay);
        // Threads that meet here differ by what it rises meanwhile.
        let usual = match self.delay.load(Relaxed) {
            0 => delay,
            usual => {
                let passed = now.as_nanos().saturating_sub(self.at.load(Relaxed));
                delay.min((usual as f64 * (passed as f64 / DOUBLES_IN).exp2()) as u64)
            }
        };
        self.delay.store(usual, Relaxed);
        self.at.store(now.as_nanos(), Relaxed);
        delay > usual.saturating_mul(FAR)
    }

    pub(super) fn forget(&self) {
        self.delay.store(0, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_falls_at_once_and_doubles_in_a_minute() {
        let usual = Usual::default();
        let at = |seconds: u64| Instant::from_nanos(seconds * 1_000_000_000);
        let is_far = |millis, seconds| usual.is_far_below(Duration::from_millis(millis), at(seconds));
        assert!(!is_far(100, 1));
        assert!(!is_far(10, 2));
        assert!(!is_far(79, 2));
        assert!(is_far(85, 2));
        assert!(!is_far(85, 62));
        assert!(is_far(400, 62));
        assert!(!is_far(400, 150));
        usual.forget();
        assert!(!usual.is_far_below(Duration::from_secs(10), at(150)));
    }
}
