use std::num::NonZeroU32;

use super::{Builder, Line, LineFor, NoQueue, Queue, Queued, config::limit};
use crate::kernel::{
    Admit, Ended, Fresh, Instant, Invalid, Name, Policy, Rejected, Timing, Weighted, Why,
    context::Bounds,
    sync::Arc,
    waiting::{Place, Slots, Turned, Usage},
    weighted::{AdmitWeighed, Weigh},
};

/// At most so many calls at a time; the rest are rejected at once, or wait for a while.
///
/// Exact: never one call too many, and never a rejection while a slot is free, under any number of threads and while
/// the limit changes. See the [module](super) for a picture.
///
/// ```
/// use cofferdam::{Bulkhead, Policy, guard};
///
/// let slots = Bulkhead::builder("checkout").limit(64).build()?;
/// let layer = slots.clone().layer();
///
/// slots.resize(32)?;
/// assert_eq!((slots.limit(), slots.in_flight()), (32, 0));
/// # let _ = layer; Ok::<(), cofferdam::Invalid>(())
/// ```
#[doc(alias("ConcurrencyLimit", "semaphore"))]
#[derive(Clone, Debug)]
pub struct Bulkhead<Q = NoQueue> {
    name: Name,
    slots: Arc<Slots>,
    queue: Q,
}

impl Bulkhead {
    /// Starts a bulkhead of that name, which its rejections will carry.
    pub fn builder(name: impl Into<String>) -> Builder {
        Builder::new(name.into())
    }

    /// Changes the settings, as [`resize`](Self::resize) does.
    ///
    /// # Errors
    ///
    /// [`Invalid`]; nothing is changed then.
    pub fn configure(&self, change: impl FnOnce(Builder) -> Builder) -> Result<(), Invalid> {
        let (limit, NoQueue) = change(Builder::of(self.name, self.limit(), NoQueue)).check()?;
        self.set_limit(limit);
        Ok(())
    }
}

impl<D: Bounds + Clone> Bulkhead<Queue<D>> {
    /// What it is set to.
    pub(super) fn settings(&self) -> Builder<Queued<D>> {
        Builder::of(self.name, self.limit(), self.queue.settings())
    }

    /// How many calls wait for a slot.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue.waiting()
    }

    /// Changes settings while it runs. Calls in flight go on, and those who wait keep their places.
    ///
    /// # Errors
    ///
    /// [`Invalid`]; nothing is changed then.
    ///
    /// ```
    /// use std::time::Duration;
    /// use cofferdam::Bulkhead;
    ///
    /// let slots = Bulkhead::builder("reports").limit(4).queue(100).build()?;
    /// slots.configure(|settings| settings.limit(8).max_wait(Duration::from_secs(1)))?;
    /// assert_eq!(slots.limit(), 8);
    /// assert!(slots.configure(|settings| settings.queue(0)).is_err());
    /// # Ok::<(), cofferdam::Invalid>(())
    /// ```
    pub fn configure(&self, change: impl FnOnce(Builder<Queued<D>>) -> Builder<Queued<D>>) -> Result<(), Invalid> {
        let (limit, queued) = change(self.settings()).check()?;
        self.queue.configure(queued.check()?);
        self.set_limit(limit);
        Ok(())
    }
}

impl<Q: Line> Bulkhead<Q> {
    /// Changes the limit, at once. Calls in flight beyond a smaller one go on, and no new ones start until there is room.
    ///
    /// # Errors
    ///
    /// [`Invalid`] unless the limit is 1 to 2,147,483,647; nothing is changed then.
    pub fn resize(&self, slots: usize) -> Result<(), Invalid> {
        self.set_limit(limit(slots)?);
        Ok(())
    }

    fn set_limit(&self, limit: u32) {
        self.slots.resize(limit);
        self.queue.advance();
        let changes = &self.slots.changes;
        changes.hand_out(|from, to| changes.tell_limit(self.name, from.into(), to.into()));
    }
}

impl<Q> Bulkhead<Q> {
    pub(super) fn new(name: Name, slots: Arc<Slots>, queue: Q) -> Self {
        Self { name, slots, queue }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> Name {
        self.name
    }

    /// How many slots there are.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.slots.read().0
    }

