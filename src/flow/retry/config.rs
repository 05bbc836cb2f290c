use std::{fmt, sync::Arc, time::Duration};

use tower_layer::Layer;

use super::{Backoff, Retry};
use crate::kernel::{
    Budget, ClassifyWith, Invalid, Name, Plain, Reading,
    attempts::{Cloned, How, Selective},
    context::{CarriedDeadline, NoDeadline},
};

/// Builds a [`Retry`] layer.
///
/// | setting | default | range |
/// |---|---|---|
/// | [`attempts`](Self::attempts) | 4 in all | 1 to 100 |
/// | [`total`](Self::total) time | unlimited | above zero |
/// | [`backoff`](Self::backoff) | full jitter, 50 ms to 2 s | |
/// | [`longest_retry_after`](Self::longest_retry_after) | 30 s | above zero |
/// | [`budget`](Self::budget) | one of its own | |
/// | [`when`](Self::when) | failures and overload | |
/// | [`rejections`](Self::rejections) | not repeated | |
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
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it builds"]
pub struct Builder<R = Cloned, D = NoDeadline, M = Plain> {
    name: String,
    attempts: u32,
    total: Option<Duration>,
    backoff: Backoff,
    longest_retry_after: Duration,
    budget: Option<Budget>,
    when: When,
    rejections: bool,
    /// What a setting of an adapter was refused for.
    invalid: Option<Invalid>,
    repeat: R,
    deadline: D,
    protocol: M,
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
    pub(super) name: Name,
    pub(super) attempts: u32,
    pub(super) total: Option<Duration>,
    pub(super) backoff: Backoff,
    pub(super) longest_retry_after: Duration,
    pub(super) budget: Budget,
    pub(super) when: When,
    pub(super) rejections: bool,
}

impl Builder {
    pub(super) fn new(name: String) -> Self {
        Self {
            name,
            attempts: 4,
            total: None,
            backoff: Backoff::default(),
            longest_retry_after: Duration::from_secs(30),
            budget: None,
            when: When(None),
            rejections: false,
            invalid: None,
            repeat: Cloned::default(),
            deadline: NoDeadline,
            protocol: Plain::default(),
        }
    }
}

impl<R, D, M> Builder<R, D, M> {
    fn with<R2, D2, M2>(self, change: impl FnOnce(R, D, M) -> (R2, D2, M2)) -> Builder<R2, D2, M2> {
        let (repeat, deadline, protocol) = change(self.repeat, self.deadline, self.protocol);
        Builder {
            name: self.name,
            attempts: self.attempts,
            total: self.total,
            backoff: self.backoff,
            longest_retry_after: self.longest_retry_after,
            budget: self.budget,
            when: self.when,
            rejections: self.rejections,
            invalid: self.invalid,
            repeat,
            deadline,
            protocol,
        }
    }

    /// How many attempts are made at most, the original among them. Default: 4. Range: 1 to 100.
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// No attempt is begun later than that after the call. Default: unlimited. Range: above zero, at most 100 years.
    ///
    /// It does not end an attempt that is going on: that is for a [`Timeout`](crate::Timeout) around it.
    pub fn total(mut self, total: Duration) -> Self {
        self.total = Some(total);
        self
    }

    /// How long to wait before each further attempt. Default: full jitter, from 50 ms on, at most 2 s.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Where a dependency asks to be left alone for a while, that comes before the wait of the backoff; if it asks for more
    /// than this, there is no further attempt. Default: 30 s. Range: above zero, at most 100 years.
    pub fn longest_retry_after(mut self, longest: Duration) -> Self {
        self.longest_retry_after = longest;
        self
    }

    /// Pays for further attempts from this budget: one per dependency, shared by all who make extra attempts to it.
    /// Default: one of its own, of a tenth of the successes.
    pub fn budget(mut self, budget: Budget) -> Self {
        self.budget = Some(budget);
        self
    }

