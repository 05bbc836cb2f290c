use std::{fmt, num::NonZeroU32, time::Duration};

use super::{
    Pool,
    policy::{HOLDS, Shared},
    seat::Seat,
    state::judge,
};
use crate::kernel::{
    Admit, Ended, Fresh, Immediate, Instant, Name, Policy, Rejected, Timing, Weighted, Why,
    event::Chain,
    sync::Arc,
    weighted::{AdmitWeighed, Weigh},
};

/// Whether a dependency is kept from the slots of others.
///
/// ```
/// use cofferdam::{Pool, PoolState};
///
/// let pool = Pool::builder("front").build()?;
/// assert_eq!(pool.share("search")?.state(), PoolState::Free);
/// # Ok::<(), cofferdam::Invalid>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// It takes what is free.
    Free,
    /// It was refused a slot that others are guaranteed, in the last 10 s or since its last call.
    Contained,
}

impl State {
    /// The state in a word: `free` or `contained`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Contained => "contained",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A dependency's share of a [`Pool`]: admits its calls, unless it is sick and they would take the slots that others need.
///
/// See the [module](super). It is a handle: a clone is the same share. A call within what the dependency may always hold
/// costs one addition on the way in and one on the way out; beyond that, one look at all shares.
///
/// ```
/// use cofferdam::{CircuitBreaker, Policy, Pool, guard};
///
/// let pool = Pool::builder("front").slots(64).build()?;
/// let search = pool.share("search")?;
/// let breaker = CircuitBreaker::builder("search").build()?;
/// let layer = guard(search.clone().and(breaker));
///
/// assert_eq!(search.in_use(), 0);
/// assert_eq!(search.guaranteed(), 1.0);
/// # let _ = layer; Ok::<(), cofferdam::Invalid>(())
/// ```
#[derive(Clone, Debug)]
pub struct Share {
    held: Arc<Held>,
}

/// A seat of the pool, for as long as somebody has it.
#[derive(Debug)]
pub(super) struct Held {
    name: Name,
    pool: Pool,
    seat: usize,
    changes: Chain<State>,
}

impl Held {
    pub(super) fn new(name: Name, pool: Pool, seat: usize) -> Self {
        Self { name, pool, seat, changes: Chain::new() }
    }

    pub(super) fn name(&self) -> Name {
        self.name
    }
}

impl Drop for Held {
    /// Calls in flight hold the share too, so no slot is taken any more.
    fn drop(&mut self) {
        self.pool.shared.seat(self.seat).leave();
    }
}

/// A call that was let in.
#[derive(Clone, Copy, Debug)]
pub struct Taken {
    /// How many slots it found in use.
    found: u32,
    /// How many it holds.
    weight: u32,
}

/// Nobody is told to come again later than that.
const LATEST: f64 = 30e9;

impl Share {
    pub(super) fn new(held: Arc<Held>) -> Self {
        Self { held }
    }

    /// The name of the dependency.
    #[must_use]
    pub fn name(&self) -> Name {
        self.held.name
    }

    /// The pool.
    #[must_use]
    pub fn pool(&self) -> &Pool {
        &self.held.pool
    }

    /// How many slots its calls hold.
    #[must_use]
    pub fn in_use(&self) -> u32 {
        self.seat().held()
    }

    /// How many slots others cannot take from it: what it uses while all is well, and what is usual above that. If the pool
    /// is smaller than all guarantees together, all are cut alike.
    #[must_use]
    pub fn guaranteed(&self) -> f64 {
        self.seat().guarantee()
    }

    /// Whether it is kept from the slots of others. It becomes free with the first call after a quiet time, not by itself.
    #[must_use]
    pub fn state(&self) -> State {
        state(self.seat())
    }

    /// The same share, in which a request takes as many slots as `weight` says: what it takes of the limit in front, where that
    /// one is weighted.
    ///
    /// ```
    /// use std::num::NonZeroU32;
    /// use cofferdam::{Bulkhead, Policy, Pool};
    ///
    /// let pages = |pages: &u32| NonZeroU32::new(*pages).unwrap_or(NonZeroU32::MIN);
    /// let front = Bulkhead::builder("front").limit(64).build()?;
    /// let pool = Pool::builder("front").slots_of(front.usage()).build()?;
    /// let (front, search) = (front.weighted(pages), pool.share("search")?.weighted(pages));
    /// # let _ = (front.layer(), search.layer()); Ok::<(), cofferdam::Invalid>(())
    /// ```
    pub fn weighted<Request, F: Fn(&Request) -> NonZeroU32>(self, weight: F) -> Weighted<Self, F> {
        Weighted::new(self, weight)
    }

    /// Forgets all that was learned of the dependency, after it has changed for good. Its calls go on.
    pub fn reset(&self) {
        let seat = self.seat();
        self.held.changes.change(|| {
            let before = state(seat);
            seat.forget();
            (before, State::Free)
        });
        self.tell();
    }

    fn seat(&self) -> &Seat {
        self.shared().seat(self.held.seat)
    }

