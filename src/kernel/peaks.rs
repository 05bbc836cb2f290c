use super::{
    Instant,
    sync::{AtomicU64, Ordering::Relaxed},
};

/// The largest number of the ten seconds that are running, and of the ten before them, for many threads: in one word, of which 24
/// bits say which ten seconds, and 20 each are a number that stops at its largest.
#[derive(Debug, Default)]
pub(crate) struct Peaks(AtomicU64);

#[derive(Clone, Copy)]
struct Windows {
    number: u64,
    previous: u64,
    current: u64,
}

impl Windows {
    const LENGTH: u64 = 10_000_000_000;
    const NUMBERS: u64 = (1 << 24) - 1;

    fn read(word: u64) -> Self {
        Self { number: word >> 40, previous: (word >> 20) & Peaks::MOST, current: word & Peaks::MOST }
    }

    fn write(self) -> u64 {
        (self.number << 40) | (self.previous << 20) | self.current
    }

    /// The windows as they are at that time.
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

impl Peaks {
    /// No number is larger.
    pub(crate) const MOST: u64 = (1 << 20) - 1;

    /// Sees a number.
    pub(crate) fn see(&self, number: u64, now: Instant) {
        let _ = self.0.fetch_update(Relaxed, Relaxed, |word| {
            let windows = Windows::read(word).at(now);
            let windows = Windows { current: windows.current.max(number.min(Self::MOST)), ..windows }.write();
            // Most of the time it is no new peak, and reading is cheaper than writing.
            (windows != word).then_some(windows)
        });
    }

    /// The largest of the window before this one; zero if there was none.
    pub(crate) fn previous(&self, now: Instant) -> u64 {
        Windows::read(self.0.load(Relaxed)).at(now).previous
    }

    /// The largest of both.
    pub(crate) fn largest(&self, now: Instant) -> u64 {
        let Windows { previous, current, .. } = Windows::read(self.0.load(Relaxed)).at(now);
        previous.max(current)
    }
}
