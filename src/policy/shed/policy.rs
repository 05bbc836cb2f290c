use std::{sync::Arc as Shared, time::Duration};

use super::{Builder, config::check_max_queue, front::Front, pressure::Pressure, shares::Shares};
use crate::{
    kernel::{
        Admit, Criticality, Deadline, Ended, Fresh, Instant, Invalid, Name, Policy, Rejected, Timing, Waiting, Why,
        clock,
        context::{CarriedDeadline, CarriedRank, DeadlineSource, Rank, RankSource},
        sync::{Arc, AtomicU32, Ordering},
        waiting::{Claim, Order, Place, Room, Turned},
    },
    policy::limit::{AdaptiveLimit, Algorithm, Begun, Controller, Knee},
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
#[derive(Debug)]
pub struct LoadShed<A = Knee, D = CarriedDeadline, R = CarriedRank>
where
    A: Algorithm,
{
    limit: AdaptiveLimit<A, D>,
    room: Arc<Room<Front<A>>>,
    rank: R,
    extras: Shared<Extras>,
}

/// What not every call comes by.
#[derive(Debug)]
struct Extras {
    shares: Option<Shares>,
    pressure: Option<Pressure>,
    /// Health checks that were let in beyond the limit.
    exempt: AtomicU32,
}

/// So many health checks at a time are let in beyond the limit. Whoever sends more is no health check.
const MOST_EXEMPT: u32 = 16;

/// A call that was let in; a health check beyond the limit leaves no trace.
#[derive(Clone, Copy, Debug)]
pub struct LetIn(Option<Begun>);

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
    pub(super) fn new(
        limit: AdaptiveLimit<A, D>,
        rank: R,
        shares: Option<Shares>,
        max_queue: u32,
        pressure: Option<Pressure>,
    ) -> Self {
        // Until when somebody waits is its deadline's business.
        const NEVER_MIND: Duration = Duration::from_secs(3600);
        let front = Front::new(Arc::clone(&limit.controller), max_queue);
        let room = Arc::new(Room::new(limit.name(), front, max_queue as usize, NEVER_MIND, Order::default()));
        Self { limit, room, rank, extras: Shared::new(Extras { shares, pressure, exempt: AtomicU32::new(0) }) }
    }

    /// The name: that of the limit.
    #[must_use]
    pub fn name(&self) -> Name {
        self.limit.name()
    }

    /// The limit.
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
    /// It is 1 while calls wait or are shed. Otherwise it is how many calls were in flight of late, as a share of the limit;
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

    #[inline]
    fn controller(&self) -> &Controller<A> {
        &self.limit.controller
    }

    fn shed(&self) -> Rejected {
        Rejected::new(self.name(), Why::Shed)
    }

    #[inline]
    fn let_in(&self, deadline: Option<Deadline>) -> Result<LetIn, Rejected> {
        if let Some(shares) = &self.extras.shares {
            shares.earn();
        }
        let begun = self.controller().began(deadline);
        if begun.is_too_late(deadline) {
            self.give_back(begun);
            return Err(Rejected::new(self.name(), Why::Expired));
        }
        Ok(LetIn(Some(begun)))
    }

    #[cold]
    fn give_back(&self, begun: Begun) {
        if self.controller().undo(begun) {
            self.room.advance();
        }
    }

    fn let_in_beyond_the_limit(&self) -> Option<LetIn> {
        let exempt = &self.extras.exempt;
        let more = |exempt: u32| (exempt < MOST_EXEMPT).then_some(exempt + 1);
        exempt.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok().map(|_| LetIn(None))
    }

    /// The latest moment at which a call of that class makes sense: what matters less will be replaced by something fresh, so
    /// it leaves earlier.
    fn latest_start(&self, class: Criticality, deadline: Deadline) -> Instant {
        let (latency, _) = self.controller().pace();
        let halves = match class {
            Criticality::CriticalPlus => 2,
            Criticality::Critical => 3,
            Criticality::SheddablePlus | Criticality::Sheddable => 4,
        };
        let ahead = latency.saturating_mul(halves) / 2;
        Instant::from_nanos(deadline.moment().as_nanos().saturating_sub(ahead))
    }
}