    fn shared(&self) -> &Shared {
        &self.held.pool.shared
    }

    #[inline]
    fn take(&self, weight: u32, now: Instant) -> Result<Taken, Rejected> {
        let seat = self.seat();
        self.shared().look(now);
        if seat.is_contained() {
            self.recover(now);
        }
        if !seat.is_within_its_own(weight) {
            self.judge(weight, now)?;
        }
        Ok(Taken { found: seat.take(weight, now), weight })
    }

    /// The way in for more than it may always hold.
    #[cold]
    #[inline(never)]
    fn judge(&self, weight: u32, now: Instant) -> Result<(), Rejected> {
        let (shared, seat) = (self.shared(), self.seat());
        let (slots, taken) = shared.slots();
        let sum = shared.sum();
        let mut own = seat.stake();
        own.held = own.held.saturating_add(weight);
        if own.held <= sum.own(own.guarantee, slots) {
            return Ok(());
        }
        // In front, the request that this is done for holds a slot already.
        let taken = taken.map_or(sum.held + f64::from(weight), f64::from);
        let verdict = judge(own, shared.others(self.held.seat), sum, slots, taken);
        let harms = verdict.takes_from_others && (seat.is_sick(now) || verdict.is_the_largest && shared.is_late());
        if harms { Err(self.refuse(now)) } else { Ok(()) }
    }

    fn refuse(&self, now: Instant) -> Rejected {
        let seat = self.seat();
        self.shared().refuse(now);
        if seat.is_contained() {
            seat.refuse(now);
        } else {
            self.held.changes.change(|| {
                let before = state(seat);
                seat.refuse(now);
                (before, State::Contained)
            });
            self.tell();
        }
        // By then most of what it holds will have come back, if it comes back at all.
        let after = seat.pace().delay.max(seat.silent(now)).min(LATEST);
        Rejected::new(self.held.name, Why::Reserved).with_retry_after(Duration::from_nanos(after as u64))
    }

    /// Contained => (Contained | Free).
    #[cold]
    #[inline(never)]
    fn recover(&self, now: Instant) {
        let seat = self.seat();
        let is_over = || now.as_nanos().saturating_sub(seat.refused()) >= HOLDS;
        if !is_over() {
            return;
        }
        self.held.changes.change(|| {
            let before = state(seat);
            if is_over() {
                seat.release();
            }
            (before, state(seat))
        });
        self.tell();
    }

    /// Tells of changes, under no lock.
    fn tell(&self) {
        let changes = &self.held.changes;
        changes.hand_out(|from, to| changes.tell_state(self.held.name, from.as_str(), to.as_str()));
    }
}

fn state(seat: &Seat) -> State {
    if seat.is_contained() { State::Contained } else { State::Free }
}

impl Policy for Share {
    type Kind = Immediate;
    type Token = Taken;

    const TIMING: Timing = Timing::Coarse;

    fn name(&self) -> Option<Name> {
        Some(self.held.name)
    }

    /// A stream that goes on for hours is an answer all the same.
    fn head(&self, _: &Taken, started: Instant, now: Instant) {
        let (seat, took) = (self.seat(), now.since(started).as_nanos() as f64);
        seat.answered(took, now.as_nanos(), self.shared().is_calm(now.as_nanos()));
        seat.owes_one_less();
    }

    #[inline(always)]
    fn settle(&self, taken: Taken, ended: &Ended) {
        let seat = self.seat();
        seat.learn(taken.found, ended, self.shared().is_calm(ended.now.as_nanos()));
        seat.give_back(taken.weight, ended.head.is_none());
    }

    #[inline]
    fn undo(&self, taken: Taken, _: Instant) {
        self.seat().give_back(taken.weight, true);
    }
}

impl<Request> Admit<Request> for Share {
    #[inline(always)]
    fn admit(&self, _: &Request, now: Instant) -> Result<Taken, Rejected> {
        self.take(1, now)
    }
}

impl Weigh for Share {
    type Taken = Taken;

    fn head_weighed(&self, taken: &Taken, started: Instant, now: Instant) {
        Policy::head(self, taken, started, now);
    }

    #[inline]
    fn settle_weighed(&self, taken: Taken, ended: &Ended) {
        Policy::settle(self, taken, ended);
    }

    #[inline]
    fn undo_weighed(&self, taken: Taken, now: Instant) {
        Policy::undo(self, taken, now);
    }
}

impl<Request> AdmitWeighed<Request> for Share {
    #[inline]
    fn admit_weighed(&self, _: &Request, weight: NonZeroU32, now: Instant) -> Result<Taken, Rejected> {
        self.take(weight.get(), now)
    }
}

impl Fresh for Share {
    /// Another share of the same pool, with nothing learned; the same one if there are as many as there can be.
    fn fresh(&self) -> Self {
        self.held.pool.another(self.held.name).unwrap_or_else(|| self.clone())
    }

    /// What it has learned is kept until nobody has called for a minute.
    fn is_fresh(&self, now: Instant) -> bool {
        self.seat().is_forgettable(now)
    }
}
