//! The only file that reads a clock.
//!
//! State machines are told the time; what tells them is [`now`], or [`coarse`] where a few milliseconds do not matter.
//! Both read the system's monotonic clock. Under the feature `test-util` they read tokio's, so that a paused one stops
//! this crate too.

#[cfg(not(any(feature = "test-util", target_os = "linux")))]
use std::time::Instant as Source;
use std::{
    fmt,
    sync::LazyLock,
    time::{Duration, SystemTime},
};

#[cfg(feature = "test-util")]
use tokio::time::Instant as Source;

use super::sync::IN_A_MODEL;

/// A moment, in nanoseconds on a monotonic clock, which is this process's own or that of the system.
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
    #[inline]
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

    /// The same, in nanoseconds.
    #[inline]
    pub(crate) const fn nanos_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
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

/// No reading is before this, or only just: another thread's time may lie before the first, under a paused clock or by a tick.
const FIRST: u64 = 1 << 42;

/// Nanoseconds since the system began, asked of the system itself: the detour over the C library is a third of it.
#[cfg(all(target_os = "linux", not(feature = "test-util")))]
#[inline]
fn system(clock: rustix::time::ClockId) -> Instant {
    let time = rustix::time::clock_gettime(clock);
    let nanos = (time.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec as u64);
    Instant(FIRST.wrapping_add(nanos))
}

#[cfg(not(all(target_os = "linux", not(feature = "test-util"))))]
static EPOCH: LazyLock<Source> = LazyLock::new(source);

#[cfg(not(all(target_os = "linux", not(feature = "test-util"))))]
#[inline]
#[allow(clippy::disallowed_methods)] // this is the one place
fn source() -> Source {
    Source::now()
}

#[cfg(all(target_os = "linux", not(feature = "test-util")))]
#[inline]
fn exact() -> Instant {
    system(rustix::time::ClockId::Monotonic)
}

#[cfg(not(all(target_os = "linux", not(feature = "test-util"))))]
#[inline]
fn exact() -> Instant {
    let (epoch, now) = (*EPOCH, source());
    match now.checked_duration_since(epoch) {
        Some(since) => Instant(FIRST.saturating_add(nanos(since))),
        None => Instant(FIRST.saturating_sub(nanos(epoch.saturating_duration_since(now)))),
    }
}

/// Reads the clock.
#[inline]
pub(crate) fn now() -> Instant {
    if IN_A_MODEL {
        // Every run of a model must be the same.
        return Instant(FIRST);
    }
    exact()
}

/// How long ago a timer was due. One that fires that late says that this process has not run meanwhile.
pub(crate) fn overdue(timer: &tokio::time::Sleep) -> Duration {
    #[allow(clippy::disallowed_methods)] // the clock of timers, whatever ours is
    tokio::time::Instant::now().saturating_duration_since(timer.deadline())
}

/// How long it is until a timer is due; zero if it is.
pub(crate) fn left(timer: &tokio::time::Sleep) -> Duration {
    #[allow(clippy::disallowed_methods)] // the clock of timers, whatever ours is
    timer.deadline().saturating_duration_since(tokio::time::Instant::now())
}

/// Reads the clock to a tick, at a sixth of the cost: it may differ from [`now`] by that much, and by no more, as both
/// are the same clock of the system.
#[cfg(all(target_os = "linux", not(feature = "test-util")))]
#[inline]
pub(crate) fn coarse() -> Instant {
    if IN_A_MODEL {
        return Instant(FIRST);
    }
    system(rustix::time::ClockId::MonotonicCoarse)
}

/// Reads the clock: elsewhere there is none that is cheaper and the same.
#[cfg(not(all(target_os = "linux", not(feature = "test-util"))))]
#[inline]
pub(crate) fn coarse() -> Instant {
    now()
}

/// No tick of a system's clock is longer.
#[cfg_attr(not(feature = "rate-limit"), allow(dead_code))]
pub(crate) const LONGEST_TICK: Duration = Duration::from_millis(20);

/// The moment that was told, as closely as the system can tell, where it was told to a tick.
#[cfg(all(target_os = "linux", not(feature = "test-util")))]
#[cfg_attr(not(feature = "rate-limit"), allow(dead_code))]
pub(crate) fn closer(told: Instant) -> Instant {
    let now = now();
    // What lies further from now is not what a clock has told.
    if (told.0..=told.after(LONGEST_TICK).0).contains(&now.0) { now } else { told }
}

/// The moment that was told: it was told as closely as the system can tell.
#[cfg(not(all(target_os = "linux", not(feature = "test-util"))))]
#[cfg_attr(not(feature = "rate-limit"), allow(dead_code))]
pub(crate) fn closer(told: Instant) -> Instant {
    told
}

/// Reads the calendar, for what different machines have to agree on.
#[allow(clippy::disallowed_methods)] // this is the one place
pub(crate) fn calendar() -> SystemTime {
    SystemTime::now()
}

/// The hours since 1970, by this process's own clock: it is compared with the calendar once. On a clock that tests can stop,
/// the hours since the process began, so that every run is the same.
pub(crate) fn hour() -> u64 {
    const HOUR: u64 = 3_600_000_000_000;
    /// What lies between the two, in nanoseconds.
    static OFFSET: LazyLock<u64> = LazyLock::new(|| {
        if cfg!(feature = "test-util") {
            return 0;
        }
        let since_1970 = calendar().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        nanos(since_1970).saturating_sub(now().0)
    });
    coarse().0.saturating_add(*OFFSET) / HOUR
}

#[cfg(all(test, not(feature = "test-util")))]
mod tests {
    use super::*;

    #[test]
    fn both_readings_are_one_clock() {
        // Some ticks, and whatever the machine does between two readings when they are first compared.
        let near = Duration::from_millis(200);
        for _ in 0..1000 {
            let (before, coarse, after) = (now(), coarse(), now());
            assert!(before.since(coarse) < near && coarse.since(after) < near, "{before:?} {coarse:?} {after:?}");
        }
    }
}
