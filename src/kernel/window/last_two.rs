use crate::kernel::Instant;

/// A number of the ten seconds that are running, and one of the ten before them, in one word: 24 bits say which ten seconds, and 20
/// each are a number that stops at its largest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LastTwo {
    pub(crate) number: u64,
    pub(crate) previous: u64,
    pub(crate) current: u64,
}

impl LastTwo {
    /// In nanoseconds.
    pub(crate) const LENGTH: u64 = 10_000_000_000;

    const NUMBERS: u64 = (1 << 24) - 1;

    /// No number is larger.
    pub(crate) const MOST: u64 = (1 << 20) - 1;

    #[inline]
    pub(crate) fn read(word: u64) -> Self {
        Self { number: word >> 40, previous: (word >> 20) & Self::MOST, current: word & Self::MOST }
    }

    #[inline]
    pub(crate) fn write(self) -> u64 {
        (self.number << 40) | (self.previous << 20) | self.current
    }

    /// Which ten seconds are running.
    #[inline]
    pub(crate) fn number(now: Instant) -> u64 {
        (now.as_nanos() / Self::LENGTH) & Self::NUMBERS
    }

    /// Both as they are at that time, however long nothing happened.
    #[inline]
    pub(crate) fn at(self, now: Instant) -> Self {
        let number = Self::number(now);
        match number.wrapping_sub(self.number) & Self::NUMBERS {
            // Another thread's time may lie a tick before ours.
            0 | Self::NUMBERS => self,
            1 => Self { number, previous: self.current, current: 0 },
            _ => Self { number, previous: 0, current: 0 },
        }
    }
}
