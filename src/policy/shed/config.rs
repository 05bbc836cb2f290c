use std::{fmt, time::Duration};

use super::{LoadShed, Signal, policy::Extras, pressure::Pressure, shares::Shares};
use crate::{
    kernel::{
        Criticality, Dependency, Invalid,
        context::{CarriedRank, NoDeadline},
        sync::Arc,
    },
    policy::limit::{AdaptiveLimit, Algorithm, Knee},
};

/// Builds a [`LoadShed`].
///
/// | setting | default | range |
/// |---|---|---|
/// | [`rank`](Self::rank) | what the request's [`Context`](crate::Context) says | |
/// | [`min_share`](Self::min_share) | none: strictly by class | 0 to 1, all classes together at most 1 |
/// | [`max_queue`](Self::max_queue) | 65,536 calls that wait; far fewer as a rule | 1 to 1,048,576 |
/// | [`signal`](Self::signal) | none | |
/// | [`queue_delay`](Self::queue_delay) | not looked at | above 0 |
/// | [`dependency`](Self::dependency) | none | |
///
/// ```
/// use cofferdam::{Criticality, limit::AdaptiveLimit, shed::LoadShed};
///
/// let limit = AdaptiveLimit::builder("api").deadline().build()?;
/// let shed = LoadShed::builder(limit).min_share(Criticality::SheddablePlus, 0.05).build()?;
/// assert_eq!(shed.waiting(), 0);
/// # let _: LoadShed<_, _> = shed;
/// # Ok::<(), cofferdam::Invalid>(())
/// ```
#[must_use = "a builder does nothing until it builds"]
pub struct Builder<A = Knee, D = NoDeadline, R = CarriedRank> {
    limit: AdaptiveLimit<A, D>,
    rank: R,
    shares: [f64; Criticality::ALL.len()],
    pub(super) max_queue: usize,
    signals: Vec<Box<dyn Signal>>,
    pub(super) queue_delay: Option<Duration>,
    dependency: Option<Dependency>,
}

/// The longest line.
const LONGEST: usize = 1 << 20;

impl<A, D> Builder<A, D> {
    pub(super) fn new(limit: AdaptiveLimit<A, D>) -> Self {
        let shares = [0.0; Criticality::ALL.len()];
        Self {
            limit,
            rank: CarriedRank,
            shares,
            max_queue: 1 << 16,
            signals: Vec::new(),
            queue_delay: None,
            dependency: None,
        }
    }
}

impl<A, D, R> Builder<A, D, R> {
    /// Where a request stands among all others: by a function of the request, if not by what it carries.
    ///
    /// Default: [`CarriedRank`].
    pub fn rank<S>(self, rank: S) -> Builder<A, D, S> {
        let Self { limit, rank: _, shares, max_queue, signals, queue_delay, dependency } = self;
        Builder { limit, rank, shares, max_queue, signals, queue_delay, dependency }
    }

    /// What a class is let in at least, as a share of all that is let in: so that batch jobs get on during an outage that
    /// lasts for hours.
    ///
    /// Default: none. Range: 0 to 1, and all classes together at most 1.
    pub fn min_share(mut self, class: Criticality, share: f64) -> Self {
        self.shares[class as usize] = share;
        self
    }

    /// The most calls that may wait. How many do follows from how many can still be served in time; this is a bound on the
    /// memory that they take.
    ///
    /// Default: 65,536. Range: 1 to 1,048,576.
    pub fn max_queue(mut self, calls: usize) -> Self {
        self.max_queue = calls;
        self
    }

    /// Besides the limit, sheds for as long as this signal says so: the lowest ranks first, a tenth of the demand more each
    /// tenth of a second, and a twentieth less when it is over. Up to a twentieth of the demand is let in even so.
    ///
    /// Can be said several times; the worst counts.
    pub fn signal(mut self, signal: impl Signal + 'static) -> Self {
        self.signals.push(Box::new(signal));
        self
    }

    /// Besides the limit, sheds when even those who wait the shortest wait for longer than that: the measure of CoDel.
    ///
    /// Default: not looked at, as those who wait are served by rank, and none longer than its deadline allows. Range: above
    /// zero, at most 100 years.
    pub fn queue_delay(mut self, target: Duration) -> Self {
        self.queue_delay = Some(target);
        self
    }

    /// At a client: states there that the dependency is under pressure, for a second after a call had to wait or was shed.
    /// See [`dependency`](crate::dependency).
    ///
    /// Default: nowhere.
    pub fn dependency(mut self, dependency: &Dependency) -> Self {
        self.dependency = Some(dependency.clone());
        self
    }
}

impl<A: Algorithm, D: Clone, R> Builder<A, D, R> {
    /// Builds it.
    ///
    /// # Errors
    ///
    /// [`Invalid`] names the setting, its value and what it may be.
    pub fn build(self) -> Result<LoadShed<A, D, R>, Invalid> {
        let Self { limit, rank, shares, max_queue, signals, queue_delay, dependency } = self;
        if let Some(target) = queue_delay {
            Invalid::unless_duration("queue_delay", target)?;
        }
        let pressed = !signals.is_empty() || queue_delay.is_some();
        let pressure = pressed.then(|| Pressure::new(Arc::from(signals), queue_delay));
        let extras = Extras::new(Shares::new(shares)?, pressure, dependency.as_ref().map(Dependency::report));
        Ok(LoadShed::new(limit, rank, check_max_queue(max_queue)?, extras))
    }
}

pub(super) fn check_max_queue(calls: usize) -> Result<u32, Invalid> {
    match u32::try_from(calls) {
        Ok(length) if (1..=LONGEST).contains(&calls) => Ok(length),
        _ => Err(Invalid::new("max_queue", calls, "1 to 1048576")),
    }
}

impl<A: Algorithm, D, R> fmt::Debug for Builder<A, D, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("limit", &self.limit.name())
            .field("shares", &self.shares)
            .field("max_queue", &self.max_queue)
            .field("signals", &self.signals.len())
            .field("queue_delay", &self.queue_delay)
            .finish_non_exhaustive()
    }
}
