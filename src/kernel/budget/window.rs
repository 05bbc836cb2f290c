//! How many calls succeeded lately.

use super::{CEILING, FLOOR};
use crate::kernel::{Instant, window::LastTwo};

/// The successes of the ten seconds that are running, and of the ten before them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window(LastTwo);

impl Window {
    pub(super) fn read(word: u64) -> Self {
        Self(LastTwo::read(word))
    }

    pub(super) fn write(self) -> u64 {
        self.0.write()
    }

    /// One more success.
    pub(super) fn plus_one(self) -> Self {
        Self(LastTwo { current: (self.0.current + 1).min(LastTwo::MOST), ..self.0 })
    }

    /// The window as it is at that time, however long nothing happened.
    pub(super) fn at(self, now: Instant) -> Self {
        Self(self.0.at(now))
    }

    /// What the successes of the last ten seconds have paid in, as if those of the window before had come evenly.
    pub(super) fn cap(self, now: Instant, ratio: u64) -> u64 {
        let LastTwo { number, previous, current } = self.0;
        let passed = if LastTwo::number(now) == number { now.as_nanos() % LastTwo::LENGTH } else { 0 };
        let current = current * ratio;
        if current >= CEILING {
            return CEILING;
        }
        let previous = Self::share(previous * ratio, LastTwo::LENGTH - passed);
        current.saturating_add(previous).clamp(FLOOR, CEILING)
    }

    /// `whole * part / LENGTH`, rounded down; `whole` is at most 2^20 * 10^9, and `part` is at most the length. To divide a wider
    /// number is to call a function, so the length is divided by in two steps, of which each leaves what fits.
    fn share(whole: u64, part: u64) -> u64 {
        const TWOS: u32 = LastTwo::LENGTH.trailing_zeros();
        let (times, rest) = (whole / LastTwo::LENGTH, whole % LastTwo::LENGTH);
        let halved = (u128::from(rest) * u128::from(part)) >> TWOS;
        times * part + halved as u64 / (LastTwo::LENGTH >> TWOS)
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
            [(0, 0), (MOST, LastTwo::LENGTH), (MOST, LastTwo::LENGTH - 1), (LastTwo::LENGTH - 1, LastTwo::LENGTH - 1)];
        let drawn: Vec<_> = (0..100_000).map(|_| (random(MOST), random(LastTwo::LENGTH))).collect();
        for (whole, part) in edges.into_iter().chain(drawn) {
            let exact = u128::from(whole) * u128::from(part) / u128::from(LastTwo::LENGTH);
            assert_eq!(u128::from(Window::share(whole, part)), exact, "{whole} * {part}");
        }
    }
}
