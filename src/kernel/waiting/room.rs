use std::{
    task::{Context, Waker},
    time::Duration,
};

use super::{
    Capacity, Order, Place, Turned,
    line::{Line, Rules, Seat, Standing},
    wakers::Wakers,
};
use crate::kernel::{
    Deadline, Instant, Name, Rejected, Why, clock,
    sync::{Arc, AtomicU64, Mutex, Ordering, lock},
};

/// A bounded room in which calls wait for their turn, in front of a [`Capacity`].
///
/// A policy with a line of its own: one at a time, the highest rank first.
///
/// ```
/// use std::{sync::Arc, time::Duration};
/// use cofferdam::{Admit, Ended, Instant, Name, Policy, Rejected, Waiting, Why, guard};
/// use cofferdam::waiting::{Capacity, Claim, Order, Place, Room, Turned};
/// # use std::sync::Mutex;
/// # #[derive(Default)] struct One(Mutex<(bool, bool)>);
/// # impl One {
/// #     fn give_back(&self) -> bool { let mut one = self.0.lock().unwrap(); one.0 = false; one.1 }
/// # }
/// # impl Capacity for One {
/// #     fn take(&self, _: u32) -> Option<u32> {
/// #         let mut one = self.0.lock().unwrap(); (!std::mem::replace(&mut one.0, true)).then_some(1)
/// #     }
/// #     fn offer(&self, _: u32, promised: u32) -> Option<u32> {
/// #         (promised == 0 && !self.0.lock().unwrap().0).then_some(1)
/// #     }
/// #     fn waited_for(&self, by_somebody: bool) { self.0.lock().unwrap().1 = by_somebody; }
/// # }
///
/// /// In front of the token that [`Capacity`] has as its example.
/// struct ByRank(Arc<Room<One>>);
///
/// impl Policy for ByRank {
///     type Kind = Waiting;
///     type Token = ();
///     fn settle(&self, (): (), _: &Ended) {
///         if self.0.capacity().give_back() {
///             self.0.advance();
///         }
///     }
///     fn undo(&self, (): (), now: Instant) {
///         self.settle((), &Ended::new(cofferdam::Outcome::Ignored, now, now));
///     }
/// }
///
/// impl Admit<u64> for ByRank {
///     fn admit(&self, rank: &u64, now: Instant) -> Result<(), Rejected> {
///         // Without a place in line: what `enter` gives is given up.
///         self.enter(rank, now, &mut None).map_err(|turned| match turned {
///             Turned::Away(rejected) => rejected,
///             Turned::Wait(place) => Rejected::new(place.by(), Why::Full),
///         })
///     }
///     fn enter(&self, rank: &u64, _: Instant, place: &mut Option<Place>) -> Result<(), Turned> {
///         self.0.enter(Claim { weight: 1, rank: *rank, deadline: None, start_by: None }, place).map(drop)
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cofferdam::Invalid> {
/// let room = Room::new(Name::new("ranks")?, One::default(), 10, Duration::from_secs(1), Order::Fifo);
/// let guard = guard(ByRank(Arc::new(room)));
/// let runs = guard.call(&0, std::future::pending::<Result<(), ()>>);
/// let (low, high) = (guard.call(&1, || async { Ok::<_, ()>(()) }), guard.call(&2, || async { Ok::<_, ()>(()) }));
///
/// drop(runs);
/// let mut low = Box::pin(low);
/// assert!(futures_util::poll!(&mut low).is_pending());
/// assert_eq!(high.await, Ok(()));
/// assert_eq!(low.await, Ok(()));
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Room<C> {
    name: Name,
    capacity: C,
    /// In nanoseconds.
    longest_wait: AtomicU64,
    /// Calls of a lower rank find no place.
    floor: AtomicU64,
    /// That holds no longer than until then, in nanoseconds.
    floor_until: AtomicU64,
    line: Mutex<Line<Option<Waker>>>,
}

/// How a call stands in line.
///
/// ```
/// use cofferdam::{Deadline, waiting::Claim};
///
/// let usual = Claim { weight: 1, rank: 0, deadline: None, start_by: None };
/// let urgent = Claim { rank: 9, deadline: Some(Deadline::after(std::time::Duration::from_millis(50))), ..usual };
/// assert!(urgent.rank > usual.rank);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// How much of the capacity it takes.
    pub weight: u32,
    /// Higher ranks go first, and may take the place of a lower one when the room is full.
    pub rank: u64,
    /// It waits no longer than that.
    pub deadline: Option<Deadline>,
    /// From then on it would not be done in time: it waits no longer, and is rejected with [`Why::Shed`].
    pub start_by: Option<Instant>,
}

/// What became of a place, when somebody looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// And until that moment nothing happens, unless somebody hears of it.
    Waits(Option<Instant>),
    Called,
    Over(Why),
}