impl<A: Algorithm, D: Clone, R> LoadShed<A, D, R> {
    /// For a call that found no slot.
    #[cold]
    fn line_up<Request>(
        &self,
        request: &Request,
        deadline: Option<Deadline>,
        place: &mut Option<Place>,
    ) -> Result<LetIn, Turned>
    where
        R: RankSource<Request>,
    {
        self.controller().found_none();
        let rank = self.rank.rank(request);
        let index = rank.index() as u64;
        if index < self.room.floor() && self.extras.shares.is_none() && !self.rank.is_exempt(request) {
            return Err(self.shed().into());
        }
        if self.rank.is_exempt(request)
            && let Some(let_in) = self.let_in_beyond_the_limit()
        {
            return Ok(let_in);
        }
        let class = rank.criticality();
        let favoured = self.extras.shares.as_ref().is_some_and(|shares| shares.spend(class));
        let index = if favoured { Rank::COUNT as u64 } else { index };
        let patience = deadline.unwrap_or_else(|| Deadline::after(self.controller().patience()));
        let start_by = Some(self.latest_start(class, patience));
        let claim = Claim { weight: 1, rank: index, deadline, start_by };
        match self.room.enter(claim, place) {
            Ok(_) => Ok(self.let_in(deadline)?),
            Err(Turned::Away(rejected)) if rejected.why() == Why::Full => Err(self.shed().into()),
            Err(turned) => Err(turned),
        }
    }

    /// For a call that has waited.
    #[cold]
    fn redeem(&self, deadline: Option<Deadline>, place: &mut Option<Place>) -> Result<LetIn, Turned> {
        let since = place.as_ref().map(Place::since);
        // What it claimed when it came is what holds.
        let claim = Claim { weight: 1, rank: 0, deadline: None, start_by: None };
        self.room.enter(claim, place)?;
        if let (Some(pressure), Some(since)) = (&self.extras.pressure, since) {
            pressure.waited(clock::now().since(since));
        }
        Ok(self.let_in(deadline)?)
    }
}

impl<A: Algorithm, D: Clone, R> Policy for LoadShed<A, D, R> {
    type Kind = Waiting;
    type Token = LetIn;

    /// The limit times by itself what has to be timed exactly.
    const TIMING: Timing = Timing::Coarse;

    fn name(&self) -> Option<Name> {
        Some(Self::name(self))
    }

    #[inline]
    fn settle(&self, LetIn(begun): LetIn, ended: &Ended) {
        let Some(begun) = begun else {
            self.extras.exempt.fetch_sub(1, Ordering::Relaxed);
            return;
        };
        if self.controller().ended(self.limit.name(), begun, ended) {
            self.room.advance();
        }
    }

    #[inline]
    fn undo(&self, LetIn(begun): LetIn, _: Instant) {
        match begun {
            Some(begun) => self.give_back(begun),
            None => drop(self.extras.exempt.fetch_sub(1, Ordering::Relaxed)),
        }
    }
}

impl<Request, A, D, R> Admit<Request> for LoadShed<A, D, R>
where
    A: Algorithm,
    D: DeadlineSource<Request> + Clone,
    R: RankSource<Request>,
{
    fn admit(&self, request: &Request, now: Instant) -> Result<LetIn, Rejected> {
        // Without a place in line: what `enter` gives is given up.
        self.enter(request, now, &mut None).map_err(|turned| match turned {
            Turned::Away(rejected) => rejected,
            Turned::Wait(_) => self.shed(),
        })
    }

    #[inline]
    fn enter(&self, request: &Request, _: Instant, place: &mut Option<Place>) -> Result<LetIn, Turned> {
        let deadline = self.limit.deadline.read(request);
        if place.as_ref().is_some_and(|place| place.is_in(&self.room)) {
            return self.redeem(deadline, place);
        }
        self.controller().asked(deadline);
        if let Some(pressure) = &self.extras.pressure
            && !pressure.lets_in(self.rank.rank(request))
            && !self.rank.is_exempt(request)
        {
            return Err(self.shed().into());
        }
        if self.controller().slots.take(1).is_some() {
            return Ok(self.let_in(deadline)?);
        }
        self.line_up(request, deadline, place)
    }
}

impl<A: Algorithm, D: Clone, R: Clone> Fresh for LoadShed<A, D, R> {
    fn fresh(&self) -> Self {
        let shares = self.extras.shares.as_ref().map(Shares::fresh);
        let pressure = self.extras.pressure.as_ref().map(Pressure::fresh);
        Self::new(self.limit.fresh(), self.rank.clone(), shares, self.room.capacity().max_queue(), pressure)
    }
}