    /// Which answers call for another attempt, our own rejections aside. Default: those read as a failure or an overload.
    pub fn when(mut self, wants: impl Fn(&Reading) -> bool + Send + Sync + 'static) -> Self {
        self.when = When(Some(Arc::new(wants)));
        self
    }

    /// Also repeats what a policy of ours has rejected, if that said when to come back. Default: no, as whoever is turned
    /// away and comes back is more load. Each attempt is paid for as any other.
    pub fn rejections(mut self, repeated: bool) -> Self {
        self.rejections = repeated;
        self
    }

    /// Which requests may be sent more than once. Default: all of them.
    pub fn idempotent<F>(self, idempotent: F) -> Builder<R::Of, D, M>
    where
        R: Selective<F>,
    {
        self.with(|repeat, deadline, protocol| (repeat.only(idempotent), deadline, protocol))
    }

    /// How requests are kept for another attempt. Default: [`Cloned`].
    pub fn repeat<N>(self, repeat: N) -> Builder<N, D, M> {
        self.with(|_, deadline, protocol| (repeat, deadline, protocol))
    }

    /// Changes how requests are kept; what cannot be is refused when the layer is built.
    #[cfg_attr(not(feature = "http"), allow(dead_code))]
    pub(crate) fn change_repeat<N>(self, change: impl FnOnce(R) -> (N, Option<Invalid>)) -> Builder<N, D, M> {
        let mut refused = None;
        let mut changed = self.with(|repeat, deadline, protocol| {
            let (repeat, invalid) = change(repeat);
            refused = invalid;
            (repeat, deadline, protocol)
        });
        changed.invalid = changed.invalid.or(refused);
        changed
    }

    /// Keeps to the deadline that a request carries, sends each attempt on with its number, and makes no further attempt
    /// of what is one already: of two retries in a chain of calls, only the outer one multiplies. Requests must have a
    /// [`Context`](crate::Context).
    pub fn context(self) -> Builder<R, CarriedDeadline, M> {
        self.with(|repeat, _, protocol| (repeat, CarriedDeadline, protocol))
    }

    /// Tells what became of an attempt by a function, where `Err` is not all that fails.
    pub fn classify<F>(self, classify: F) -> Builder<R, D, Plain<ClassifyWith<F>>> {
        self.protocol(Plain { classify: ClassifyWith(classify) })
    }

    /// For services of another protocol.
    pub fn protocol<N>(self, protocol: N) -> Builder<R, D, N> {
        self.with(|repeat, deadline, _| (repeat, deadline, protocol))
    }

    /// Builds the layer.
    ///
    /// # Errors
    ///
    /// [`Invalid`] names the setting, its value and what it may be.
    pub fn build(self) -> Result<RetryLayer<R, D, M>, Invalid> {
        if let Some(invalid) = self.invalid {
            return Err(invalid);
        }
        if !(1..=100).contains(&self.attempts) {
            return Err(Invalid::new("attempts", self.attempts, "1 to 100"));
        }
        let plan = Plan {
            name: Name::new(&self.name)?,
            attempts: self.attempts,
            total: self.total.map(|total| Invalid::unless_duration("total", total)).transpose()?,
            backoff: self.backoff,
            longest_retry_after: Invalid::unless_duration("longest_retry_after", self.longest_retry_after)?,
            budget: self.budget.map_or_else(|| Budget::builder(self.name).build(), Ok)?,
            when: self.when,
            rejections: self.rejections,
        };
        let how = How { repeat: self.repeat, deadline: self.deadline, protocol: self.protocol };
        Ok(RetryLayer { plan: Arc::new(plan), how })
    }
}

impl<R, D, M> RetryLayer<R, D, M> {
    /// What further attempts are paid from.
    #[must_use]
    pub fn budget(&self) -> &Budget {
        &self.plan.budget
    }
}

impl<S, R: Clone, D: Clone, M: Clone> Layer<S> for RetryLayer<R, D, M> {
    type Service = Retry<S, R, D, M>;

    fn layer(&self, inner: S) -> Self::Service {
        Retry::new(inner, Arc::clone(&self.plan), self.how.clone())
    }
}
