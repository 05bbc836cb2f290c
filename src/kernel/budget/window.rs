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
        let current = self.current * ratio;
        if current >= CEILING {
            return CEILING;
        }
        let previous = Self::share(self.previous * ratio, Self::LENGTH - passed);
        current.saturating_add(previous).clamp(FLOOR, CEILING)
    }

    /// `whole * part / LENGTH`, rounded down; `whole` is at most 2^20 * 10^9, and `part` is at most the length. To divide a wider
    /// number is to call a function, so the length is divided by in two steps, of which each leaves what fits.
    fn share(whole: u64, part: u64) -> u64 {
        const TWOS: u32 = Window::LENGTH.trailing_zeros();
        let (times, rest) = (whole / Self::LENGTH, whole % Self::LENGTH);
        let halved = (u128::from(rest) * u128::from(part)) >> TWOS;
        times * part + halved as u64 / (Self::LENGTH >> TWOS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_what_a_wider_division_makes_of_it() {
        const MOST: u64 = (1 << 20) * 1_000_000_000;
        let mut state = 1_u64;
        let mut random = |most: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((u128::from(state) * u128::from(most + 1)) >> 64) as u64
        };
        let edges =
            [(0, 0), (MOST, Window::LENGTH), (MOST, Window::LENGTH - 1), (Window::LENGTH - 1, Window::LENGTH - 1)];
        let drawn: Vec<_> = (0..100_000).map(|_| (random(MOST), random(Window::LENGTH))).collect();
        for (whole, part) in edges.into_iter().chain(drawn) {
            let exact = u128::from(whole) * u128::from(part) / u128::from(Window::LENGTH);
            assert_eq!(u128::from(Window::share(whole, part)), exact, "{whole} * {part}");
        }
    }
}
