use std::{
    task::{Context, Waker},
    time::Duration,
};

use super::{
    Order, Place, Turned,
    line::{Line, Rules, Seat, Standing},
};
use crate::kernel::{
    Deadline, Instant, Name, Rejected, Why, clock,
    sync::{Arc, AtomicU64, Mutex, Ordering, lock},
};

/// What a line is in front of.
///
/// It counts what is taken by itself, without the room: while nobody waits, whoever comes takes and gives back, and the room
/// hears nothing of it. Every change that makes something free has to tell the room if anybody waits: see
/// [`Room::advance`]. The order in which it is written matters: first free it, then look whether anybody waits, and
/// best of all do both in one atomic operation.
///
/// The room calls these methods while it holds its lock: they count, and call nothing else, least of all the room. What
/// `offer` promised is there to be taken, unless something else took it meanwhile.
pub trait Capacity: Send + Sync + 'static {
    /// Takes that much, or all there is if it asks for more than all, for somebody whose turn it is, whoever else waits.
    /// Returns how much, or `None` if that is not free.
    fn take(&self, weight: u32) -> Option<u32>;

    /// What [`take`](Self::take) would take, if that were free besides what is `promised` to others.
    fn offer(&self, weight: u32, promised: u32) -> Option<u32>;

    /// Somebody waits from now on, or nobody any more. While somebody does, newcomers may not take without the room.
    fn waited_for(&self, by_somebody: bool);
}

/// A bounded room in which calls wait for their turn, in front of a [`Capacity`].
///
/// See the [module](super).
#[derive(Debug)]
pub struct Room<C> {
    name: Name,
    capacity: C,
    /// In nanoseconds.
    longest_wait: AtomicU64,
    line: Mutex<Line<Option<Waker>>>,
}

/// How a call stands in line.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// How much of the capacity it takes.
    pub weight: u32,
    /// Higher ranks go first, and may take the place of a lower one when the room is full.
    pub rank: u64,
    /// It waits no longer than that.
    pub deadline: Option<Deadline>,
}

/// What became of a place, when somebody looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Waits,
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
        lock(&self.line).len()
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
        match place.take_if(|place| place.is_in(self)) {
            Some(place) => self.redeem(place),
            None => self.line_up(claim),
        }
    }

    /// Something has become free: calls as many as that is enough for.
    #[cold]
    pub fn advance(&self) {
        self.with_line(|_, _| ());
    }

    fn redeem(&self, place: Place) -> Result<u32, Turned> {
        let seat = place.seat();
        let taken = self.with_line(|line, _| {
            let Some(Standing::Called { .. }) = line.standing(seat) else { return (None, None) };
            match line.weight(seat).and_then(|weight| self.capacity.take(weight)) {
                Some(taken) => (Some(taken), line.leave(seat)),
                None => {
                    line.wait_again(seat);
                    (None, None)
                }
            }
        });
        match taken {
            (Some(taken), _waker) => {
                place.spend();
                Ok(taken)
            }
            (None, _) => Err(Turned::Wait(place)),
        }
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
        let joined = self.with_line(|line, now| {
            // From here on nobody takes without asking; what became free before is found by those who are called next.
            self.capacity.waited_for(true);
            line.pass_over(now);
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
                let place = Place::new(Arc::clone(self) as Arc<dyn Seating>, seat, until, why);
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

    /// Calls as many as fit. Returns whether that was all of them.
    fn call(&self, line: &mut Line<Option<Waker>>, wakers: &mut Wakers, now: Instant) -> bool {
        line.pass_over(now);
        while let Some((seat, weight)) = line.next(now) {
            let Some(promised) = self.capacity.offer(weight, line.promised()) else { break };
            if wakers.is_full() {
                return false;
            }
            line.call(seat, promised, now);
            wakers.push(line.tag(seat).and_then(Option::take));
        }
        if line.is_empty() {
            self.capacity.waited_for(false);
        }
        true
    }
}

/// What a place asks of its room, whatever that is in front of.
pub(super) trait Seating: Send + Sync {
    /// How it stands; whoever waits is woken when that changes.
    fn look(&self, seat: Seat, cx: &mut Context<'_>) -> Turn;

    /// The time is up: whoever is still not called leaves.
    fn give_up(&self, seat: Seat, why: Why) -> Turn;

    fn leave(&self, seat: Seat);

    fn name(&self) -> Name;
}

impl<C: Capacity> Seating for Room<C> {
    fn look(&self, seat: Seat, cx: &mut Context<'_>) -> Turn {
        let mut waker = Some(cx.waker().clone());
        loop {
            let (standing, _old_waker) = self.stand(seat, &mut waker);
            match standing {
                Some(Standing::Waiting) => return Turn::Waits,
                Some(Standing::Called { .. }) => return Turn::Called,
                Some(Standing::Asleep) => self.with_line(|line, _| line.awaken(seat)),
                None => return Turn::Over(Why::Displaced),
            }
        }
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
    /// How somebody stands. One who waits leaves its waker, and gets back the one it left before.
    fn stand(&self, seat: Seat, waker: &mut Option<Waker>) -> (Option<Standing>, Option<Waker>) {
        let mut line = lock(&self.line);
        let standing = line.standing(seat);
        let old = match line.tag(seat) {
            Some(tag) if standing == Some(Standing::Waiting) => std::mem::replace(tag, waker.take()),
            _ => None,
        };
        (standing, old)
    }
}

/// How many are called at a time before they are woken.
const AT_A_TIME: usize = 16;

/// Those who were called.
#[derive(Default)]
struct Wakers {
    called: [Option<Waker>; AT_A_TIME],
    count: usize,
}

impl Wakers {
    fn is_full(&self) -> bool {
        self.count == AT_A_TIME
    }

    fn push(&mut self, waker: Option<Waker>) {
        self.called[self.count] = waker;
        self.count += 1;
    }

    fn wake(&mut self) {
        for waker in self.called[..self.count].iter_mut().filter_map(Option::take) {
            waker.wake();
        }
        self.count = 0;
    }
}