    /// How many slots are taken: calls in flight, or their weights.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.slots.read().1
    }

    /// How many slots there are and how many are taken, for others to read: a [`Pool`](crate::Pool) above all.
    #[must_use]
    pub fn usage(&self) -> Usage {
        Usage::of(&self.slots)
    }

    /// The same bulkhead, in which a request takes as many slots as `weight` says.
    ///
    /// A request heavier than the limit runs alone rather than never: it comes in when no slot is taken, and while it runs as
    /// many are as it weighs.
    ///
    /// ```
    /// use std::num::NonZeroU32;
    /// use cofferdam::{Admit, Bulkhead, Instant};
    ///
    /// let slots = Bulkhead::builder("reports").limit(10).build()?;
    /// let weighted = slots.clone().weighted(|pages: &u32| NonZeroU32::new(*pages).unwrap_or(NonZeroU32::MIN));
    ///
    /// assert!(weighted.admit(&7, Instant::now()).is_ok());
    /// assert_eq!(slots.in_flight(), 7);
    /// assert!(weighted.admit(&4, Instant::now()).is_err());
    /// # Ok::<(), cofferdam::Invalid>(())
    /// ```
    pub fn weighted<Request, F: Fn(&Request) -> NonZeroU32>(self, weight: F) -> Weighted<Self, F> {
        Weighted::new(self, weight)
    }

    #[inline(always)]
    fn take(&self, weight: u32) -> Result<u32, Rejected> {
        self.slots.take(weight).ok_or_else(|| Rejected::new(self.name, Why::Full))
    }

    #[inline(always)]
    fn take_or_line_up<Request>(&self, request: &Request, weight: u32, place: &mut Option<Place>) -> Result<u32, Turned>
    where
        Q: LineFor<Request>,
    {
        if !self.queue.has_seen(place.as_ref())
            && let Some(taken) = self.slots.take(weight)
        {
            return Ok(taken);
        }
        let full = || Err(Rejected::new(self.name, Why::Full).into());
        self.queue.line_up(request, weight, place).unwrap_or_else(full)
    }

    #[inline]
    fn give_back(&self, taken: u32)
    where
        Q: Line,
    {
        if self.slots.give_back(taken) {
            self.queue.advance();
        }
    }
}

impl<Q: Line> Policy for Bulkhead<Q> {
    type Kind = Q::Kind;
    type Token = ();

    const TIMING: Timing = Timing::Unused;

    fn name(&self) -> Option<Name> {
        Some(self.name)
    }

    #[inline(always)]
    fn settle(&self, (): (), _: &Ended) {
        self.give_back(1);
    }

    #[inline]
    fn undo(&self, (): (), _: Instant) {
        self.give_back(1);
    }
}

impl<Request, Q: LineFor<Request>> Admit<Request> for Bulkhead<Q> {
    #[inline(always)]
    fn admit(&self, _: &Request, _: Instant) -> Result<(), Rejected> {
        self.take(1).map(drop)
    }

    #[inline(always)]
    fn enter(&self, request: &Request, _: Instant, place: &mut Option<Place>) -> Result<(), Turned> {
        self.take_or_line_up(request, 1, place).map(drop)
    }
}

impl<Q: Line> Weigh for Bulkhead<Q> {
    type Taken = u32;

    #[inline(always)]
    fn settle_weighed(&self, taken: u32, _: &Ended) {
        self.give_back(taken);
    }

    #[inline]
    fn undo_weighed(&self, taken: u32, _: Instant) {
        self.give_back(taken);
    }
}

impl<Request, Q: LineFor<Request>> AdmitWeighed<Request> for Bulkhead<Q> {
    #[inline(always)]
    fn admit_weighed(&self, _: &Request, weight: NonZeroU32, _: Instant) -> Result<u32, Rejected> {
        self.take(weight.get())
    }

    #[inline(always)]
    fn enter_weighed(
        &self,
        request: &Request,
        weight: NonZeroU32,
        _: Instant,
        place: &mut Option<Place>,
    ) -> Result<u32, Turned> {
        self.take_or_line_up(request, weight.get(), place)
    }
}

impl Fresh for Bulkhead {
    fn fresh(&self) -> Self {
        Self::new(self.name, Arc::new(Slots::new(self.limit())), NoQueue)
    }
}

impl<D: Clone> Fresh for Bulkhead<Queue<D>> {
    fn fresh(&self) -> Self {
        let slots = Arc::new(Slots::new(self.limit()));
        let queue = self.queue.in_front_of(self.name, Arc::clone(&slots));
        Self::new(self.name, slots, queue)
    }
}
