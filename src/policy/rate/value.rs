use std::{fmt, time::Duration};

use crate::kernel::{Invalid, clock, control::Text};

/// So many permits per so much time.
///
/// The unit is in the name, and a value that cannot be is refused when it is made.
///
/// ```
/// use std::time::Duration;
/// use cofferdam::Rate;
///
/// let rate = Rate::per_second(4000)?;
/// assert_eq!(rate.interval(), Duration::from_micros(250));
/// assert_eq!(rate, Rate::per(4000, Duration::from_secs(1))?);
/// assert_eq!(rate.to_string(), "4000 per 1s");
///
/// assert_eq!(Rate::per_minute(1)?.interval(), Duration::from_secs(60));
/// assert_eq!(Rate::per_second(0).unwrap_err().to_string(), "`rate` cannot be 0 per 1s: it must be at least 1 in 10 years, at most 1 per microsecond");
/// # Ok::<(), cofferdam::Invalid>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    permits: u32,
    period: Duration,
}

/// Permits are a whole number of nanoseconds apart, rounded up. This close, that makes a rate lower by 0.1 % at most.
const CLOSEST: u64 = 1_000;

/// Ten years: what takes longer to come back will not come back to this process.
pub(super) const LONGEST: u64 = 10 * 365 * 24 * 60 * 60 * 1_000_000_000;

impl Rate {
    /// So many permits per second.
    ///
    /// # Errors
    ///
    /// [`Invalid`] unless there are 1 to 1,000,000. What is counted in bytes, weigh by the kilobyte.
    pub fn per_second(permits: u32) -> Result<Self, Invalid> {
        Self::per(permits, Duration::from_secs(1))
    }

    /// So many permits per minute.
    ///
    /// # Errors
    ///
    /// [`Invalid`] unless there are 1 to 60,000,000.
    pub fn per_minute(permits: u32) -> Result<Self, Invalid> {
        Self::per(permits, Duration::from_secs(60))
    }

    /// So many permits per hour.
    ///
    /// # Errors
    ///
    /// [`Invalid`] unless there are 1 to 3,600,000,000.
    pub fn per_hour(permits: u32) -> Result<Self, Invalid> {
        Self::per(permits, Duration::from_secs(60 * 60))
    }

    /// So many permits per period, which come one by one and evenly.
    ///
    /// # Errors
    ///
    /// [`Invalid`] unless it is at least one permit in ten years, and at most one per microsecond.
    pub fn per(permits: u32, period: Duration) -> Result<Self, Invalid> {
        let rate = Self { permits, period };
        let interval = period.as_nanos().checked_div(permits.into());
        match interval {
            Some(interval) if (CLOSEST.into()..=LONGEST.into()).contains(&interval) => Ok(rate),
            _ => Err(Invalid::new("rate", rate, "at least 1 in 10 years, at most 1 per microsecond")),
        }
    }

    /// How many permits come in a [`period`](Self::period).
    #[must_use]
    pub fn permits(self) -> u32 {
        self.permits
    }

    /// How long it takes for so many [`permits`](Self::permits) to come.
    #[must_use]
    pub fn period(self) -> Duration {
        self.period
    }

    /// The time from one permit to the next: in whole nanoseconds, rounded up.
    #[must_use]
    pub fn interval(self) -> Duration {
        Duration::from_nanos(self.interval_nanos())
    }

    pub(super) fn interval_nanos(self) -> u64 {
        let permits = u128::from(self.permits);
        // It is the constructor that keeps it in range.
        u64::try_from(self.period.as_nanos().div_ceil(permits)).unwrap_or(u64::MAX)
    }

    /// How many permits come in a day: what observers are told.
    pub(super) fn per_day(self) -> u64 {
        const DAY: u64 = 24 * 60 * 60 * 1_000_000_000;
        let period = u128::from(clock::nanos(self.period));
        u64::try_from(u128::from(self.permits) * u128::from(DAY) / period).unwrap_or(u64::MAX)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} per {}", self.permits, crate::kernel::written::Written(self.period))
    }
}

impl Text for Rate {
    fn to_text(&self) -> String {
        self.to_string()
    }

    fn from_text(setting: &'static str, text: &str) -> Result<Self, Invalid> {
        let (permits, period) = text
            .split_once(" per ")
            .ok_or_else(|| Invalid::new(setting, text, "a number per a duration, such as `100 per 1s`"))?;
        Self::per(u32::from_text(setting, permits.trim())?, Duration::from_text(setting, period.trim())?)
    }
}
