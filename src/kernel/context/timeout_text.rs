//! Durations as text, in the form of `grpc-timeout`.

use std::{fmt, time::Duration};

/// The digits that the form has room for, and with the unit the whole of it.
const DIGITS: usize = 8;
const LONGEST: usize = DIGITS + 1;
/// One more than eight digits can say.
const TOO_MUCH: u128 = 100_000_000;

/// Units, from the finest on, in nanoseconds.
const UNITS: [(u8, u64); 6] = [
    (b'n', 1),
    (b'u', 1_000),
    (b'm', 1_000_000),
    (b'S', 1_000_000_000),
    (b'M', 60_000_000_000),
    (b'H', 3_600_000_000_000),
];

/// The time that is left, as one service tells another: in the form of the header `grpc-timeout`, which is one to eight
/// digits and a unit: `H`, `M`, `S`, or for less than a second `m`, `u`, `n`.
///
/// It is in the finest unit that has room for it, rounded down, so that nobody is told more time than there is. Time
/// that is up is `0n`; what is too long to be said is `99999999H`. It needs no allocation.
///
/// [`Trust::deadline`](super::Trust::deadline) reads it.
///
/// ```
/// use std::time::Duration;
/// use cofferdam::context::TimeoutText;
///
/// assert_eq!(TimeoutText::new(Duration::from_millis(250)).as_str(), "250000u");
/// assert_eq!(TimeoutText::new(Duration::from_micros(1_234_567_899)).to_string(), "1234567m");
/// assert_eq!(TimeoutText::new(Duration::ZERO).as_str(), "0n");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TimeoutText {
    /// Filled from the right.
    text: [u8; LONGEST],
    start: u8,
}

impl TimeoutText {
    /// That duration, rounded down.
    #[must_use]
    pub fn new(duration: Duration) -> Self {
        let nanos = duration.as_nanos();
        let coarsest = UNITS[UNITS.len() - 1];
        let fits = |unit: &(u8, u64)| nanos / u128::from(unit.1) < TOO_MUCH;
        let (unit, length) = UNITS.into_iter().find(fits).unwrap_or(coarsest);
        let number = (nanos / u128::from(length)).min(TOO_MUCH - 1);

        let mut text = [b'0'; LONGEST];
        text[DIGITS] = unit;
        let start = write_number(number as u64, &mut text[..DIGITS]); // it is below `TOO_MUCH`
        Self { text, start: start as u8 }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text[usize::from(self.start)..]).expect("digits and a letter are text")
    }
}

impl fmt::Debug for TimeoutText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl fmt::Display for TimeoutText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Writes digits from the right, as far as there is room, and tells where they begin.
pub(crate) fn write_number(number: u64, text: &mut [u8]) -> usize {
    let (mut start, mut rest) = (text.len(), number);
    while start > 0 && (rest > 0 || start == text.len()) {
        start -= 1;
        text[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    start
}

/// Reads that form, and nothing that is only similar to it.
pub(crate) fn read(text: &str) -> Option<Duration> {
    let (unit, digits) = text.as_bytes().split_last()?;
    let (_, nanos) = UNITS.into_iter().find(|(letter, _)| letter == unit)?;
    let number = number(digits, DIGITS)?;
    let total = u128::from(number) * u128::from(nanos);
    let (seconds, rest) = (total / 1_000_000_000, total % 1_000_000_000);
    Some(Duration::new(seconds as u64, rest as u32)) // eight digits of hours are far below either's end
}

/// Reads milliseconds.
pub(crate) fn read_millis(text: &str) -> Option<Duration> {
    number(text.as_bytes(), MOST_DIGITS).map(Duration::from_millis)
}

/// As many digits as a `u64` has room for.
pub(super) const MOST_DIGITS: usize = 19;

/// Reads digits, and at most so many.
pub(super) fn number(digits: &[u8], most: usize) -> Option<u64> {
    if digits.is_empty() || digits.len() > most || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}
