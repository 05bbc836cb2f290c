//! The only file that reads a clock.
//!
//! State machines are told the time; what tells them is [`now`]. Production reads the processor's own counter
//! through `quanta`. Under the feature `test-util` it is tokio's clock, so that a paused one stops this crate too.

use std::{
    fmt,
    sync::LazyLock,
    time::{Duration, SystemTime},
};

/// A moment, in nanoseconds on this process's own monotonic clock.
///
/// Arithmetic saturates: there is no overflow, no negative age, and a moment in five hundred years is [`Instant::NEVER`].
/// It is eight bytes, and fits an atomic.
///
/// ```
/// use std::time::Duration;
/// use cofferdam::Instant;
///
/// let start = Instant::ORIGIN.after(Duration::from_secs(1));
/// let later = start.after(Duration::from_millis(250));
/// assert_eq!(later.since(start), Duration::from_millis(250));
/// assert_eq!(start.since(later), Duration::ZERO);
/// assert_eq!(start.after(Duration::MAX), Instant::NEVER);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// Before anything that [`now`](Instant::now) returns.
    pub const ORIGIN: Self = Self(0);

    /// After anything that happens.
    pub const NEVER: Self = Self(u64::MAX);

    /// Reads the clock.
    #[must_use]
    pub fn now() -> Self {
        now()
    }

    /// The moment `duration` later; [`NEVER`](Self::NEVER) if that is out of range.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(nanos(duration)))
    }

    /// How long after `earlier` this moment is; zero if it is not after it.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    pub(crate) const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    pub(crate) const fn as_nanos(self) -> u64 {
        self.0
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NEVER => f.write_str("never"),
            Self(nanos) => write!(f, "+{:?}", Duration::from_nanos(nanos)),
        }
    }
}

/// A duration in nanoseconds, as far as a `u64` goes.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The clock's first reading. Under a paused clock another thread's time may lie before it, so it is not zero.
const FIRST: u64 = 1 << 42;

/// Reads the clock.
#[cfg(not(feature = "test-util"))]
pub(crate) fn now() -> Instant {
    static CLOCK: LazyLock<(quanta::Clock, u64)> = LazyLock::new(|| {
        let clock = quanta::Clock::new();
        let epoch = clock.raw();
        (clock, epoch)
    });
    let (clock, epoch) = &*CLOCK;
    Instant(FIRST.saturating_add(clock.delta_as_nanos(*epoch, clock.raw())))
}

/// Reads tokio's clock.
#[cfg(feature = "test-util")]
#[allow(clippy::disallowed_methods)] // this is the one place
pub(crate) fn now() -> Instant {
    use tokio::time::Instant as Tokio;
    static EPOCH: LazyLock<Tokio> = LazyLock::new(Tokio::now);
    let (epoch, now) = (*EPOCH, Tokio::now());
    let nanos = match now.checked_duration_since(epoch) {
        Some(since) => FIRST.saturating_add(nanos(since)),
        None => FIRST.saturating_sub(nanos(epoch.saturating_duration_since(now))),
    };
    Instant(nanos)
}

/// Reads the calendar, which only dates from outside are compared with.
#[allow(clippy::disallowed_methods)] // this is the one place
#[cfg_attr(not(feature = "http"), allow(dead_code))]
pub(crate) fn calendar() -> SystemTime {
    SystemTime::now()
}
