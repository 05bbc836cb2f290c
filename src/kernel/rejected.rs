//! A call that was not let through, or not waited for.

use std::{error::Error, fmt, num::NonZeroU32, time::Duration};

use super::{Carries, Name, Outcome};

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rejected {
    by: Name,
    why: Why,
    /// Milliseconds plus one, saturating.
    retry_after: Option<NonZeroU32>,
}

impl Rejected {
    /// A rejection by the policy of that name.
    #[must_use]
    pub fn new(by: Name, why: Why) -> Self {
        Self { by, why, retry_after: None }
    }

    /// The same rejection, which may be worth another try after that time: kept in milliseconds, rounded up, at most
    /// about 49 days.
    #[must_use]
    pub fn with_retry_after(self, retry_after: Duration) -> Self {
        let millis = retry_after.as_nanos().div_ceil(1_000_000);
        let stored = u32::try_from(millis).unwrap_or(u32::MAX).saturating_add(1);
        Self { retry_after: NonZeroU32::new(stored), ..self }
    }

    /// Who rejected the call.
    #[must_use]
    pub fn by(&self) -> Name {
        self.by
    }

    /// Why it was rejected.
    #[must_use]
    pub fn why(&self) -> Why {
        self.why
    }

    /// After how long another try may be let through, if that is known.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after.map(|stored| Duration::from_millis(u64::from(stored.get()) - 1))
    }

    /// What a policy further out makes of it: a timeout is the dependency's failure, everything else says nothing about
    /// the dependency.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self.why {
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

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rejected by `{}`: {}", self.by, self.why)?;
        match self.retry_after() {
            Some(after) => write!(f, "; try again in {after:?}"),
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
