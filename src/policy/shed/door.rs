//! How calls come in and go, whatever they weigh.

use std::mem;

use super::LoadShed;
use crate::{
    kernel::{
        Criticality, Deadline, Ended, Instant, Rejected, Why, clock,
        context::{DeadlineSource, Rank, RankSource},
        sync::Ordering,
        waiting::{Claim, Place, Turned},
    },
    policy::limit::{Algorithm, Begun, Held, Weighed},
};

/// So many health checks at a time are let in beyond the limit. Whoever sends more is no health check.
const MOST_EXEMPT: u32 = 16;

/// Algorithms may be anybody's: if one panics, what the call held is free all the same, and whoever waits hears of it.
struct OnPanic<'a, A: Algorithm, D: Clone, R>(&'a LoadShed<A, D, R>);

impl<A: Algorithm, D: Clone, R> Drop for OnPanic<'_, A, D, R> {
    #[cold]
    fn drop(&mut self) {
        self.0.advance();
    }
}

impl<A: Algorithm, D: Clone, R> LoadShed<A, D, R> {
    /// What came in, within the limit or, if it is a health check, beyond it.
    #[inline(always)]
    pub(super) fn come_in<Request>(
        &self,
        request: &Request,
        weight: u32,
        place: &mut Option<Place>,
    ) -> Result<Weighed, Turned>
    where
        D: DeadlineSource<Request>,
        R: RankSource<Request>,
    {
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
        if self.controller().slots.take(weight).is_some() {
            return Ok(self.let_in(weight, deadline)?);
        }
        match self.rank_in_line(request) {
            Ok(rank) => self.line_up(request, rank, weight, deadline, place),
            Err(rejected) => Err(rejected.into()),
        }
    }

    /// For a call that found no slot: its rank, unless there is no place in line for such a one.
    #[inline(never)]
    fn rank_in_line<Request>(&self, request: &Request) -> Result<Rank, Rejected>
    where
        R: RankSource<Request>,
    {
        self.controller().found_none();
        if let Some(report) = &self.extras.report {
            report.feel_pressure(clock::coarse());
        }
        let rank = self.rank.rank(request);
        let is_low = (rank.index() as u64) < self.room.floor() && self.extras.shares.is_none();
        if is_low && !self.rank.is_exempt(request) { Err(self.shed()) } else { Ok(rank) }
    }

    /// For a call that found no slot, and may find a place.
    #[cold]
    #[inline(never)]
    fn line_up<Request>(
        &self,
        request: &Request,
        rank: Rank,
        weight: u32,
        deadline: Option<Deadline>,
        place: &mut Option<Place>,
    ) -> Result<Weighed, Turned>
    where
        R: RankSource<Request>,
    {
        if self.rank.is_exempt(request) && self.lets_in_beyond_the_limit() {
            return Ok(Weighed { begun: Begun::BEYOND, held: Held::NOTHING });
        }
        let (class, index) = (rank.criticality(), rank.index() as u64);
        let favoured = self.extras.shares.as_ref().is_some_and(|shares| shares.spend(class, weight));
        let index = if favoured { Rank::COUNT as u64 } else { index };
        let patience = deadline.unwrap_or_else(|| Deadline::after(self.controller().patience()));
        let start_by = Some(self.latest_start(class, patience));
        let claim = Claim { weight, rank: index, deadline, start_by };
        match self.room.enter(claim, place) {
            Ok(taken) => Ok(self.let_in(taken, deadline)?),
            Err(Turned::Away(rejected)) if rejected.why() == Why::Full => Err(self.shed().into()),
            Err(turned) => Err(turned),
        }
    }

    /// For a call that has waited.
    #[cold]
    fn redeem(&self, deadline: Option<Deadline>, place: &mut Option<Place>) -> Result<Weighed, Turned> {
        let since = place.as_ref().map(Place::since);
        // What it claimed when it came is what holds.
        let claim = Claim { weight: 1, rank: 0, deadline: None, start_by: None };
        let taken = self.room.enter(claim, place)?;
        if let (Some(pressure), Some(since)) = (&self.extras.pressure, since) {
            pressure.waited(clock::now().since(since));
        }
        Ok(self.let_in(taken, deadline)?)
    }

    /// Who has no place in line gives up the one that it is given.
    pub(super) fn without_a_line(&self, turned: Turned) -> Rejected {
        match turned {
            Turned::Away(rejected) => rejected,
            Turned::Wait(_) => self.shed(),
        }
    }

    #[inline(always)]
    fn let_in(&self, slots: u32, deadline: Option<Deadline>) -> Result<Weighed, Rejected> {
        if let Some(shares) = &self.extras.shares {
            shares.earn(slots);
        }
        let weighed = self.controller().began(slots, deadline);
        if weighed.begun.is_too_late(deadline) {
            self.give_back(weighed);
            return Err(Rejected::new(self.name(), Why::Expired));
        }
        Ok(weighed)
    }

    #[cold]
    fn give_back(&self, weighed: Weighed) {
        if self.controller().undo(weighed) {
            self.room.advance();
        }
    }

    fn lets_in_beyond_the_limit(&self) -> bool {
        let exempt = &self.extras.exempt;
        let more = |exempt: u32| (exempt < MOST_EXEMPT).then_some(exempt + 1);
        exempt.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
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

    #[inline(always)]
    pub(super) fn end(&self, held: Option<Weighed>, ended: &Ended) {
        match held {
            Some(held) if held.begun.is_beyond() => self.leave_exempt(),
            Some(held) => {
                let on_panic = OnPanic(self);
                if self.controller().ended(self.limit.name(), held, ended) {
                    self.room.advance();
                }
                mem::forget(on_panic);
            }
            None => {}
        }
    }

    #[inline]
    pub(super) fn take_back(&self, held: Option<Weighed>) {
        match held {
            Some(held) if held.begun.is_beyond() => self.leave_exempt(),
            Some(held) => self.give_back(held),
            None => {}
        }
    }

    fn leave_exempt(&self) {
        self.extras.exempt.fetch_sub(1, Ordering::Relaxed);
    }
}
