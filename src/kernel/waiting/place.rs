use std::{
    any::Any,
    fmt,
    task::{Context, Poll},
};

use super::{
    line::Seat,
    room::{Room, Seating, Turn},
};
use crate::kernel::{Instant, Name, Rejected, Why, sync::Arc};

/// A call's place in a [`Room`].
///
/// Dropped, it is given up; if its turn had come, the turn goes to the next in line.
///
/// ```
/// use std::{sync::Arc, time::Duration};
/// use cofferdam::{Name, waiting::{Capacity, Claim, Order, Room, Turned}};
///
/// /// Nothing is ever free.
/// struct Shut;
/// # impl Capacity for Shut {
/// #     fn take(&self, _: u32) -> Option<u32> { None }
/// #     fn offer(&self, _: u32, _: u32) -> Option<u32> { None }
/// #     fn waited_for(&self, _: bool) {}
/// # }
///
/// let room = Arc::new(Room::new(Name::new("shut")?, Shut, 1, Duration::from_secs(1), Order::Fifo));
/// let claim = Claim { weight: 1, rank: 0, deadline: None, start_by: None };
/// let Err(Turned::Wait(place)) = room.enter(claim, &mut None) else { panic!("there is a place") };
/// assert!(place.is_in(&room));
///
/// drop(place);
/// assert_eq!(room.waiting(), 0);
/// # Ok::<(), cofferdam::Invalid>(())
/// ```
pub struct Place(Box<Standing>);

/// What there is of a place. It is in a box, so that those who are turned away do not carry room for it.
struct Standing {
    room: Arc<dyn Seating>,
    seat: Seat,
    since: Instant,
    until: Instant,
    /// Why it may wait no longer than that.
    why: Why,
    /// It has served its purpose, and nobody stands in it any more.
    spent: bool,
    /// By policies that are to know of the call while it waits.
    left: Vec<Box<dyn Left>>,
}

/// What a policy has left with a [`Place`]: it is dropped with it, unless it is [taken back](Place::take_back).
///
/// ```
/// use std::sync::Arc;
/// use cofferdam::{Admit, Ended, Immediate, Instant, Policy, Rejected, waiting::{Left, Place, Turned}};
///
/// /// Counts calls from the moment at which they are let in, those in line behind it included.
/// #[derive(Clone, Default)]
/// struct LetIn(Arc<()>);
///
/// struct Waits(Arc<()>);
/// impl Left for Waits {}
///
/// impl Policy for LetIn {
///     type Kind = Immediate;
///     type Token = Arc<()>;
///     fn settle(&self, _: Arc<()>, _: &Ended) {}
///     fn undo(&self, _: Arc<()>, _: Instant) {}
///     fn wait(&self, counted: Arc<()>, _: Instant, place: &mut Place) {
///         place.leave(Waits(counted));
///     }
/// }
///
/// impl<Request> Admit<Request> for LetIn {
///     fn admit(&self, _: &Request, _: Instant) -> Result<Arc<()>, Rejected> {
///         Ok(self.0.clone())
///     }
///     fn enter(&self, request: &Request, now: Instant, place: &mut Option<Place>) -> Result<Arc<()>, Turned> {
///         let counted = place.as_mut().and_then(|place| place.take_back(|waits: &Waits| Arc::ptr_eq(&waits.0, &self.0)));
///         Ok(match counted {
///             Some(Waits(counted)) => counted,
///             None => self.admit(request, now)?,
///         })
///     }
/// }
/// ```
pub trait Left: Any + Send + Sync {
    /// Ready when the policy ends the call while it waits. To be asked each time that the call is pending, as
    /// [`Policy::poll_cut`](crate::Policy::poll_cut).
    fn poll_cut(&mut self, cx: &mut Context<'_>) -> Poll<Rejected> {
        let _ = cx;
        Poll::Pending
    }
}

impl Place {
    pub(super) fn new(room: Arc<dyn Seating>, seat: Seat, since: Instant, until: Instant, why: Why) -> Self {
        Self(Box::new(Standing { room, seat, since, until, why, spent: false, left: Vec::new() }))
    }

    /// Whether it is in that very room, and has not served its purpose.
    #[must_use]
    pub fn is_in<C>(&self, room: &Arc<Room<C>>) -> bool {
        !self.0.spent && std::ptr::addr_eq(Arc::as_ptr(&self.0.room), Arc::as_ptr(room))
    }