impl<C: Capacity> Room<C> {
    /// A room for that many, in front of that. Its rejections carry the name.
    pub fn new(name: Name, capacity: C, length: usize, longest_wait: Duration, order: Order) -> Self {
        Self {
            name,
            capacity,
            longest_wait: AtomicU64::new(clock::nanos(longest_wait)),
            floor: AtomicU64::new(0),
            floor_until: AtomicU64::new(u64::MAX),
            line: Mutex::new(Line::new(Rules { length, order })),
        }
    }

    /// What it is in front of.
    pub fn capacity(&self) -> &C {
        &self.capacity
    }

    /// How many wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        lock(&self.line).idle()
    }

    /// Calls of a lower rank than that find no place, as far as was known a moment ago: telling them so takes two loads.
    #[must_use]
    pub fn floor(&self) -> u64 {
        let (floor, until) = (self.floor.load(Ordering::Relaxed), self.floor_until.load(Ordering::Relaxed));
        if until != u64::MAX && clock::coarse().as_nanos() >= until { 0 } else { floor }
    }

    /// How many may wait, for how long at most, and in which order.
    #[must_use]
    pub fn rules(&self) -> (usize, Duration, Order) {
        let Rules { length, order } = lock(&self.line).rules;
        (length, Duration::from_nanos(self.longest_wait.load(Ordering::Relaxed)), order)
    }

    /// Changes the rules. Those who wait keep their places, and wait no longer than they were told.
    pub fn configure(&self, length: usize, longest_wait: Duration, order: Order) {
        self.longest_wait.store(clock::nanos(longest_wait), Ordering::Relaxed);
        lock(&self.line).rules = Rules { length, order };
    }

    /// Lets in the one whose turn it is, and gives a place to everybody else.
    ///
    /// `place` is what the call holds: if that is a place in this room, it is spent, and comes back if it was called in vain.
    ///
    /// # Errors
    ///
    /// [`Turned::Wait`] with a place in line, or [`Turned::Away`] if there is none to be had.
    pub fn enter(self: &Arc<Self>, claim: Claim, place: &mut Option<Place>) -> Result<u32, Turned> {
        let Some(mut called) = place.take_if(|place| place.is_in(self)) else { return self.line_up(claim) };
        match self.redeem(&mut called) {
            Some(taken) => {
                *place = Some(called);
                Ok(taken)
            }
            None => Err(Turned::Wait(called)),
        }
    }

    /// Something has become free: calls as many as that is enough for.
    #[cold]
    pub fn advance(&self) {
        self.with_line(|_, _| ());
    }

    fn redeem(&self, place: &mut Place) -> Option<u32> {
        let seat = place.seat();
        let taken = self.with_line(|line, now| {
            let Some(Standing::Called { .. }) = line.standing(seat) else { return (None, None) };
            match line.weight(seat).and_then(|weight| self.capacity.take(weight)) {
                Some(taken) => {
                    let since = line.newest_first_since(now).unwrap_or(place.since());
                    self.capacity.came_in(now.since(since) > place.until().since(place.since()) / 2);
                    (Some(taken), line.leave(seat))
                }
                None => {
                    line.wait_again(seat);
                    (None, None)
                }
            }
        });
        let (taken, _waker) = taken;
        if taken.is_some() {
            place.spend();
        }
        taken
    }

    #[cold]
    fn line_up(self: &Arc<Self>, claim: Claim) -> Result<u32, Turned> {
        let now = clock::now();
        let longest = now.after(Duration::from_nanos(self.longest_wait.load(Ordering::Relaxed)));
        let (until, why) = match claim.deadline.map(Deadline::moment) {
            Some(deadline) if deadline <= now => return Err(self.rejected(Why::Expired).into()),
            Some(deadline) if deadline < longest => (deadline, Why::Expired),
            _ => (longest, Why::Waited),
        };
        let (until, why) = match claim.start_by {
            Some(start_by) if start_by <= now => return Err(self.rejected(Why::Shed).into()),
            Some(start_by) if start_by < until => (start_by, Why::Shed),
            _ => (until, why),
        };
        let joined = self.with_line(|line, now| {
            // From here on nobody takes without asking; what became free before is found by those who are called next.
            self.capacity.waited_for(true);
            line.pass_over(now);
            if let Some(length) = self.capacity.line_length() {
                line.rules.length = length;
            }
            // Whoever could be called at once comes in at once: sent away and called, a call would go to and fro between two
            // lines in one poll for as long as those who were called in both have not come.
            if line.nobody_is_ahead()
                && self.capacity.offer(claim.weight, line.promised()).is_some()
                && let Some(taken) = self.capacity.take(claim.weight)
            {
                return Ok(taken);
            }
            Err(line.join(claim.rank, claim.weight, None, now))
        });
        match joined {
            Ok(taken) => Ok(taken),
            Err(Some((seat, gone))) => {
                let place = Place::new(Arc::clone(self) as Arc<dyn Seating>, seat, now, until, why);
                if let Some(waker) = gone.flatten() {
                    waker.wake();
                }
                Err(Turned::Wait(place))
            }
            Err(None) => Err(self.rejected(Why::Full).into()),
        }
    }

    fn rejected(&self, why: Why) -> Rejected {
        Rejected::new(self.name, why)
    }

    /// Changes the line, and calls those who may come in after that. Nobody is woken under the lock.
    fn with_line<R>(&self, change: impl FnOnce(&mut Line<Option<Waker>>, Instant) -> R) -> R {
        let now = clock::now();
        let mut wakers = Wakers::default();
        let mut line = lock(&self.line);
        let result = change(&mut line, now);
        loop {
            let all_called = self.call(&mut line, &mut wakers, now);
            drop(line);
            wakers.wake();
            if all_called {
                return result;
            }
            line = lock(&self.line);
        }
    }

    /// Calls as many as fit, and lets the next keep watch if what is in front of it comes back with time. Returns whether
    /// that was all of them.
    fn call(&self, line: &mut Line<Option<Waker>>, wakers: &mut Wakers, now: Instant) -> bool {
        line.pass_over(now);
        let mut watch = None;
        while let Some((seat, weight)) = line.next(now) {
            let Some(promised) = self.capacity.offer(weight, line.promised()) else {
                watch = self.capacity.ready_at(weight, line.promised(), now).map(|at| (seat, at));
                break;
            };
            if wakers.is_full() {
                return false;
            }
            line.call(seat, promised, now);
            wakers.push(line.tag(seat).and_then(Option::take));
        }
        if !self.keep_watch(line, watch, wakers) {
            return false;
        }
        if line.is_empty() {
            self.capacity.waited_for(false);
        }
        let (floor, until) = line.floor(now);
        self.floor.store(floor, Ordering::Relaxed);
        self.floor_until.store(until.as_nanos(), Ordering::Relaxed);
        true
    }

    /// Whoever is to keep watch sets its timer when it is polled: it is woken, unless it keeps watch already and its timer
    /// rings in time. Returns whether there was room for its waker.
    fn keep_watch(&self, line: &mut Line<Option<Waker>>, watch: Option<(Seat, Instant)>, wakers: &mut Wakers) -> bool {
        if let (Some((seat, at)), Some((keeps, rings))) = (watch, line.watch)
            && seat == keeps
            && rings <= at
        {
            return true;
        }
        if let Some((seat, _)) = watch {
            if wakers.is_full() {
                return false;
            }
            wakers.push(line.tag(seat).and_then(Option::take));
        }
        line.watch = watch;
        true
    }
}

