//! With a line or without: in the type, so that a bulkhead without one pays nothing for it.

use crate::kernel::{
    Immediate, Kind, Name, Rejected, Waiting, Why,
    context::{Bounds, DeadlineSource, NoDeadline},
    sync::Arc,
    waiting::{Claim, Place, Queued, Room, Slots, Turned},
};

/// No line: whoever finds no slot is rejected at once.
#[derive(Clone, Copy, Debug)]
pub struct NoQueue;

/// A line: whoever finds no slot waits for one. See [`Builder::queue`](super::Builder::queue).
#[derive(Clone, Debug)]
pub struct Queue<D = NoDeadline> {
    pub(super) room: Arc<Room<Arc<Slots>>>,
    pub(super) deadline: D,
}

impl<D: Clone> Queue<D> {
    /// The same line in front of other slots, with nobody in it.
    pub(super) fn in_front_of(&self, name: Name, slots: &Arc<Slots>) -> Self {
        let (room, deadline) = Queued::of(&self.room, &self.deadline).in_front_of(name, Arc::clone(slots));
        Self { room, deadline }
    }
}

/// What a bulkhead does with calls for which there is no slot: [`NoQueue`] or [`Queue`].
pub trait Line: Clone + sealed::Sealed {
    /// Whether calls may wait.
    type Kind: Kind;

    /// Something has become free while somebody waited for it.
    #[doc(hidden)]
    fn advance(&self);
}

/// A [`Line`] that requests of this type can stand in.
pub trait LineFor<Request>: Line {
    /// Whether the call has waited in this line.
    #[doc(hidden)]
    fn has_seen(&self, place: Option<&Place>) -> bool;

    /// Takes slots for the call whose turn it is, and gives a place to every other.
    #[doc(hidden)]
    fn line_up(&self, name: Name, request: &Request, weight: u32, place: &mut Option<Place>) -> Result<u32, Turned>;
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

    fn line_up(&self, name: Name, _: &Request, _: u32, _: &mut Option<Place>) -> Result<u32, Turned> {
        Err(Rejected::new(name, Why::Full).into())
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
    fn line_up(&self, _: Name, request: &Request, weight: u32, place: &mut Option<Place>) -> Result<u32, Turned> {
        self.room.enter(Claim { weight, rank: 0, deadline: self.deadline.read(request), start_by: None }, place)
    }
}

mod sealed {
    pub trait Sealed {}

    impl Sealed for super::NoQueue {}
    impl<D> Sealed for super::Queue<D> {}
}
