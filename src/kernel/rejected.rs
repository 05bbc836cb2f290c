//! A call that was not let through, or not waited for.

use std::{error::Error, fmt, num::NonZeroU64, time::Duration};

use super::{Carries, Name, Outcome, clock::nanos, written::Written};

/// Why a call was rejected.
///
/// ```
/// use cofferdam::Why;
///
/// assert_eq!(Why::Full.to_string(), "no slot is free");
/// assert!(Why::Expired.is_timeout());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Why {
    /// A circuit breaker is open.
    Open,
    /// A circuit breaker is half-open and its probes are all out.
    Probing,
    /// A circuit breaker has closed and lets the load back in by degrees.
    Ramping,
    /// No slot is free, and no place in line if there is one.
    Full,
    /// The slots that are free are kept for other dependencies, as this one is sick.
    Reserved,
    /// It waited in line for as long as it may.
    Waited,
    /// It waited in line, and its place went to another.
    Displaced,
    /// There is more to do than can be done, and others matter more or came at a better time.
    Shed,
    /// The dependency rejects so much that this one is not sent.
    Throttled,
    /// The rate limit is reached.
    RateLimited,
    /// It asks for more at once than the rate limit ever allows.
    TooMuch,
    /// The dependency took longer than its timeout.
    TimedOut,
    /// The request's deadline passed while the call ran.
    DeadlineExceeded,
    /// The request's deadline had passed before the call was made.
    Expired,
    /// There is no room for its key, as all keys are in use.
    Crowded,
    /// The server is on its way out and takes nothing new.
    Draining,
    /// The call was made, and ended before it was done, as the server goes.
    Cut,
    /// For policies of your own.
    Refused,
}

impl Why {
    /// Each at the place of its number.
    const ALL: [Self; 18] = [
        Self::Open,
        Self::Probing,
        Self::Ramping,
        Self::Full,
        Self::Reserved,
        Self::Waited,
        Self::Displaced,
        Self::Shed,
        Self::Throttled,
        Self::RateLimited,
        Self::TooMuch,
        Self::TimedOut,
        Self::DeadlineExceeded,
        Self::Expired,
        Self::Crowded,
        Self::Draining,
        Self::Cut,
        Self::Refused,
    ];

    /// The reason in words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "the circuit is open",
            Self::Probing => "the circuit is being probed",
            Self::Ramping => "the circuit has just closed",
            Self::Full => "no slot is free",
            Self::Reserved => "the free slots are kept for others",
            Self::Waited => "no slot became free in time",
            Self::Displaced => "the place in line went to another",
            Self::Shed => "there is too much to do",
            Self::Throttled => "the dependency is overloaded",
            Self::RateLimited => "the rate limit is reached",
            Self::TooMuch => "it asks for more than the rate limit ever allows",
            Self::TimedOut => "the call timed out",
            Self::DeadlineExceeded => "the deadline passed",
            Self::Expired => "the deadline had passed before the call",
            Self::Crowded => "there is no room for its key",
            Self::Draining => "the server is shutting down",
            Self::Cut => "the server shut down before the call was done",
            Self::Refused => "the call was refused",
        }
    }

    /// Whether the call ran out of time, rather than being turned away.
    #[must_use]
    pub fn is_timeout(self) -> bool {
        matches!(self, Self::TimedOut | Self::DeadlineExceeded | Self::Expired)
    }

    /// Whether the server goes, so that its clients had better turn to another one.
    #[must_use]
    pub fn is_departure(self) -> bool {
        matches!(self, Self::Draining | Self::Cut)
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A call that this crate rejected: by whom, why, and when it may be worth another try.
///
/// It is small and `Copy`. Where the error is a `BoxError`, [`Rejected::find`] looks it up through any nesting; over HTTP
/// it is in the extensions of the response.
///
/// ```
/// use std::time::Duration;
/// use cofferdam::{Name, Outcome, Rejected, Why};
///
/// let rejected = Rejected::new(Name::new("payments")?, Why::Open).with_retry_after(Duration::from_millis(1500));
/// assert_eq!(rejected.retry_after(), Some(Duration::from_millis(1500)));
/// assert_eq!(rejected.to_string(), "rejected by `payments`: the circuit is open; try again in 1.5s");
/// assert_eq!(rejected.outcome(), Outcome::Ignored);
/// # Ok::<(), cofferdam::Invalid>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rejected {
    /// All of it in one word, so that what may hold a rejection is moved in a register. From the lowest bit: a mark in 8 bits, the
    /// reason in 8, the name in 16, and the time to wait in 32: in milliseconds plus one, or zero.
    word: NonZeroU64,
}

