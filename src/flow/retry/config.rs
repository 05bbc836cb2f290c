use std::{fmt, sync::Arc, time::Duration};

use tower_layer::Layer;

use super::{Backoff, Retry, plan::Plan};
use crate::kernel::{
    Budget, Invalid, Name, Plain, Reading, attempts,
    attempts::{Cloned, How, Said},
    context::NoDeadline,
};

/// Builds a [`Retry`] layer.
///
/// | setting | default | range |
/// |---|---|---|
/// | [`attempts`](Self::attempts) | 4 in all | 1 to 100 |
/// | [`total`](Self::total) time | unlimited | above zero |
/// | [`backoff`](Self::backoff) | full jitter, 50 ms to 2 s | |
/// | [`longest_retry_after`](Self::longest_retry_after) | 30 s | above zero |
/// | [`when`](Self::when) | failures and overload | |
/// | [`rejections`](Self::rejections) | not repeated | |
/// | [`budget`](Self::budget) | the dependency's, or one of its own | |
/// | [`dependency`](Self::dependency) | none | |
/// | [`idempotent`](Self::idempotent) | every request | |
/// | `body_limit`, over HTTP and gRPC | 64 KiB | at most 1 GiB |
/// | [`context`](Self::context) | not looked at | |
///
/// ```
/// use std::time::Duration;
/// use cofferdam::{Backoff, Budget, Retry};
///
/// let budget = Budget::builder("search").ratio(0.2).build()?;
/// let layer = Retry::builder("search")
///     .attempts(3)
///     .total(Duration::from_secs(2))
///     .backoff(Backoff::full_jitter(Duration::from_millis(20), Duration::from_millis(500)))
///     .budget(budget.clone())
///     .build()?;
///
/// assert!(Retry::builder("search").attempts(0).build().is_err());
/// # let _ = layer; Ok::<(), cofferdam::Invalid>(())
/// ```
pub type Builder<R = Cloned, D = NoDeadline, M = Plain> = attempts::Builder<Settings, R, D, M>;

/// What only a [`Retry`] is set to.
#[derive(Clone, Debug)]
pub struct Settings {
    pub(super) attempts: u32,
    pub(super) total: Option<Duration>,
    pub(super) backoff: Backoff,
    pub(super) longest_retry_after: Duration,
    pub(super) when: When,
    pub(super) rejections: bool,
}

/// Which answers call for another attempt.
#[derive(Clone)]
pub(super) struct When(Option<Arc<Wants>>);

type Wants = dyn Fn(&Reading) -> bool + Send + Sync;

impl When {
    /// Whether an answer that went well is never followed by another attempt.
    #[inline]
    pub(super) fn is_by_outcome(&self) -> bool {
        self.0.is_none()
    }

    pub(super) fn wants(&self, reading: &Reading) -> bool {
        self.0.as_ref().map_or(reading.outcome.is_bad(), |wants| wants(reading))
    }
}

impl fmt::Debug for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "as a function says" } else { "failures and overload" })
    }
}

/// The layer of [`Retry`], and the handle to all that was made with it: as a [`Control`](crate::Control) it suspends them, and
/// changes their settings in text.
///
/// ```
/// use cofferdam::{Control, Retry};
///
/// let layer = Retry::builder("search").build()?;
/// layer.configure("attempts", "2")?;
/// layer.suspend(); // No call is made again until `resume`.
/// assert_eq!(layer.state(), "suspended");
/// # Ok::<(), cofferdam::Invalid>(())
/// ```
#[derive(Clone, Debug)]
pub struct RetryLayer<R = Cloned, D = NoDeadline, M = Plain> {
    pub(super) plan: Arc<Plan>,
    how: How<R, D, M>,
}

impl Settings {
    pub(super) fn new() -> Self {
        Self {
            attempts: 4,
            total: None,
            backoff: Backoff::default(),
            longest_retry_after: Duration::from_secs(30),
            when: When(None),
            rejections: false,
        }
    }

    pub(super) fn check(self) -> Result<Self, Invalid> {
        if !(1..=100).contains(&self.attempts) {
            return Err(Invalid::new("attempts", self.attempts, "1 to 100"));
        }
        self.total.map_or(Ok(()), |total| Invalid::unless_duration("total", total).map(drop))?;
        Invalid::unless_duration("longest_retry_after", self.longest_retry_after)?;
        Ok(self)
    }
}

impl<R, D, M> Builder<R, D, M> {
    /// How many attempts are made at most, the original among them. Default: 4. Range: 1 to 100.
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.own.attempts = attempts;
        self
    }

    /// No attempt is begun later than that after the call. Default: unlimited. Range: above zero, at most 100 years.
    ///
    /// It does not end an attempt that is going on: that is for a [`Timeout`](crate::Timeout) around it.
    pub fn total(mut self, total: Duration) -> Self {
        self.own.total = Some(total);
        self
    }

    /// How long to wait before each further attempt. Default: full jitter, from 50 ms on, at most 2 s.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.own.backoff = backoff;
        self
    }

    /// Where a dependency asks to be left alone for a while, that comes before the wait of the backoff; if it asks for more
    /// than this, there is no further attempt. Default: 30 s. Range: above zero, at most 100 years.
    pub fn longest_retry_after(mut self, longest: Duration) -> Self {
        self.own.longest_retry_after = longest;
        self
    }

    /// Which answers call for another attempt, our own rejections aside. Default: those read as a failure or an overload.
    pub fn when(mut self, wants: impl Fn(&Reading) -> bool + Send + Sync + 'static) -> Self {
        self.own.when = When(Some(Arc::new(wants)));
        self
    }

    /// Also repeats what a policy of ours has rejected, if that said when to come back. Default: no, as whoever is turned
    /// away and comes back is more load. Each attempt is paid for as any other.
    pub fn rejections(mut self, repeated: bool) -> Self {
        self.own.rejections = repeated;
        self
    }

    /// Builds the layer.
    ///
    /// # Errors
    ///
    /// [`Invalid`] names the setting, its value and what it may be.
    pub fn build(self) -> Result<RetryLayer<R, D, M>, Invalid> {
        let Said { common, own, how } = self.finish(0.1)?;
        Ok(RetryLayer { plan: Arc::new(Plan::new(common, own.check()?)), how })
    }
}

impl<R, D, M> RetryLayer<R, D, M> {
    /// What further attempts are paid from.
    #[must_use]
    pub fn budget(&self) -> &Budget {
        &self.plan.common.budget
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> Name {
        self.plan.common.name
    }

    /// How long it waits between attempts, as it is set now.
    #[must_use]
    pub fn backoff(&self) -> Backoff {
        self.plan.backoff()
    }

    /// How requests are kept.
    #[cfg(feature = "http")]
    pub(crate) fn repeat(&self) -> &R {
        &self.how.repeat
    }

    /// Makes no further attempts until [`resume`](Self::resume), of calls that have begun neither.
    pub fn suspend(&self) {
        self.plan.switch(true);
    }

    /// Makes further attempts again.
    pub fn resume(&self) {
        self.plan.switch(false);
    }
}

impl<S, R: Clone, D: Clone, M: Clone> Layer<S> for RetryLayer<R, D, M> {
    type Service = Retry<S, R, D, M>;

    fn layer(&self, inner: S) -> Self::Service {
        Retry::new(inner, Arc::clone(&self.plan), self.how.clone())
    }
}
