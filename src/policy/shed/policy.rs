use std::{num::NonZeroU32, sync::Arc as Shared, time::Duration};

use super::{Builder, config::check_max_queue, front::Front, pressure::Pressure, shares::Shares};
use crate::{
    kernel::{
        Admit, Ended, Fresh, Instant, Invalid, Name, Policy, Rejected, Timing, Waiting, Weighted, Why,
        context::{CarriedDeadline, CarriedRank, DeadlineSource, RankSource},
        dependency::Report,
        sync::{Arc, AtomicU32},
        waiting::{Order, Place, Room, Turned},
        weighted::{AdmitWeighed, Weigh},
    },
    policy::limit::{AdaptiveLimit, Algorithm, Begun, Controller, Held, Knee, Weighed},
};

/// Lets in what an [`AdaptiveLimit`] allows, those first that matter most; the others wait for as long as that makes sense.
///
/// See the [module](super) for a picture.
///
/// ```
/// use cofferdam::{Policy, limit::AdaptiveLimit, shed::LoadShed};
///
/// let limit = AdaptiveLimit::builder("api").deadline().build()?;
/// let shed: LoadShed = LoadShed::builder(limit).build()?;
/// let layer = shed.clone().layer();
/// assert_eq!(shed.saturation(), 0.0);
/// # let _ = layer; Ok::<(), cofferdam::Invalid>(())
/// ```
#[doc(alias("priority", "admission control"))]
#[derive(Debug)]
pub struct LoadShed<A = Knee, D = CarriedDeadline, R = CarriedRank>
where
    A: Algorithm,
{
    pub(super) limit: AdaptiveLimit<A, D>,
    pub(super) room: Arc<Room<Front<A>>>,
    pub(super) rank: R,
    pub(super) extras: Shared<Extras>,
}

/// What not every call comes by.
#[derive(Debug)]
pub(super) struct Extras {
    pub(super) shares: Option<Shares>,
    pub(super) pressure: Option<Pressure>,
    /// Health checks that were let in beyond the limit.
    pub(super) exempt: AtomicU32,
    /// Where others are told of pressure.
    pub(super) report: Option<Report>,
}

impl Extras {
    pub(super) fn new(shares: Option<Shares>, pressure: Option<Pressure>, report: Option<Report>) -> Self {
        Self { shares, pressure, exempt: AtomicU32::new(0), report }
    }
}

/// A call that was let in, within the limit or beyond it; nothing once a lasting answer has given back what it held.
#[derive(Debug)]
pub struct LetIn<B = Begun>(Option<B>);

impl<A: Algorithm, D: Clone, R: Clone> Clone for LoadShed<A, D, R> {
    fn clone(&self) -> Self {
        Self {
            limit: self.limit.clone(),
            room: Arc::clone(&self.room),
            rank: self.rank.clone(),
            extras: Shared::clone(&self.extras),
        }
    }
}

impl<A: Algorithm, D> LoadShed<A, D> {
    /// Starts one in front of that limit, whose name its rejections carry. The limit itself is to admit nothing besides.
    pub fn builder(limit: AdaptiveLimit<A, D>) -> Builder<A, D> {
        Builder::new(limit)
    }
}

impl<A: Algorithm, D: Clone, R> LoadShed<A, D, R> {
    pub(super) fn new(limit: AdaptiveLimit<A, D>, rank: R, max_queue: u32, extras: Extras) -> Self {
        // Until when somebody waits is its deadline's business.
        const NEVER_MIND: Duration = Duration::from_secs(3600);
        let front = Front::new(Arc::clone(&limit.controller), max_queue);
        let room = Arc::new(Room::new(limit.name(), front, max_queue as usize, NEVER_MIND, Order::default()));
        Self { limit, room, rank, extras: Shared::new(extras) }
    }

    /// The name: that of the limit.
    #[must_use]
    pub fn name(&self) -> Name {
        self.limit.name()
    }

    /// The limit. If its bounds are raised by this handle, those who wait come in with the next call that comes or ends; by
    /// [`Control::configure`](crate::Control::configure) of the load shedding itself they do at once.
    #[must_use]
    pub fn limit(&self) -> &AdaptiveLimit<A, D> {
        &self.limit
    }