    pub(super) fn seat(&self) -> Seat {
        self.0.seat
    }

    /// What policies have left with it stays: those that come after the room have not asked for it yet.
    pub(super) fn spend(&mut self) {
        self.0.spent = true;
    }

    /// The name of the room, which rejections carry.
    #[must_use]
    pub fn by(&self) -> Name {
        self.0.room.name()
    }

    /// Since when it has waited.
    #[must_use]
    pub fn since(&self) -> Instant {
        self.0.since
    }

    /// Until when it may wait.
    #[must_use]
    pub fn until(&self) -> Instant {
        self.0.until
    }

    /// Leaves something with the call for as long as it waits: see [`Policy::wait`](crate::Policy::wait).
    pub fn leave(&mut self, left: impl Left) {
        self.0.left.push(Box::new(left));
    }

    /// Takes back what was left there, if it is of this type and the one that is meant.
    pub fn take_back<L: Left>(&mut self, is_meant: impl Fn(&L) -> bool) -> Option<L> {
        let is_it = |left: &dyn Any| left.downcast_ref().is_some_and(&is_meant);
        let index = self.0.left.iter().position(|left| is_it(&**left))?;
        let left: Box<dyn Any> = self.0.left.swap_remove(index);
        left.downcast().ok().map(|left| *left)
    }

    /// What is left with another place of the same call, by those who have not been asked again yet.
    pub(super) fn take_over(&mut self, other: &mut Self) {
        self.0.left.append(&mut other.0.left);
    }

    /// Ready when a policy that has left something ends the call.
    pub(super) fn poll_cut(&mut self, cx: &mut Context<'_>) -> Poll<Rejected> {
        self.0.left.iter_mut().map(|left| left.poll_cut(cx)).find(Poll::is_ready).unwrap_or(Poll::Pending)
    }

    /// Why it may wait no longer than that.
    pub(super) fn why(&self) -> Why {
        self.0.why
    }

    /// How it stands. Whoever waits is woken when that changes.
    pub(super) fn look(&self, cx: &mut Context<'_>) -> Turn {
        self.0.room.look(self.0.seat, cx)
    }

    /// The moment has come for which it kept a timer.
    pub(super) fn time_has_passed(&self) {
        self.0.room.time_has_passed(self.0.seat);
    }

    /// Its time is up, for that reason. It may still be its turn, as the time of others is up as well.
    pub(super) fn give_up(&self, why: Why) -> Result<(), Rejected> {
        match self.0.room.give_up(self.0.seat, why) {
            Turn::Called => Ok(()),
            Turn::Waits(_) => Err(self.rejected(why)),
            Turn::Over(why) => Err(self.rejected(why)),
        }
    }

    pub(super) fn rejected(&self, why: Why) -> Rejected {
        Rejected::new(self.0.room.name(), why)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.0.spent {
            self.0.room.leave(self.0.seat);
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("room", &self.0.room.name()).field("until", &self.0.until).finish_non_exhaustive()
    }
}

/// Why a call was not let in: for good, or for now.
///
/// ```
/// use std::{sync::Arc, time::Duration};
/// use cofferdam::{Name, Why, waiting::{Capacity, Claim, Order, Room, Turned}};
///
/// /// Nothing is ever free.
/// struct Shut;
/// # impl Capacity for Shut {
/// #     fn take(&self, _: u32) -> Option<u32> { None }
/// #     fn offer(&self, _: u32, _: u32) -> Option<u32> { None }
/// #     fn waited_for(&self, _: bool) {}
/// # }
///
/// let room = Arc::new(Room::new(Name::new("shut")?, Shut, 1, Duration::from_secs(1), Order::Fifo));
/// let claim = Claim { weight: 1, rank: 0, deadline: None, start_by: None };
/// let Err(Turned::Wait(place)) = room.enter(claim, &mut None) else { panic!("there is a place") };
///
/// let Err(Turned::Away(rejected)) = room.enter(claim, &mut None) else { panic!("there is only one") };
/// assert_eq!(rejected.why(), Why::Full);
/// # let _ = place;
/// # Ok::<(), cofferdam::Invalid>(())
/// ```
#[derive(Debug)]
pub enum Turned {
    /// It is rejected.
    Away(Rejected),
    /// It may come again when its turn has come.
    Wait(Place),
}

impl From<Rejected> for Turned {
    fn from(rejected: Rejected) -> Self {
        Self::Away(rejected)
    }
}
