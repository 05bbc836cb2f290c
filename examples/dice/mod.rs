//! Chance that is the same in each run, and for each side of an experiment.

use std::time::Duration;

/// Xorshift, by Marsaglia.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new() -> Self {
        Self(0x00C0_FFEE)
    }

    /// From zero to one.
    pub(crate) fn roll(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// How long it is until the next request, where so many come a second, and each by chance.
    pub(crate) fn wait(&mut self, rate: f64) -> Duration {
        Duration::from_secs_f64(-(1.0 - self.roll()).ln() / rate)
    }
}