const MARK: NonZeroU64 = NonZeroU64::MIN;

/// In the byte of the mark: whoever rejected the call goes.
const DEPARTING: u64 = 2;
const WHY_SHIFT: u32 = 8;
const BY_SHIFT: u32 = 16;
const AFTER_SHIFT: u32 = 32;

impl Rejected {
    /// A rejection by the policy of that name.
    #[inline]
    #[must_use]
    pub fn new(by: Name, why: Why) -> Self {
        Self { word: MARK | (why as u64) << WHY_SHIFT | u64::from(by.index()) << BY_SHIFT }
    }

    /// The same rejection, which may be worth another try after that time: kept in milliseconds, rounded up, at most
    /// about 49 days.
    #[inline]
    #[must_use]
    pub fn with_retry_after(self, retry_after: Duration) -> Self {
        self.after_nanos(nanos(retry_after))
    }

    #[inline]
    pub(crate) fn after_nanos(self, nanos: u64) -> Self {
        let stored = u32::try_from(nanos.div_ceil(1_000_000)).unwrap_or(u32::MAX).saturating_add(1);
        let rest = self.word.get() << AFTER_SHIFT >> AFTER_SHIFT;
        Self { word: MARK | rest | u64::from(stored) << AFTER_SHIFT }
    }

    /// The same rejection, of a server that goes.
    #[inline]
    pub(crate) fn departing(self, departing: bool) -> Self {
        if departing { Self { word: self.word | DEPARTING } } else { self }
    }

    /// Whether the client had better turn to another server, whatever the reason was: this one
    /// [goes](crate::Policy::is_departing).
    #[must_use]
    pub fn is_departing(&self) -> bool {
        self.word.get() & DEPARTING != 0 || self.why().is_departure()
    }

    /// Who rejected the call.
    #[inline]
    #[must_use]
    pub fn by(&self) -> Name {
        Name::of_index((self.word.get() >> BY_SHIFT) as u16)
    }

    /// Why it was rejected.
    #[inline]
    #[must_use]
    pub fn why(&self) -> Why {
        Why::ALL.get((self.word.get() >> WHY_SHIFT) as u8 as usize).copied().unwrap_or(Why::Refused)
    }

    /// After how long another try may be let through, if that is known.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        let stored = (self.word.get() >> AFTER_SHIFT) as u32;
        stored.checked_sub(1).map(|millis| Duration::from_millis(millis.into()))
    }

    /// What a policy further out makes of it: a timeout is the dependency's failure, everything else says nothing about
    /// the dependency.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self.why() {
            Why::TimedOut | Why::DeadlineExceeded => Outcome::Failure,
            _ => Outcome::Ignored,
        }
    }

    /// Finds the rejection in an error or in any of its sources.
    #[must_use]
    pub fn find<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(rejected) = error.downcast_ref::<Self>() {
                return Some(rejected);
            }
            next = error.source();
        }
        None
    }
}

impl fmt::Debug for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let retry_after = self.retry_after();
        f.debug_struct("Rejected")
            .field("by", &self.by())
            .field("why", &self.why())
            .field("retry_after", &retry_after)
            .finish()
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rejected by `{}`: {}", self.by(), self.why())?;
        match self.retry_after() {
            Some(after) => write!(f, "; try again in {}", Written(after)),
            None => Ok(()),
        }
    }
}

