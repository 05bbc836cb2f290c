//! What a policy is.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use super::{
    Bell, Ended, Guard, Instant, Kind, Name, Rejected, guard,
    waiting::{Place, Turned},
};

/// Bookkeeping about calls: it is told how each admitted one ended.
///
/// A policy is told the time, never waits, never spawns, and runs no user code under a lock. It is its own handle: a
/// clone shares its state, so keep one to read or change it after the other went into a guard.
///
/// Policies compose by value: a tuple of up to eight policies is a policy that admits in order, takes back what the
/// earlier ones gave when a later one rejects, and settles in reverse. [`Option`], [`Arc`](std::sync::Arc) and
/// [`Shadow`](crate::Shadow) of a policy are policies.
///
/// ```
/// use std::sync::{Arc, atomic::{AtomicU64, Ordering}};
/// use cofferdam::{Admit, Ended, Immediate, Instant, Policy, Rejected};
///
/// /// Counts calls in flight; rejects none.
/// #[derive(Clone, Default)]
/// struct InFlight(Arc<AtomicU64>);
///
/// impl Policy for InFlight {
///     type Kind = Immediate;
///     type Token = ();
///     fn settle(&self, (): (), _: &Ended) {
///         self.0.fetch_sub(1, Ordering::Relaxed);
///     }
///     fn undo(&self, (): (), _: Instant) {
///         self.0.fetch_sub(1, Ordering::Relaxed);
///     }
/// }
///
/// impl<Request> Admit<Request> for InFlight {
///     fn admit(&self, _: &Request, _: Instant) -> Result<(), Rejected> {
///         self.0.fetch_add(1, Ordering::Relaxed);
///         Ok(())
///     }
/// }
/// ```
pub trait Policy {
    /// [`Immediate`](super::Immediate), or [`Waiting`](super::Waiting) for one that has a line. A group has a
    /// line if one of its members has.
    type Kind: Kind;

    /// Handed out on admission and given back once: a generation, a slot, a start time. Where an answer may [last](Self::lasts)
    /// longer than what it stands for, it can be without that.
    type Token;

    /// How closely it looks at the time. A group reads the clock as its most exact member needs it.
    const TIMING: Timing = Timing::Exact;

    /// How closely it looks at the time at which a call [ends](Self::settle). Unless it says otherwise, as closely as at any time.
    const TIMING_OF_ENDS: Timing = Self::TIMING;

    /// How closely it looks at the time at which a call [asks to be admitted](Admit::admit). Unless it says otherwise, as closely as
    /// at any time. If it does not at all, those that it turns away cost no look at the clock, and the others have theirs once
    /// they are admitted.
    const TIMING_OF_ADMISSION: Timing = Self::TIMING;

    /// The head of the answer is here, and the call goes on: over HTTP, its body is still to come. Called at most once, before
    /// [`settle`](Self::settle), and never for an answer that is whole at once. Most policies wait for the end.
    fn head(&self, token: &Self::Token, started: Instant, now: Instant) {
        let _ = (token, started, now);
    }

    /// The [head](Self::head) that is here is that of a lasting answer: it goes on for as long as its reader stays, such as
    /// server-sent events. Called at most once, after `head` and before [`settle`](Self::settle). `head` is how the call would
    /// have ended if it had ended with its head.
    ///
    /// A policy for which it has, as it counts work and not listeners, gives back now what it gave out, and takes it out of the
    /// token, so that there is nothing left to give back a second time. It is told of the end all the same. Most policies
    /// wait for that.
    #[inline]
    fn lasts(&self, token: &mut Self::Token, head: &Ended) {
        let _ = (token, head);
    }

    /// The call goes on, and has nothing new at the moment: neither an answer, nor more of its body. A policy that ends calls
    /// early says so here; the call is then answered with that rejection, and settled. One that may do so later wakes the
    /// task when it does. Called each time that an admitted call is pending. Most policies leave calls alone.
    ///
    /// An HTTP body that has begun can be ended early by those only whose kind says so: see [`Cutting`](super::Cutting).
    #[inline]
    fn poll_cut(&self, token: &mut Self::Token, cx: &mut Context<'_>) -> Poll<Rejected> {
        let _ = (token, cx);
        Poll::Pending
    }

