//! How a call ended.

use std::time::Duration;

use super::{Instant, Rejected};

/// How an admitted call ended. There is no sixth way.
///
/// ```
/// use cofferdam::Outcome;
///
/// assert!(Outcome::Overload.is_bad());
/// assert!(!Outcome::Abandoned.is_bad());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The dependency did its work.
    Success,
    /// It did not, or the call panicked.
    Failure,
    /// It said "not now": 429, 503, `RESOURCE_EXHAUSTED`.
    Overload,
    /// Says nothing about the dependency, such as a rejection of our own further in.
    Ignored,
    /// Nobody waited for the end. How long the call had run by then is for each policy to judge.
    Abandoned,
}

impl Outcome {
    /// Whether the dependency failed or refused.
    #[must_use]
    pub fn is_bad(self) -> bool {
        matches!(self, Self::Failure | Self::Overload)
    }
}

/// What a protocol reads from an answer.
///
/// ```
/// use std::time::Duration;
/// use cofferdam::{Outcome, Reading};
///
/// let reading = Reading::of(Outcome::Overload).with_retry_after(Some(Duration::from_secs(3)));
/// assert_eq!(reading.rejected, None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reading {
    /// How the call ended, as far as the answer shows.
    pub outcome: Outcome,
    /// How long the dependency asked to be left alone.
    pub retry_after: Option<Duration>,
    /// The rejection of our own that the answer carries, if it is one.
    pub rejected: Option<Rejected>,
}

impl Reading {
    /// An answer with this outcome that asks for nothing.
    #[must_use]
    pub fn of(outcome: Outcome) -> Self {
        Self { outcome, retry_after: None, rejected: None }
    }

    /// A rejection of our own: see [`Rejected::outcome`].
    #[must_use]
    pub fn of_rejection(rejected: Rejected) -> Self {
        Self { outcome: rejected.outcome(), retry_after: None, rejected: Some(rejected) }
    }

    /// The same answer, in which the dependency asked to be left alone that long.
    #[must_use]
    pub fn with_retry_after(self, retry_after: Option<Duration>) -> Self {
        Self { retry_after, ..self }
    }
}

/// The end of an admitted call, as a policy is told of it.
///
/// ```
/// use std::time::Duration;
/// use cofferdam::{Ended, Instant, Outcome};
///
/// let started = Instant::now();
/// let mut ended = Ended::new(Outcome::Success, started, started.after(Duration::from_secs(60)));
/// assert_eq!(ended.latency(), Duration::from_secs(60));
///
/// // A download that answered after 20 ms.
/// ended.head = Some(started.after(Duration::from_millis(20)));
/// assert_eq!(ended.latency(), Duration::from_millis(20));
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Ended {
    /// How it ended.
    pub outcome: Outcome,
    /// When it was admitted.
    pub started: Instant,
    /// When the head of a streamed answer came, if the call lasted longer than that.
    pub head: Option<Instant>,
    /// When it ended.
    pub now: Instant,
    /// How long the dependency asked to be left alone.
    pub retry_after: Option<Duration>,
}

impl Ended {
    /// A call that was admitted at `started` and ended like this at `now`.
    #[must_use]
    pub fn new(outcome: Outcome, started: Instant, now: Instant) -> Self {
        Self { outcome, started, head: None, now, retry_after: None }
    }

    /// How long the dependency took to answer: to the head, where the body came in a stream, so that a big download is
    /// not a slow call.
    #[must_use]
    pub fn latency(&self) -> Duration {
        self.head.unwrap_or(self.now).since(self.started)
    }

    /// The same in nanoseconds, for comparing it on the hot path.
    #[inline]
    pub(crate) fn latency_nanos(&self) -> u64 {
        self.head.unwrap_or(self.now).nanos_since(self.started)
    }
}

/// Marks an answer that was given in place of the dependency's own, and says what had happened to that.
///
/// [`Fallback`](crate::Fallback) puts it into the extensions of an HTTP response. Guards further out read the outcome it
/// names, so a fallback does not hide a failure from them.
///
/// ```
/// use cofferdam::{Degraded, Outcome};
/// use http::Response;
///
/// fn is_stale<B>(response: &Response<B>) -> bool {
///     response.extensions().get::<Degraded>().is_some_and(|degraded| degraded.outcome == Outcome::Failure)
/// }
/// assert!(!is_stale(&Response::new(())));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Degraded {
    /// What had become of the call.
    pub outcome: Outcome,
    /// Our own rejection, if it was one.
    pub rejected: Option<Rejected>,
}

impl Degraded {
    pub(crate) fn new(outcome: Outcome, rejected: Option<Rejected>) -> Self {
        Self { outcome, rejected }
    }
}
