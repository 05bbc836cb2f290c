use std::num::NonZeroU32;

use super::{Builder, Line, LineFor, NoQueue, Permits, Queue, Queued, Rate, config::Settings, state::State};
use crate::kernel::{
    Admit, Ended, Fresh, Instant, Invalid, Name, Policy, Rejected, Timing, Weighted, Why, clock,
    context::Bounds,
    sync::Arc,
    waiting::{Place, Turned},
    weighted::{AdmitWeighed, Weigh},
};

/// At most so many calls per time; the rest are rejected at once, or wait for a while.
///
/// Exact under any number of threads: in any time `t` no more calls come in than `burst + rate * t`, and none is turned away
/// for whom there is a permit. See the [module](super) for a picture.
///
/// ```
/// use cofferdam::{Policy, Rate, RateLimit};
///
/// let limit = RateLimit::builder("search", Rate::per_second(100)?).burst(20).build()?;
/// let layer = limit.clone().layer();
///
/// limit.set_rate(Rate::per_second(50)?)?;
/// assert_eq!((limit.rate(), limit.burst()), (Rate::per_second(50)?, 20));
/// # let _ = layer; Ok::<(), cofferdam::Invalid>(())
/// ```
#[doc(alias("RateLimiter", "token bucket"))]
#[derive(Clone, Debug)]
pub struct RateLimit<Q = NoQueue> {
    name: Name,
    state: Arc<State>,
    queue: Q,
}

impl RateLimit {
    /// Starts a rate limit of that name, which its rejections will carry.
    pub fn builder(name: impl Into<String>, rate: Rate) -> Builder {
        Builder::new(name.into(), rate)
    }

    /// What it is set to.
    pub(super) fn settings(&self) -> Builder {
        Builder::of(self.name, Settings::of(&self.state), NoQueue)
    }

    /// Changes settings while it runs. What has been used stays used, as a share; and never are there more permits after
    /// the change than before it.
    ///
    /// # Errors
    ///
    /// [`Invalid`]; nothing is changed then.
    ///
    /// ```
    /// use cofferdam::{Rate, RateLimit};
    ///
    /// let limit = RateLimit::builder("search", Rate::per_second(100)?).build()?;
    /// limit.configure(|settings| settings.rate(Rate::per_minute(600).unwrap()).burst(10))?;
    /// assert_eq!((limit.burst(), limit.free()), (10, 10));
    /// assert!(limit.configure(|settings| settings.burst(0)).is_err());
    /// # Ok::<(), cofferdam::Invalid>(())
    /// ```
    pub fn configure(&self, change: impl FnOnce(Builder) -> Builder) -> Result<(), Invalid> {
        self.configure_at(clock::coarse(), change)
    }

    /// The same, told the time: what has been used by then stays used.
    ///
    /// # Errors
    ///
    /// [`Invalid`]; nothing is changed then.
    pub fn configure_at(&self, now: Instant, change: impl FnOnce(Builder) -> Builder) -> Result<(), Invalid> {
        self.set(&change(self.settings()).settings, now)
    }
}

impl<D: Bounds + Clone> RateLimit<Queue<D>> {
    /// What it is set to.
    pub(super) fn settings(&self) -> Builder<Queued<D>> {
        Builder::of(self.name, Settings::of(&self.state), self.queue.settings())
    }

    /// How many calls wait for permits.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue.waiting()
    }

    /// Changes settings while it runs. What has been used stays used, and those who wait keep their places.
    ///
    /// # Errors
    ///
    /// [`Invalid`]; nothing is changed then.
    pub fn configure(&self, change: impl FnOnce(Builder<Queued<D>>) -> Builder<Queued<D>>) -> Result<(), Invalid> {
        let Builder { settings, queue, .. } = change(self.settings());
        settings.check()?;
        self.queue.configure(queue.check()?);
        self.set(&settings, clock::coarse())
    }
}

impl<Q: Line> RateLimit<Q> {
    /// Changes the rate, at once. What has been used stays used; the burst stays what it is.
    ///
    /// # Errors
    ///
    /// [`Invalid`] if at that rate the burst would not come back within ten years; nothing is changed then.
    pub fn set_rate(&self, rate: Rate) -> Result<(), Invalid> {
        self.set(&Settings { rate, ..Settings::of(&self.state) }, clock::coarse())
    }

    fn set(&self, settings: &Settings, now: Instant) -> Result<(), Invalid> {
        self.state.configure(settings.rate, settings.check()?, now);
        self.queue.advance();
        let changes = &self.state.changes;
        changes.hand_out(|from, to| changes.tell_limit(self.name, from, to));
        Ok(())
    }
}

