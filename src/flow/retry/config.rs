use std::{fmt, sync::Arc, time::Duration};

use tower_layer::Layer;

use super::{Backoff, Retry};
#[cfg(feature = "http")]
use crate::kernel::control::{Field, Fields};
use crate::kernel::{
    Budget, Dependency, Invalid, Plain, Reading, attempts,
    attempts::{Cloned, Common, How, Said},
    budget::Teller,
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
    attempts: u32,
    total: Option<Duration>,
    backoff: Backoff,
    longest_retry_after: Duration,
    when: When,
    rejections: bool,
}

/// Which answers call for another attempt.
#[derive(Clone)]
pub(super) struct When(Option<Arc<Wants>>);

type Wants = dyn Fn(&Reading) -> bool + Send + Sync;

impl When {
    pub(super) fn wants(&self, reading: &Reading) -> bool {
        self.0.as_ref().map_or(reading.outcome.is_bad(), |wants| wants(reading))
    }
}

impl fmt::Debug for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "as a function says" } else { "failures and overload" })
    }
}

/// The layer of [`Retry`].
#[derive(Clone, Debug)]
pub struct RetryLayer<R = Cloned, D = NoDeadline, M = Plain> {
    plan: Arc<Plan>,
    how: How<R, D, M>,
}

#[derive(Debug)]
pub(super) struct Plan {
    pub(super) common: Common,
    /// Hedges that share the budget leave it to this retry to tell it of calls.
    pub(super) _teller: Teller,
    pub(super) attempts: u32,
    pub(super) total: Option<Duration>,
    pub(super) backoff: Backoff,
    pub(super) longest_retry_after: Duration,
    pub(super) when: When,
    pub(super) rejections: bool,
}

impl Plan {
    /// Whether the breaker is known not to be closed.
    pub(super) fn is_open(&self) -> bool {
        self.common.dependency.as_ref().is_some_and(Dependency::is_open)
    }
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

    /// Its settings by name, but for those that are no text.
    #[cfg(feature = "http")]
    pub(crate) fn fields() -> Fields<Self>
    where
        Self: 'static,
    {
        Fields {
            names: "attempts, total, longest_retry_after or rejections",
            all: vec![
                Field::new("attempts", |builder: &mut Self| &mut builder.own.attempts),
                Field::new("total", |builder| &mut builder.own.total),
                Field::new("longest_retry_after", |builder| &mut builder.own.longest_retry_after),
                Field::new("rejections", |builder| &mut builder.own.rejections),
            ],
        }
    }

    /// Builds the layer.
    ///
    /// # Errors
    ///
    /// [`Invalid`] names the setting, its value and what it may be.
    pub fn build(self) -> Result<RetryLayer<R, D, M>, Invalid> {
        let Said { common, own, how } = self.finish(0.1)?;
        if !(1..=100).contains(&own.attempts) {
            return Err(Invalid::new("attempts", own.attempts, "1 to 100"));
        }
        let plan = Plan {
            _teller: common.budget.teller(),
            common,
            attempts: own.attempts,
            total: own.total.map(|total| Invalid::unless_duration("total", total)).transpose()?,
            backoff: own.backoff,
            longest_retry_after: Invalid::unless_duration("longest_retry_after", own.longest_retry_after)?,
            when: own.when,
            rejections: own.rejections,
        };
        Ok(RetryLayer { plan: Arc::new(plan), how })
    }
}

impl<R, D, M> RetryLayer<R, D, M> {
    /// What further attempts are paid from.
    #[must_use]
    pub fn budget(&self) -> &Budget {
        &self.plan.common.budget
    }
}

impl<S, R: Clone, D: Clone, M: Clone> Layer<S> for RetryLayer<R, D, M> {
    type Service = Retry<S, R, D, M>;

    fn layer(&self, inner: S) -> Self::Service {
        Retry::new(inner, Arc::clone(&self.plan), self.how.clone())
    }
}
