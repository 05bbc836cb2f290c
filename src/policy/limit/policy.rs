use super::{
    Algorithm, Builder, Knee,
    config::Settings,
    controller::{Begun, Controller},
};
use crate::kernel::{
    Admit, Ended, Fresh, Immediate, Instant, Invalid, Name, Policy, Rejected, Timing, Why, clock,
    context::{DeadlineSource, NoDeadline},
    sync::Arc,
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
    pub(super) fn new(name: Name, algorithm: A, deadline: D, settings: Settings) -> Self {
        Self { name, controller: Arc::new(Controller::new(algorithm, settings, clock::now())), deadline }
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

    /// How many calls are in flight.
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

    /// What it is set to.
    pub(super) fn settings(&self) -> Builder<(), ()> {
        Builder::of(self.name, (), (), self.controller.settings())
    }
}

impl<A: Algorithm, D> Policy for AdaptiveLimit<A, D> {
    type Kind = Immediate;
    type Token = Begun;

    /// Some of the calls are timed exactly, by the limit itself.
    const TIMING: Timing = Timing::Coarse;

    fn name(&self) -> Option<Name> {
        Some(self.name)
    }

    #[inline]
    fn settle(&self, begun: Begun, ended: &Ended) {
        self.controller.ended(self.name, begun, ended);
    }

    #[inline]
    fn undo(&self, begun: Begun, _: Instant) {
        self.controller.undo(begun);
    }
}

impl<Request, A: Algorithm, D: DeadlineSource<Request>> Admit<Request> for AdaptiveLimit<A, D> {
    #[inline]
    fn admit(&self, request: &Request, _: Instant) -> Result<Begun, Rejected> {
        let deadline = self.deadline.read(request);
        self.controller.asked(deadline);
        if self.controller.slots.take(1).is_some() {
            return Ok(self.controller.began(deadline));
        }
        self.controller.found_none();
        Err(Rejected::new(self.name, Why::Full))
    }
}

impl<A: Algorithm, D: Clone> Fresh for AdaptiveLimit<A, D> {
    fn fresh(&self) -> Self {
        Self { name: self.name, controller: Arc::new(self.controller.fresh()), deadline: self.deadline.clone() }
    }
}
