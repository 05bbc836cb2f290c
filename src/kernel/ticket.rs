//! The one guard: nothing else gives back what a policy gave out.

use std::{
    fmt, mem,
    task::{Context, Poll},
};

use super::{Ended, Instant, Outcome, Policy, Reading, Rejected, Timing, clock, event, shared::Held};

/// One admitted call.
///
/// It settles exactly once: with what was read from the answer, as [`Outcome::Failure`] if the call panicked, or else
/// on drop as [`Outcome::Abandoned`]. It is made before the inner service is called, so there is no moment at which an
/// admission can be lost.
///
/// [`Protocol`](crate::Protocol) implementations receive it with the answer, and keep it for as long as the call lasts.
#[must_use = "an admitted call that nobody follows is abandoned"]
pub struct Ticket<P: Policy> {
    /// Nothing once it has settled.
    open: Option<Open<P>>,
}

/// A call that has not ended.
struct Open<P: Policy> {
    policy: Held<P>,
    token: P::Token,
    started: Instant,
    /// [`Instant::NEVER`] if the head did not come before the end.
    head: Instant,
}

impl<P: Policy> Ticket<P> {
    #[inline(always)]
    pub(crate) fn new(policy: Held<P>, token: P::Token, started: Instant) -> Self {
        Self { open: Some(Open { policy, token, started, head: Instant::NEVER }) }
    }

    /// The head of the answer is here, and the rest is still to come.
    #[cfg_attr(not(feature = "http"), allow(dead_code))]
    pub fn head(&mut self) {
        if let Some(open) = &mut self.open {
            open.head = now_for::<P>();
            open.policy.head(&open.token, open.started, open.head);
        }
    }

    /// The head of the answer is here, which reads like this, and it is that of a lasting answer: see [`Policy::lasts`].
    #[cold]
    #[cfg_attr(not(feature = "http"), allow(dead_code))]
    pub fn lasts(&mut self, reading: Reading) {
        self.head();
        if let Some(open) = &mut self.open {
            let mut ended = Ended::new(reading.outcome, open.started, open.head);
            ended.retry_after = reading.retry_after;
            open.policy.lasts(&mut open.token, &ended);
        }
    }

    /// Ready when a policy ends the call early: it is then to be [`cut`](Self::cut). To be asked each time that the call is
    /// pending.
    #[inline]
    pub fn poll_cut(&mut self, cx: &mut Context<'_>) -> Poll<Rejected> {
        match &mut self.open {
            Some(open) => open.policy.poll_cut(&mut open.token, cx),
            None => Poll::Pending,
        }
    }

    /// The call was ended early.
    #[cold]
    pub fn cut(self, rejected: Rejected) {
        event::rejected(rejected);
        self.settle(Reading::of_rejection(rejected));
    }

    /// Whether the answer is to send the client elsewhere: see [`Policy::is_departing`].
    #[inline]
    pub fn is_departing(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.policy.is_departing())
    }

    /// The call has ended like this.
    #[inline(always)] // or a call's way out is a function of its own where a policy is used twice
    pub fn settle(mut self, reading: Reading) {
        self.end(reading);
    }

    #[inline(always)] // or a guard's future is written to memory and read again
    fn end(&mut self, reading: Reading) {
        // Taken out whole: what is left has nothing to drop, and what was taken out can be in registers.
        if let Some(Open { policy, token, started, head }) = self.open.take() {
            let aloud = event::anybody();
            let ended = Ended {
                outcome: reading.outcome,
                started,
                head: Some(head).filter(|head| *head != Instant::NEVER),
                // Whoever listens hears how long it took, also where no policy cares.
                now: now_by(if aloud { P::TIMING } else { P::TIMING_OF_ENDS }),
                retry_after: reading.retry_after,
            };
            if aloud {
                end_aloud(&*policy, token, ended);
            } else {
                policy.settle(token, &ended);
            }
        }
    }
}

/// Settles, and tells those who listen. It is not given the ticket, which can then stay in registers.
#[cold]
#[inline(never)]
fn end_aloud<P: Policy>(policy: &P, token: P::Token, ended: Ended) {
    policy.settle(token, &ended);
    event::ended(policy.name(), &ended);
}

impl<P: Policy> fmt::Debug for Ticket<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket").field("is_open", &self.open.is_some()).finish_non_exhaustive()
    }
}

impl<P: Policy> Drop for Ticket<P> {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(open) = self.open.take() {
            end_unread(open, Outcome::Abandoned);
        }
    }
}

/// Settles a call that has no answer. Out of the way of those that have one, and by value, so that theirs stay in registers.
#[cold]
#[inline(never)]
fn end_unread<P: Policy>(open: Open<P>, outcome: Outcome) {
    Ticket { open: Some(open) }.settle(Reading::of(outcome));
}

/// The time, as closely as the policy looks at it.
#[inline(always)]
pub(crate) fn now_for<P: Policy>() -> Instant {
    now_by(P::TIMING)
}

/// The same, for a call that asks to be admitted.
#[inline(always)]
pub(crate) fn now_to_admit<P: Policy>() -> Instant {
    now_by(P::TIMING_OF_ADMISSION)
}

/// When a call begins that was admitted at that time, or without a look at it.
#[inline(always)]
pub(crate) fn now_to_begin<P: Policy>(admitted: Instant) -> Instant {
    if P::TIMING_OF_ADMISSION == Timing::Unused { now_for::<P>() } else { admitted }
}

#[inline(always)]
fn now_by(timing: Timing) -> Instant {
    match timing {
        Timing::Unused => Instant::ORIGIN,
        Timing::Coarse => clock::coarse(),
        Timing::Exact => clock::now(),
    }
}

/// Settles the ticket as a failure if `run` panics.
///
/// A guard around the call itself is the only thing that sees this: by the time the future is dropped, whoever caught
/// the panic may have stopped the unwinding long ago.
#[inline(always)]
pub(crate) fn watch<P: Policy, T>(ticket: &mut Option<Ticket<P>>, run: impl FnOnce() -> T) -> T {
    let watched = Watched(ticket);
    let result = run();
    watched.over();
    result
}

/// The same, for those who run what takes something large: a closure would move that once more.
pub(crate) struct Watched<'a, P: Policy>(pub(crate) &'a mut Option<Ticket<P>>);

impl<P: Policy> Watched<'_, P> {
    /// What was run has not panicked.
    #[inline(always)]
    pub(crate) fn over(self) {
        mem::forget(self);
    }
}

impl<P: Policy> Drop for Watched<'_, P> {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(open) = self.0.as_mut().and_then(|ticket| ticket.open.take()) {
            end_unread(open, Outcome::Failure);
        }
    }
}

/// Whether a call that is pending is ended early.
#[inline]
pub(crate) fn poll_cut<P: Policy>(ticket: &mut Option<Ticket<P>>, cx: &mut Context<'_>) -> Poll<Rejected> {
    ticket.as_mut().map_or(Poll::Pending, |ticket| ticket.poll_cut(cx))
}
