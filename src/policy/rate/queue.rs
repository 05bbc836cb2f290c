//! With a line or without: in the type, so that a rate limit without one pays nothing for it.

use super::state::{Permits, State};
use crate::kernel::{
    Immediate, Instant, Kind, Name, Rejected, Waiting, Why,
    context::{Bounds, DeadlineSource, NoDeadline},
    sync::Arc,
    waiting::{Claim, Place, Queued, Room, Turned},
};

/// No line: whoever finds no permits is rejected at once.
#[derive(Clone, Copy, Debug)]
pub struct NoQueue;

/// A line: whoever finds no permits waits for them. See [`Builder::queue`](super::Builder::queue).
#[derive(Clone, Debug)]
pub struct Queue<D = NoDeadline> {
    pub(super) room: Arc<Room<Arc<State>>>,
    pub(super) deadline: D,
}

impl<D: Clone> Queue<D> {
    /// The same line in front of other permits, with nobody in it.
    pub(super) fn in_front_of(&self, name: Name, state: &Arc<State>) -> Self {
        let (room, deadline) = Queued::of(&self.room, &self.deadline).in_front_of(name, Arc::clone(state));
        Self { room, deadline }
    }
}

/// What a call asks for.
#[doc(hidden)]
#[derive(Debug)]
pub struct Wanted<'r, Request> {
    pub(super) state: &'r State,
    pub(super) name: Name,
    pub(super) request: &'r Request,
    pub(super) weight: u32,
    pub(super) now: Instant,
}

/// What a rate limit does with calls for which there are no permits: [`NoQueue`] or [`Queue`].
pub trait Line: Clone + sealed::Sealed {
    /// Whether calls may wait.
    type Kind: Kind;

    /// Permits are back sooner than they were to be, while somebody waited for them.
    #[doc(hidden)]
    fn advance(&self);
}

/// A [`Line`] that requests of this type can stand in.
pub trait LineFor<Request>: Line {
    /// Whether the call has waited in this line.
    #[doc(hidden)]
    fn has_seen(&self, place: Option<&Place>) -> bool;

    /// Takes permits for the call whose turn it is, and gives a place to every other.
    #[doc(hidden)]
    fn line_up(&self, wanted: Wanted<'_, Request>, place: &mut Option<Place>) -> Result<Permits, Turned>;
}

impl Line for NoQueue {
    type Kind = Immediate;

    fn advance(&self) {}
}

impl<Request> LineFor<Request> for NoQueue {
    #[inline]
    fn has_seen(&self, _: Option<&Place>) -> bool {
        false
    }

    fn line_up(&self, wanted: Wanted<'_, Request>, _: &mut Option<Place>) -> Result<Permits, Turned> {
        let Wanted { state, name, weight, now, .. } = wanted;
        Ok(state.take_or_reject(name, weight, now)?)
    }
}

impl<D: Bounds + Clone> Line for Queue<D> {
    type Kind = Waiting;

    fn advance(&self) {
        self.room.advance();
    }
}

impl<Request, D: DeadlineSource<Request>> LineFor<Request> for Queue<D> {
    #[inline]
    fn has_seen(&self, place: Option<&Place>) -> bool {
        place.is_some_and(|place| place.is_in(&self.room))
    }

    #[cold]
    fn line_up(&self, wanted: Wanted<'_, Request>, place: &mut Option<Place>) -> Result<Permits, Turned> {
        let Wanted { state, name, request, weight, .. } = wanted;
        let claim = Claim { weight, rank: 0, deadline: self.deadline.read(request), start_by: None };
        match self.room.enter(claim, place) {
            Ok(taken) => Ok(state.taken_by_the_room(taken, Instant::now())),
            // A full line is no answer to "when": the limit is.
            Err(Turned::Away(rejected)) if rejected.why() == Why::Full => {
                let now = Instant::now();
                let until = state.ready_for(weight, 0, now);
                Err(Rejected::new(name, Why::RateLimited).with_retry_after(until.since(now)).into())
            }
            Err(turned) => Err(turned),
        }
    }
}

mod sealed {
    pub trait Sealed {}

    impl Sealed for super::NoQueue {}
    impl<D> Sealed for super::Queue<D> {}
}