    /// The call that this token stands for was made, and ended. Called exactly once per token that is not undone.
    fn settle(&self, token: Self::Token, ended: &Ended);

    /// The call was admitted here and never made, as a later policy rejected it: give back what was taken, learn nothing.
    fn undo(&self, token: Self::Token, now: Instant);

    /// The call was admitted here, and a later policy of the group asks it to wait: it is not made now, and comes again with this
    /// place. Unless overridden this is [`undo`](Self::undo), so that what waits holds nothing. A policy that has to know of
    /// calls while they wait [leaves something](Place::leave) with the place, and [takes it back](Place::take_back) when the
    /// call [enters](Admit::enter) again.
    fn wait(&self, token: Self::Token, now: Instant, place: &mut Place) {
        let _ = place;
        self.undo(token, now);
    }

    /// What it is called in events; the first name in a group.
    fn name(&self) -> Option<Name> {
        None
    }

    /// Shows the bells that ring when it [shuts](Admit::shut), for one that does: tasks that wait for a service to become
    /// ready are woken by them.
    fn bells(&self, visit: &mut dyn FnMut(&Arc<Bell>)) {
        let _ = visit;
    }

    /// Whether the server goes, so that clients had better turn to another one: answers say so where the protocol has words
    /// for it. Most policies never do.
    #[inline]
    fn is_departing(&self) -> bool {
        false
    }

    /// This policy first, then `other`, as one: see the [tuples](Policy).
    fn and<P: Policy>(self, other: P) -> (Self, P)
    where
        Self: Sized,
    {
        (self, other)
    }

    /// A [`Guard`] with this policy alone, to be used as a Tower layer.
    fn layer(self) -> Guard<Self>
    where
        Self: Sized,
    {
        guard(self)
    }
}

/// How closely a policy looks at the time, and so what it costs to tell it.
///
/// ```
/// use cofferdam::{Bulkhead, CircuitBreaker, Policy, Timing};
///
/// assert_eq!(<Bulkhead>::TIMING, Timing::Unused);
/// assert_eq!(<(CircuitBreaker, Bulkhead)>::TIMING, Timing::Coarse);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timing {
    /// It does not. Every moment that it is told is [`Instant::ORIGIN`].
    Unused,
    /// To a tick of the system's clock, which is 1 to 10 ms. For what is counted in seconds.
    Coarse,
    /// As closely as the system can tell.
    Exact,
}

impl Timing {
    /// The more exact of the two.
    #[must_use]
    pub const fn closer(self, other: Self) -> Self {
        if self as u8 > other as u8 { self } else { other }
    }
}

/// A policy that can judge requests of this type.
pub trait Admit<Request>: Policy {
    /// Admits the request, or says why not.
    ///
    /// # Errors
    ///
    /// [`Rejected`]; the inner service is then not called.
    fn admit(&self, request: &Request, now: Instant) -> Result<Self::Token, Rejected>;

    /// Admits the request, says why not, or gives it a place in line.
    ///
    /// `place` is the place that the call has waited in, if it has: a policy that finds it to be one of its own
    /// [`Room`](crate::waiting::Room) lets the call in ahead of others. Policies without a line leave this as it is.
    ///
    /// # Errors
    ///
    /// [`Turned`]: the call is rejected, or it has to wait. Then it is to come again, to the whole group, with its place.
    fn enter(&self, request: &Request, now: Instant, place: &mut Option<Place>) -> Result<Self::Token, Turned> {
        let _ = place;
        Ok(self.admit(request, now)?)
    }

    /// Why any request at all would be rejected now, if that is so. The service behind is then left alone, even when it
    /// never becomes ready.
    ///
    /// The time is a function because most of the time nobody needs it.
    fn shut(&self, now: impl FnOnce() -> Instant) -> Option<Rejected> {
        let _ = now;
        None
    }
}