impl<Q> RateLimit<Q> {
    pub(super) fn new(name: Name, state: Arc<State>, queue: Q) -> Self {
        Self { name, state, queue }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> Name {
        self.name
    }

    /// How many permits come in how much time.
    #[must_use]
    pub fn rate(&self) -> Rate {
        self.state.rate()
    }

    /// How many permits there are at most.
    #[must_use]
    pub fn burst(&self) -> u32 {
        self.state.quota().burst
    }

    /// How many permits there are now: fewer under a warm-up that has not come to its end.
    #[must_use]
    pub fn free(&self) -> u32 {
        // By the clock that calls are judged by: it may be a tick ahead of the exact one.
        self.free_at(clock::coarse())
    }

    /// How many permits there are at that moment, if none are taken until then.
    #[must_use]
    pub fn free_at(&self, now: Instant) -> u32 {
        self.state.free(now)
    }

    /// The same rate limit, in which a request takes as many permits as `weight` says.
    ///
    /// A request that asks for more than the burst is rejected at once and each time, with
    /// [`Why::TooMuch`]: it would wait forever.
    ///
    /// ```
    /// use std::num::NonZeroU32;
    /// use cofferdam::{Admit, Instant, Rate, RateLimit, Why};
    ///
    /// let limit = RateLimit::builder("reports", Rate::per_minute(10)?).build()?;
    /// let by_pages = limit.clone().weighted(|pages: &u32| NonZeroU32::new(*pages).unwrap_or(NonZeroU32::MIN));
    ///
    /// let now = Instant::now();
    /// assert!(by_pages.admit(&7, now).is_ok());
    /// assert_eq!(limit.free_at(now), 3);
    /// assert_eq!(by_pages.admit(&4, now).unwrap_err().why(), Why::RateLimited);
    /// assert_eq!(by_pages.admit(&11, now).unwrap_err().why(), Why::TooMuch);
    /// # Ok::<(), cofferdam::Invalid>(())
    /// ```
    pub fn weighted<Request, F: Fn(&Request) -> NonZeroU32>(self, weight: F) -> Weighted<Self, F> {
        Weighted::new(self, weight)
    }

    #[inline(always)]
    pub(super) fn take(&self, weight: u32, now: Instant) -> Result<Permits, Rejected> {
        self.state.take_or_reject(self.name, weight, now)
    }

    #[inline(always)]
    pub(super) fn take_or_line_up<Request>(
        &self,
        request: &Request,
        weight: u32,
        now: Instant,
        place: &mut Option<Place>,
    ) -> Result<Permits, Turned>
    where
        Q: LineFor<Request>,
    {
        if !self.queue.has_seen(place.as_ref())
            && let Ok(permits) = self.state.take(weight, now)
        {
            return Ok(permits);
        }
        // Whoever waits for more than there will ever be waits for nothing, also if that has changed since it lined up.
        if weight > self.burst() {
            return Err(Rejected::new(self.name, Why::TooMuch).into());
        }
        match self.queue.line_up(request, weight, place) {
            None => Ok(self.state.take_or_reject(self.name, weight, now)?),
            Some(Ok(taken)) => Ok(self.state.taken_by_the_room(taken, Instant::now())),
            Some(Err(turned)) => Err(self.not_full(turned, weight)),
        }
    }

    /// A full line is no answer to "when": the limit is.
    #[cold]
    fn not_full(&self, turned: Turned, weight: u32) -> Turned {
        match turned {
            Turned::Away(rejected) if rejected.why() == Why::Full => {
                let now = Instant::now();
                let until = self.state.ready_for(weight, 0, now);
                Rejected::new(self.name, Why::RateLimited).with_retry_after(until.since(now)).into()
            }
            turned => turned,
        }
    }

    pub(super) fn give_back(&self, permits: Permits, now: Instant)
    where
        Q: Line,
    {
        if self.state.give_back(permits, now) {
            self.queue.advance();
        }
    }
}

impl<Q: Line> Policy for RateLimit<Q> {
    type Kind = Q::Kind;
    type Token = Permits;

    /// A refusal looks at the time more closely, and only that.
    const TIMING: Timing = Timing::Coarse;
    const TIMING_OF_ENDS: Timing = Timing::Unused;

    fn name(&self) -> Option<Name> {
        Some(self.name)
    }

    #[inline(always)]
    fn settle(&self, _: Permits, _: &Ended) {}

    fn undo(&self, permits: Permits, now: Instant) {
        self.give_back(permits, now);
    }
}

impl<Request, Q: LineFor<Request>> Admit<Request> for RateLimit<Q> {
    #[inline(always)]
    fn admit(&self, _: &Request, now: Instant) -> Result<Permits, Rejected> {
        self.take(1, now)
    }

    #[inline(always)]
    fn enter(&self, request: &Request, now: Instant, place: &mut Option<Place>) -> Result<Permits, Turned> {
        self.take_or_line_up(request, 1, now, place)
    }
}

impl<Q: Line> Weigh for RateLimit<Q> {
    type Taken = Permits;

    #[inline(always)]
    fn settle_weighed(&self, _: Permits, _: &Ended) {}

    fn undo_weighed(&self, permits: Permits, now: Instant) {
        self.give_back(permits, now);
    }
}

impl<Request, Q: LineFor<Request>> AdmitWeighed<Request> for RateLimit<Q> {
    #[inline(always)]
    fn admit_weighed(&self, _: &Request, weight: NonZeroU32, now: Instant) -> Result<Permits, Rejected> {
        self.take(weight.get(), now)
    }

    #[inline(always)]
    fn enter_weighed(
        &self,
        request: &Request,
        weight: NonZeroU32,
        now: Instant,
        place: &mut Option<Place>,
    ) -> Result<Permits, Turned> {
        self.take_or_line_up(request, weight.get(), now, place)
    }
}

impl Fresh for RateLimit {
    fn fresh(&self) -> Self {
        Self::new(self.name, Arc::new(self.state.fresh()), NoQueue)
    }

    fn is_fresh(&self, now: Instant) -> bool {
        self.state.is_unused(now)
    }
}

impl<D: Clone> Fresh for RateLimit<Queue<D>> {
    fn fresh(&self) -> Self {
        let state = Arc::new(self.state.fresh());
        let queue = self.queue.in_front_of(self.name, Arc::clone(&state));
        Self::new(self.name, state, queue)
    }

    fn is_fresh(&self, now: Instant) -> bool {
        self.state.is_unused(now)
    }
}
