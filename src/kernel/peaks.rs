use super::{
    Instant,
    sync::{AtomicU64, Ordering::Relaxed},
    window::LastTwo,
};

/// The largest number of the ten seconds that are running, and of the ten before them, for many threads: the word of [`LastTwo`].
#[derive(Debug, Default)]
pub(crate) struct Peaks(AtomicU64);

impl Peaks {
    /// No number is larger.
    pub(crate) const MOST: u64 = LastTwo::MOST;

    /// Sees a number.
    pub(crate) fn see(&self, number: u64, now: Instant) {
        let _ = self.0.fetch_update(Relaxed, Relaxed, |word| {
            let windows = LastTwo::read(word).at(now);
            let windows = LastTwo { current: windows.current.max(number.min(Self::MOST)), ..windows }.write();
            // Most of the time it is no new peak, and reading is cheaper than writing.
            (windows != word).then_some(windows)
        });
    }

    /// The largest of the window before this one; zero if there was none.
    pub(crate) fn previous(&self, now: Instant) -> u64 {
        LastTwo::read(self.0.load(Relaxed)).at(now).previous
    }

    /// The largest of both.
    pub(crate) fn largest(&self, now: Instant) -> u64 {
        let LastTwo { previous, current, .. } = LastTwo::read(self.0.load(Relaxed)).at(now);
        previous.max(current)
    }
}
