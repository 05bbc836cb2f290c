use std::num::NonZeroU32;

use super::{
    Algorithm, Builder, Knee,
    begun::{Begun, Held, Weighed},
    config::Settings,
    controller::Controller,
};
use crate::kernel::{
    Admit, Deadline, Dependency, Ended, Fresh, Immediate, Instant, Invalid, Name, Policy, Rejected, Timing, Weighted,
    Why, clock,
    context::{DeadlineSource, NoDeadline},
    sync::Arc,
    weighted::{AdmitWeighed, Weigh},
};

/// At most as many calls at a time as the dependency gets done: the limit finds itself.
///
/// Beyond the limit, calls are rejected at once; [`LoadShed`](crate::LoadShed) in its place lets those wait that matter most.
/// See the [module](super) for a picture.
///
/// ```
/// use cofferdam::{Policy, limit::AdaptiveLimit};
///
/// let limit = AdaptiveLimit::builder("search").build()?;
/// let layer = limit.clone().layer();
/// assert_eq!((limit.limit(), limit.in_flight()), (20, 0));
/// # let _ = layer; Ok::<(), cofferdam::Invalid>(())
/// ```
#[doc(alias("ConcurrencyLimit", "AdaptiveLimiter"))]
#[derive(Debug)]
pub struct AdaptiveLimit<A = Knee, D = NoDeadline> {
    name: Name,
    pub(in crate::policy) controller: Arc<Controller<A>>,
    pub(in crate::policy) deadline: D,
}

impl<A, D: Clone> Clone for AdaptiveLimit<A, D> {
    fn clone(&self) -> Self {
        Self { name: self.name, controller: Arc::clone(&self.controller), deadline: self.deadline.clone() }
    }
}

impl AdaptiveLimit {
    /// Starts a limit of that name, which its rejections will carry.
    pub fn builder(name: impl Into<String>) -> Builder {
        Builder::new(name.into())
    }
}

impl<A: Algorithm, D> AdaptiveLimit<A, D> {
    pub(super) fn new(
        name: Name,
        algorithm: A,
        deadline: D,
        settings: Settings,
        dependency: Option<&Dependency>,
    ) -> Self {
        let report = dependency.map(Dependency::report);
        Self { name, controller: Arc::new(Controller::new(algorithm, settings, report, clock::now())), deadline }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> Name {
        self.name
    }

    /// The limit as it is now.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.controller.limit()
    }

    /// How many slots are taken: calls in flight, or their weights.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.controller.slots.read().1
    }

    /// Changes the bounds or the patience, at once. Calls in flight go on.
    ///
    /// # Errors
    ///
    /// [`Invalid`]; nothing is changed then.
    ///
    /// ```
    /// use cofferdam::limit::AdaptiveLimit;
    ///
    /// let limit = AdaptiveLimit::builder("search").build()?;
    /// limit.configure(|settings| settings.max_limit(8))?;
    /// assert_eq!(limit.limit(), 8);
    /// # Ok::<(), cofferdam::Invalid>(())
    /// ```
    pub fn configure(&self, change: impl FnOnce(Builder<(), ()>) -> Builder<(), ()>) -> Result<(), Invalid> {
        let settings = change(self.settings()).check()?;
        self.controller.configure(self.name, settings);
        Ok(())
    }

    /// The same limit, in which a request takes as many slots as `weight` says.
    ///
    /// The limit then counts slots, and so do its bounds. A request heavier than the limit runs alone rather than never: it
    /// comes in when no slot is taken, and holds as many as it weighs, so that nothing comes in beside it unless the limit grows
    /// beyond that. A request gives back what it took, whatever the limit has become.
    ///
    /// A call counts in what is [measured](super::Sample) for the slots that it holds. How long work takes is the mean over
    /// slots: a call of weight three counts like three calls that begin and end together, so its time is neither divided by its
    /// weight nor does it count three times. How much evidence there is, and how much of it is late, is counted in calls.
    ///
    /// ```
    /// use std::num::NonZeroU32;
    /// use cofferdam::{Admit, Instant, Policy, limit::AdaptiveLimit};
    ///
    /// let limit = AdaptiveLimit::builder("reports").initial_limit(10).build()?;
    /// let by_months = limit.clone().weighted(|months: &u32| NonZeroU32::new(*months).unwrap_or(NonZeroU32::MIN));
    ///
    /// let now = Instant::now();
    /// let half_a_year = by_months.admit(&6, now).expect("there is room");
    /// assert_eq!(limit.in_flight(), 6);
    /// assert!(by_months.admit(&5, now).is_err());
    ///
    /// by_months.undo(half_a_year, now);
    /// assert!(by_months.admit(&120, now).is_ok(), "it runs alone");
    /// # Ok::<(), cofferdam::Invalid>(())
    /// ```
    pub fn weighted<Request, F: Fn(&Request) -> NonZeroU32>(self, weight: F) -> Weighted<Self, F> {
        Weighted::new(self, weight)
    }

    #[inline(always)]
    fn take(&self, deadline: Option<Deadline>, slots: u32) -> Result<Weighed, Rejected> {
        self.controller.asked(deadline);
        if self.controller.slots.take(slots).is_some() {
            return Ok(self.controller.began(slots, deadline));
        }
        self.controller.found_none();
        Err(Rejected::new(self.name, Why::Full))
    }

    /// What it is set to.
    pub(super) fn settings(&self) -> Builder<(), ()> {
        Builder::of(self.name, (), (), self.controller.settings())
    }
}

