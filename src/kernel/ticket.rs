//! The one guard: nothing else gives back what a policy gave out.

use std::{
    mem,
    pin::Pin,
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
    policy: Held<P>,
    token: Option<P::Token>,
    started: Instant,
    /// [`Instant::NEVER`] if the head did not come before the end.
    head: Instant,
}

impl<P: Policy> Ticket<P> {
    #[inline]
    pub(crate) fn new(policy: Held<P>, token: P::Token, started: Instant) -> Self {
        Self { policy, token: Some(token), started, head: Instant::NEVER }
    }

    /// The head of the answer is here, and the rest is still to come.
    #[cfg_attr(not(feature = "http"), allow(dead_code))]
    pub fn head(&mut self) {
        self.head = now_for::<P>();
        if let Some(token) = &self.token {
            self.policy.head(token, self.started, self.head);
        }
    }

    /// Ready when a policy ends the call early: it is then to be [`cut`](Self::cut). To be asked each time that the call is
    /// pending.
    #[inline]
    pub fn poll_cut(&mut self, cx: &mut Context<'_>) -> Poll<Rejected> {
        match &mut self.token {
            Some(token) => self.policy.poll_cut(token, cx),
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
        self.policy.is_departing()
    }

    /// The call has ended like this.
    #[inline]
    pub fn settle(mut self, reading: Reading) {
        self.end(reading);
    }

    #[inline(always)] // or a guard's future is written to memory and read again
    fn end(&mut self, reading: Reading) {
        if let Some(token) = self.token.take() {
            let ended = Ended {
                outcome: reading.outcome,
                started: self.started,
                head: Some(self.head).filter(|head| *head != Instant::NEVER),
                now: now_for::<P>(),
                retry_after: reading.retry_after,
            };
            if event::anybody() {
                end_aloud(&*self.policy, token, ended);
            } else {
                self.policy.settle(token, &ended);
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

impl<P: Policy> Drop for Ticket<P> {
    #[inline]
    fn drop(&mut self) {
        self.end(Reading::of(Outcome::Abandoned));
    }
}

/// The time, as closely as the policy looks at it.
#[inline]
pub(crate) fn now_for<P: Policy>() -> Instant {
    match P::TIMING {
        Timing::Unused => Instant::ORIGIN,
        Timing::Coarse => clock::coarse(),
        Timing::Exact => clock::now(),
    }
}

/// Settles the ticket as a failure if `run` panics.
///
/// A guard around the call itself is the only thing that sees this: by the time the future is dropped, whoever caught
/// the panic may have stopped the unwinding long ago.
#[inline]
pub(crate) fn watch<P: Policy, T>(ticket: &mut Option<Ticket<P>>, run: impl FnOnce() -> T) -> T {
    struct OnPanic<'a, P: Policy>(&'a mut Option<Ticket<P>>);

    impl<P: Policy> Drop for OnPanic<'_, P> {
        fn drop(&mut self) {
            if let Some(ticket) = self.0.take() {
                ticket.settle(Reading::of(Outcome::Failure));
            }
        }
    }

    let on_panic = OnPanic(ticket);
    let result = run();
    mem::forget(on_panic);
    result
}

/// The answer of a call, or the reason for which it was ended early.
type Done<F> = Result<<F as Future>::Output, Rejected>;

/// Polls an admitted call, and hands out its ticket with its answer, or with the reason for which it is ended early.
#[inline]
pub(crate) fn poll_watched<P: Policy, F: Future>(
    future: Pin<&mut F>,
    ticket: &mut Option<Ticket<P>>,
    cx: &mut Context<'_>,
) -> Poll<(Done<F>, Ticket<P>)> {
    let polled = match watch(ticket, || future.poll(cx)) {
        Poll::Ready(answer) => Poll::Ready(Ok(answer)),
        Poll::Pending => poll_cut(ticket, cx).map(Err),
    };
    polled.map(|answer| (answer, ticket.take().expect("a future is not polled after its end")))
}

/// Whether a call that is pending is ended early.
#[inline]
pub(crate) fn poll_cut<P: Policy>(ticket: &mut Option<Ticket<P>>, cx: &mut Context<'_>) -> Poll<Rejected> {
    ticket.as_mut().map_or(Poll::Pending, |ticket| ticket.poll_cut(cx))
}
