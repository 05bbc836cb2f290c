//! How many calls succeeded lately.

use super::{CEILING, FLOOR};
use crate::kernel::Instant;

/// The successes of the ten seconds that are running, and of the ten before them, in one word: 24 bits say which ten
/// seconds, and 20 each are a count that stops at its largest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    number: u64,
    previous: u64,
    current: u64,
}

impl Window {
    const LENGTH: u64 = 10_000_000_000;
    const NUMBERS: u64 = (1 << 24) - 1;
    const MOST: u64 = (1 << 20) - 1;

    pub(super) fn read(word: u64) -> Self {
        Self { number: word >> 40, previous: (word >> 20) & Self::MOST, current: word & Self::MOST }
    }

    pub(super) fn write(self) -> u64 {
        (self.number << 40) | (self.previous << 20) | self.current
    }

    fn number(now: Instant) -> u64 {
        (now.as_nanos() / Self::LENGTH) & Self::NUMBERS
    }

    /// One more success.
    pub(super) fn plus_one(self) -> Self {
        Self { current: (self.current + 1).min(Self::MOST), ..self }
    }

    /// The window as it is at that time, however long nothing happened.
    pub(super) fn at(self, now: Instant) -> Self {
        let number = Self::number(now);
        match number.wrapping_sub(self.number) & Self::NUMBERS {
            0 => self,
            1 => Self { number, previous: self.current, current: 0 },
            // Another thread's time may lie a tick before ours.
            Self::NUMBERS => self,
            _ => Self { number, previous: 0, current: 0 },
        }
    }

    /// What the successes of the last ten seconds have paid in, as if those of the window before had come evenly.
    pub(super) fn cap(self, now: Instant, ratio: u64) -> u64 {
        let passed = if Self::number(now) == self.number { now.as_nanos() % Self::LENGTH } else { 0 };
        // At most 2^20 * 10^9 each, and a product of two times 10^9 more: it takes the wider number.
        let previous = u128::from(self.previous * ratio) * u128::from(Self::LENGTH - passed) / u128::from(Self::LENGTH);
        (self.current * ratio).saturating_add(previous as u64).clamp(FLOOR, CEILING)
    }
}