impl Error for Rejected {}

/// The error of [`Guard::call`](crate::Guard::call): the call was rejected, or it was made and failed by itself.
///
/// ```
/// use cofferdam::{CircuitBreaker, Policy, Refused};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cofferdam::Invalid> {
/// let breaker = CircuitBreaker::builder("database").build()?;
/// breaker.force_open();
/// match breaker.layer().call(&(), || async { Err::<(), _>("no such table") }).await {
///     Err(Refused::Rejected(rejected)) => assert_eq!(rejected.by().as_str(), "database"),
///     Err(Refused::Inner(error)) => panic!("it was called: {error}"),
///     Ok(()) => {}
/// }
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused<E> {
    /// The call was not made, or ended early: then it says [`Why::Cut`].
    Rejected(Rejected),
    /// The call was made, and this is its own error.
    Inner(E),
}

impl<E> Refused<E> {
    /// The rejection, if the call was not made or ended early.
    #[must_use]
    pub fn rejected(&self) -> Option<&Rejected> {
        match self {
            Self::Rejected(rejected) => Some(rejected),
            Self::Inner(_) => None,
        }
    }
}

impl<E> Refused<Refused<E>> {
    /// Of two calls, one around the other: whether either of them was refused, or the error of what both are about.
    ///
    /// ```
    /// use cofferdam::{Bulkhead, CircuitBreaker, Policy, Refused};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cofferdam::Invalid> {
    /// let (all, reports) = (Bulkhead::builder("all").build()?.layer(), Bulkhead::builder("reports").limit(2).build()?.layer());
    /// let report = || async { Err::<(), _>("no such table") };
    /// let answer: Result<(), Refused<_>> = all.call(&(), || reports.call(&(), report)).await.map_err(Refused::flatten);
    /// assert_eq!(answer, Err(Refused::Inner("no such table")));
    /// # Ok(()) }
    /// ```
    pub fn flatten(self) -> Refused<E> {
        match self {
            Self::Rejected(rejected) => Refused::Rejected(rejected),
            Self::Inner(inner) => inner,
        }
    }
}

impl<E: fmt::Display> fmt::Display for Refused<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(rejected) => rejected.fmt(f),
            Self::Inner(error) => error.fmt(f),
        }
    }
}

impl<E: Error + 'static> Error for Refused<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Rejected(rejected) => Some(rejected),
            Self::Inner(error) => Some(error),
        }
    }
}

impl<E> Carries for Refused<E> {
    fn carry(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }

    fn carried(&self) -> Option<&Rejected> {
        self.rejected()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_at_the_places_of_their_numbers() {
        for (number, why) in Why::ALL.into_iter().enumerate() {
            assert_eq!(why as usize, number);
        }
        assert_eq!(Why::ALL.len(), Why::Refused as usize + 1);
    }

    #[test]
    fn all_of_a_rejection_fits_into_its_word() {
        let last = Name::of_index(u16::MAX);
        for why in Why::ALL {
            for millis in [0, 1, 1500, u64::from(u32::MAX) - 1, u64::MAX] {
                let rejected = Rejected::new(last, why).with_retry_after(Duration::from_millis(millis));
                assert_eq!((rejected.by(), rejected.why()), (last, why));
                assert_eq!(rejected.retry_after(), Some(Duration::from_millis(millis.min(u64::from(u32::MAX) - 1))));
            }
            assert_eq!(Rejected::new(last, why).retry_after(), None);
        }
        let rejected = Rejected::new(last, Why::Open).with_retry_after(Duration::from_nanos(1));
        assert_eq!(rejected.with_retry_after(Duration::MAX).retry_after(), Some(Duration::from_millis(4_294_967_294)));
        assert_eq!(rejected.retry_after(), Some(Duration::from_millis(1)));
        assert_eq!(size_of::<Option<Rejected>>(), 8);
    }
}