impl<A: Algorithm, D> Policy for AdaptiveLimit<A, D> {
    type Kind = Immediate;
    /// Nothing once a lasting answer has given it back.
    type Token = Option<Begun>;

    /// Some of the calls are timed exactly, by the limit itself.
    const TIMING: Timing = Timing::Coarse;
    const TIMING_OF_ADMISSION: Timing = Timing::Unused;

    fn name(&self) -> Option<Name> {
        Some(self.name)
    }

    /// Whoever listens keeps nobody busy: what was to be done is done.
    fn lasts(&self, begun: &mut Option<Begun>, head: &Ended) {
        self.settle(begun.take(), head);
    }

    #[inline(always)]
    fn settle(&self, begun: Option<Begun>, ended: &Ended) {
        if let Some(begun) = begun {
            self.controller.ended(self.name, Weighed { begun, held: Held::ONE }, ended);
        }
    }

    #[inline]
    fn undo(&self, begun: Option<Begun>, _: Instant) {
        if let Some(begun) = begun {
            self.controller.undo(Weighed { begun, held: Held::ONE });
        }
    }
}

impl<Request, A: Algorithm, D: DeadlineSource<Request>> Admit<Request> for AdaptiveLimit<A, D> {
    #[inline(always)]
    fn admit(&self, request: &Request, _: Instant) -> Result<Option<Begun>, Rejected> {
        self.take(self.deadline.read(request), 1).map(|weighed| Some(weighed.begun))
    }
}

impl<A: Algorithm, D> Weigh for AdaptiveLimit<A, D> {
    type Taken = Option<Weighed>;

    fn lasts_weighed(&self, taken: &mut Option<Weighed>, head: &Ended) {
        self.settle_weighed(taken.take(), head);
    }

    #[inline(always)]
    fn settle_weighed(&self, taken: Option<Weighed>, ended: &Ended) {
        if let Some(weighed) = taken {
            self.controller.ended(self.name, weighed, ended);
        }
    }

    #[inline]
    fn undo_weighed(&self, taken: Option<Weighed>, _: Instant) {
        if let Some(weighed) = taken {
            self.controller.undo(weighed);
        }
    }
}

impl<Request, A: Algorithm, D: DeadlineSource<Request>> AdmitWeighed<Request> for AdaptiveLimit<A, D> {
    #[inline(always)]
    fn admit_weighed(&self, request: &Request, weight: NonZeroU32, _: Instant) -> Result<Option<Weighed>, Rejected> {
        self.take(self.deadline.read(request), weight.get()).map(Some)
    }
}

impl<A: Algorithm, D: Clone> Fresh for AdaptiveLimit<A, D> {
    fn fresh(&self) -> Self {
        Self { name: self.name, controller: Arc::new(self.controller.fresh()), deadline: self.deadline.clone() }
    }
}
