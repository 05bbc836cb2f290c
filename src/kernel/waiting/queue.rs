//! With a line or without: in the type, so that a policy without one pays nothing for it.

use super::{Capacity, Claim, Place, Queued, Room, Turned};
use crate::kernel::{
    Immediate, Kind, Name, Waiting,
    context::{Bounds, DeadlineSource, NoDeadline},
    sync::Arc,
};

/// No line: whoever finds nothing free is rejected at once.
#[derive(Clone, Copy, Debug)]
pub struct NoQueue;

/// A line: whoever finds nothing free waits for it. The builders of policies make it of their [`Queued`].
#[derive(Clone, Debug)]
pub struct Queue<C, D = NoDeadline> {
    room: Arc<Room<C>>,
    deadline: D,
}

impl<C: Capacity, D: Clone> Queue<C, D> {
    /// With these settings, and nobody in it.
    pub(crate) fn new(name: Name, capacity: C, settings: Queued<D>) -> Self {
        let Queued { length, max_wait, order, deadline } = settings;
        Self { room: Arc::new(Room::new(name, capacity, length, max_wait, order)), deadline }
    }

    /// The same line in front of something else, with nobody in it.
    pub(crate) fn in_front_of(&self, name: Name, capacity: C) -> Self {
        Self::new(name, capacity, self.settings())
    }

    pub(crate) fn settings(&self) -> Queued<D> {
        let (length, max_wait, order) = self.room.rules();
        Queued { length, max_wait, order, deadline: self.deadline.clone() }
    }

    /// Those who wait keep their places.
    pub(crate) fn configure(&self, settings: Queued<D>) {
        self.room.configure(settings.length, settings.max_wait, settings.order);
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.room.waiting()
    }
}

/// What a policy does with calls for which nothing is free: [`NoQueue`] or [`Queue`].
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

    /// Takes what is free for the call whose turn it is, and gives a place to every other; `None` if there is no line.
    #[doc(hidden)]
    fn line_up(&self, request: &Request, weight: u32, place: &mut Option<Place>) -> Option<Result<u32, Turned>>;
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

    #[inline]
    fn line_up(&self, _: &Request, _: u32, _: &mut Option<Place>) -> Option<Result<u32, Turned>> {
        None
    }
}

impl<C: Capacity + Clone, D: Bounds + Clone> Line for Queue<C, D> {
    type Kind = Waiting;

    fn advance(&self) {
        self.room.advance();
    }
}

impl<Request, C: Capacity + Clone, D: DeadlineSource<Request>> LineFor<Request> for Queue<C, D> {
    #[inline]
    fn has_seen(&self, place: Option<&Place>) -> bool {
        place.is_some_and(|place| place.is_in(&self.room))
    }

    #[cold]
    fn line_up(&self, request: &Request, weight: u32, place: &mut Option<Place>) -> Option<Result<u32, Turned>> {
        let claim = Claim { weight, rank: 0, deadline: self.deadline.read(request), start_by: None };
        Some(self.room.enter(claim, place))
    }
}

mod sealed {
    pub trait Sealed {}

    impl Sealed for super::NoQueue {}
    impl<C, D> Sealed for super::Queue<C, D> {}
}