/// What a place asks of its room, whatever that is in front of.
pub(super) trait Seating: Send + Sync {
    /// How it stands; whoever waits is woken when that changes.
    fn look(&self, seat: Seat, cx: &mut Context<'_>) -> Turn;

    /// The moment has come for which somebody kept watch.
    fn time_has_passed(&self, seat: Seat);

    /// The time is up: whoever is still not called leaves.
    fn give_up(&self, seat: Seat, why: Why) -> Turn;

    fn leave(&self, seat: Seat);

    fn name(&self) -> Name;
}

impl<C: Capacity> Seating for Room<C> {
    fn look(&self, seat: Seat, cx: &mut Context<'_>) -> Turn {
        let mut waker = Some(cx.waker().clone());
        loop {
            let (standing, rings, _old_waker) = self.stand(seat, &mut waker);
            match standing {
                Some(Standing::Waiting) => return Turn::Waits(rings),
                Some(Standing::Called { .. }) => return Turn::Called,
                Some(Standing::Asleep { .. }) => self.with_line(|line, _| line.awaken(seat)),
                None => return Turn::Over(Why::Displaced),
            }
        }
    }

    fn time_has_passed(&self, seat: Seat) {
        let _waker = self.with_line(|line, _| {
            line.watch = None;
            // It is awake, and looks again.
            line.tag(seat).and_then(Option::take)
        });
    }

    fn give_up(&self, seat: Seat, why: Why) -> Turn {
        // Whoever was called before us and did not come is passed over first, and then it may be our turn.
        let _waker = self.with_line(|line, _| line.tag(seat).and_then(Option::take));
        let (turn, _) = self.with_line(|line, _| match line.standing(seat) {
            Some(Standing::Called { .. }) => (Turn::Called, None),
            Some(_) => (Turn::Over(why), line.leave(seat)),
            None => (Turn::Over(Why::Displaced), None),
        });
        turn
    }

    fn leave(&self, seat: Seat) {
        let _waker = self.with_line(|line, _| line.leave(seat));
    }

    fn name(&self) -> Name {
        self.name
    }
}

impl<C> Room<C> {
    /// How somebody stands, and the moment for which it keeps watch. One who waits leaves its waker, and gets back the one
    /// it left before.
    fn stand(&self, seat: Seat, waker: &mut Option<Waker>) -> (Option<Standing>, Option<Instant>, Option<Waker>) {
        let mut line = lock(&self.line);
        let standing = line.standing(seat);
        let old = match line.tag(seat) {
            Some(tag) if standing == Some(Standing::Waiting) => std::mem::replace(tag, waker.take()),
            _ => None,
        };
        let rings = line.watch.filter(|(keeps, _)| *keeps == seat).map(|(_, at)| at);
        (standing, rings, old)
    }
}