    /// How many calls wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.room.waiting()
    }

    /// How much of what can be done is asked for, from 0 to 1: what an autoscaler wants to know.
    ///
    /// It is 1 while calls wait or are shed. Otherwise it is how many slots were taken of late, as a share of the limit;
    /// as the limit is some way above what keeps the dependency busy, two thirds are already a lot.
    #[must_use]
    pub fn saturation(&self) -> f64 {
        let (latency, throughput) = self.controller().pace();
        let of_late = throughput * latency as f64 / 1e9 / f64::from(self.limit.limit());
        let shedding = self.extras.pressure.as_ref().is_some_and(|pressure| pressure.shedding() > 0.0);
        if shedding || self.waiting() > 0 { 1.0 } else { of_late.clamp(0.0, 1.0) }
    }

    /// Changes how many calls may wait.
    ///
    /// # Errors
    ///
    /// [`Invalid`] unless the length is 1 to 1,048,576; nothing is changed then.
    pub fn set_max_queue(&self, calls: usize) -> Result<(), Invalid> {
        self.room.capacity().set_max_queue(check_max_queue(calls)?);
        Ok(())
    }

    pub(super) fn max_queue(&self) -> usize {
        self.room.capacity().max_queue() as usize
    }

    pub(super) fn advance(&self) {
        self.room.advance();
    }

    #[inline]
    pub(super) fn controller(&self) -> &Controller<A> {
        &self.limit.controller
    }

    pub(super) fn shed(&self) -> Rejected {
        Rejected::new(self.name(), Why::Shed)
    }

    /// The same, in which a request takes as many slots of the limit as `weight` says: see
    /// [`AdaptiveLimit::weighted`].
    ///
    /// In line, a heavy request stands where its rank puts it, and no lighter one behind it comes in first: they wait until there
    /// is room for it, or until its time is up. One that is heavier than the limit comes in once nothing is in flight. How many may
    /// wait follows from how many slots calls held of late, and shares of [classes](Builder::min_share) are shares of the slots
    /// that are taken. A health check beyond the limit weighs nothing.
    ///
    /// ```
    /// use std::num::NonZeroU32;
    /// use cofferdam::{Criticality, Policy, context::Rank, limit::AdaptiveLimit, shed::LoadShed};
    ///
    /// struct Report { months: u32 }
    ///
    /// let limit = AdaptiveLimit::builder("reports").build()?;
    /// let shed = LoadShed::builder(limit).rank(|_: &Report| Rank::of(Criticality::Sheddable, None)).build()?;
    /// let weighted = shed.weighted(|report: &Report| NonZeroU32::new(report.months).unwrap_or(NonZeroU32::MIN));
    /// let layer = weighted.clone().layer();
    /// assert_eq!(weighted.policy().waiting(), 0);
    /// # let _ = layer; Ok::<(), cofferdam::Invalid>(())
    /// ```
    pub fn weighted<Request, F: Fn(&Request) -> NonZeroU32>(self, weight: F) -> Weighted<Self, F> {
        Weighted::new(self, weight)
    }
}

fn of_one(LetIn(begun): LetIn) -> Option<Weighed> {
    begun.map(|begun| Weighed { begun, held: Held::ONE })
}

impl<A: Algorithm, D: Clone, R> Policy for LoadShed<A, D, R> {
    type Kind = Waiting;
    type Token = LetIn;

    /// The limit times by itself what has to be timed exactly.
    const TIMING: Timing = Timing::Coarse;
    const TIMING_OF_ADMISSION: Timing = Timing::Unused;

    fn name(&self) -> Option<Name> {
        Some(Self::name(self))
    }

    /// As for the limit.
    fn lasts(&self, let_in: &mut LetIn, head: &Ended) {
        self.settle(LetIn(let_in.0.take()), head);
    }

    #[inline(always)]
    fn settle(&self, let_in: LetIn, ended: &Ended) {
        self.end(of_one(let_in), ended);
    }

    #[inline]
    fn undo(&self, let_in: LetIn, _: Instant) {
        self.take_back(of_one(let_in));
    }
}

impl<A: Algorithm, D: Clone, R> Weigh for LoadShed<A, D, R> {
    type Taken = LetIn<Weighed>;

    fn lasts_weighed(&self, let_in: &mut LetIn<Weighed>, head: &Ended) {
        self.end(let_in.0.take(), head);
    }

    #[inline(always)]
    fn settle_weighed(&self, LetIn(weighed): LetIn<Weighed>, ended: &Ended) {
        self.end(weighed, ended);
    }

    #[inline]
    fn undo_weighed(&self, LetIn(weighed): LetIn<Weighed>, _: Instant) {
        self.take_back(weighed);
    }
}

impl<Request, A, D, R> Admit<Request> for LoadShed<A, D, R>
where
    A: Algorithm,
    D: DeadlineSource<Request> + Clone,
    R: RankSource<Request>,
{
    fn admit(&self, request: &Request, now: Instant) -> Result<LetIn, Rejected> {
        self.enter(request, now, &mut None).map_err(|turned| self.without_a_line(turned))
    }

    #[inline(always)]
    fn enter(&self, request: &Request, _: Instant, place: &mut Option<Place>) -> Result<LetIn, Turned> {
        Ok(LetIn(Some(self.come_in(request, 1, place)?.begun)))
    }
}

impl<Request, A, D, R> AdmitWeighed<Request> for LoadShed<A, D, R>
where
    A: Algorithm,
    D: DeadlineSource<Request> + Clone,
    R: RankSource<Request>,
{
    fn admit_weighed(&self, request: &Request, weight: NonZeroU32, now: Instant) -> Result<LetIn<Weighed>, Rejected> {
        self.enter_weighed(request, weight, now, &mut None).map_err(|turned| self.without_a_line(turned))
    }

    #[inline(always)]
    fn enter_weighed(
        &self,
        request: &Request,
        weight: NonZeroU32,
        _: Instant,
        place: &mut Option<Place>,
    ) -> Result<LetIn<Weighed>, Turned> {
        Ok(LetIn(Some(self.come_in(request, weight.get(), place)?)))
    }
}

impl<A: Algorithm, D: Clone, R: Clone> Fresh for LoadShed<A, D, R> {
    fn fresh(&self) -> Self {
        let shares = self.extras.shares.as_ref().map(Shares::fresh);
        let pressure = self.extras.pressure.as_ref().map(Pressure::fresh);
        // What is too much for one key is not too much for the dependency.
        let extras = Extras::new(shares, pressure, None);
        Self::new(self.limit.fresh(), self.rank.clone(), self.room.capacity().max_queue(), extras)
    }
}
