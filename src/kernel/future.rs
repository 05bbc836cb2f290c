//! The futures of admitted and rejected calls.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;

use super::{
    Classify, Policy, Protocol, Reading, Refused, Rejected, Ticket, event,
    ticket::{poll_cut, watch},
};

pin_project! {
    #[project = StateProjection]
    enum State<F, P: Policy> {
        Admitted { #[pin] inner: F, ticket: Option<Ticket<P>> },
        Rejected { rejected: Rejected },
    }
}

/// The ticket of a call that has ended.
#[inline(always)]
fn take<P: Policy>(ticket: &mut Option<Ticket<P>>) -> Ticket<P> {
    ticket.take().expect("a future is not polled after its end")
}

impl<F, P: Policy> State<F, P> {
    /// Ends a call early: what it was doing is over before anybody is told.
    #[cold]
    fn cut(mut state: Pin<&mut Self>, rejected: Rejected, ticket: Ticket<P>) {
        state.set(Self::Rejected { rejected });
        ticket.cut(rejected);
    }
}

pin_project! {
    /// The future of a [`Guarded`](crate::Guarded) service.
    ///
    /// Dropped before its end, it settles the call as abandoned.
    #[must_use = "futures do nothing unless polled"]
    pub struct GuardedFuture<F, P: Policy, M> {
        #[pin]
        state: State<F, P>,
        protocol: M,
    }
}

impl<F, P: Policy, M> GuardedFuture<F, P, M> {
    #[inline(always)]
    pub(crate) fn admitted(inner: F, ticket: Option<Ticket<P>>, protocol: M) -> Self {
        Self { state: State::Admitted { inner, ticket }, protocol }
    }

    /// A call that was admitted, and ended early before its service was called.
    #[cold]
    pub(crate) fn cut(rejected: Rejected, protocol: M) -> Self {
        Self { state: State::Rejected { rejected }, protocol }
    }

    #[inline(always)]
    pub(crate) fn rejected(rejected: Rejected, protocol: M) -> Self {
        event::rejected(rejected);
        Self { state: State::Rejected { rejected }, protocol }
    }
}

impl<F, P, M, T, E> Future for GuardedFuture<F, P, M>
where
    F: Future<Output = Result<T, E>>,
    P: Policy,
    M: Protocol<T, E>,
{
    type Output = Result<M::Guarded<P>, E>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        match this.state.as_mut().project() {
            StateProjection::Admitted { inner, ticket } => match watch(ticket, || inner.poll(cx)) {
                // Handed on as it comes: every form in between is a move of the response.
                Poll::Ready(answer) => Poll::Ready(this.protocol.finish(answer, take(ticket))),
                Poll::Pending => {
                    let rejected = ready!(poll_cut(ticket, cx));
                    let ticket = take(ticket);
                    State::cut(this.state, rejected, ticket);
                    Poll::Ready(this.protocol.reject(rejected))
                }
            },
            StateProjection::Rejected { rejected } => Poll::Ready(this.protocol.reject(*rejected)),
        }
    }
}

pin_project! {
    /// The future of [`Guard::call`](crate::Guard::call).
    ///
    /// Dropped before its end, it settles the call as abandoned.
    #[must_use = "futures do nothing unless polled"]
    pub struct Call<F, P: Policy, C> {
        #[pin]
        state: State<F, P>,
        classify: Option<C>,
    }
}

impl<F, P: Policy, C> Call<F, P, C> {
    pub(crate) fn admitted(inner: F, ticket: Option<Ticket<P>>, classify: C) -> Self {
        Self { state: State::Admitted { inner, ticket }, classify: Some(classify) }
    }

    pub(crate) fn rejected(rejected: Rejected) -> Self {
        event::rejected(rejected);
        Self { state: State::Rejected { rejected }, classify: None }
    }
}

impl<F, P, C, T, E> Future for Call<F, P, C>
where
    F: Future<Output = Result<T, E>>,
    P: Policy,
    C: Classify<T, E>,
{
    type Output = Result<T, Refused<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        match this.state.as_mut().project() {
            StateProjection::Admitted { inner, ticket } => match watch(ticket, || inner.poll(cx)) {
                Poll::Ready(answer) => {
                    let ticket = take(ticket);
                    if let Some(classify) = this.classify {
                        ticket.settle(Reading::of(classify.classify(answer.as_ref())));
                    }
                    Poll::Ready(answer.map_err(Refused::Inner))
                }
                Poll::Pending => {
                    let rejected = ready!(poll_cut(ticket, cx));
                    let ticket = take(ticket);
                    State::cut(this.state, rejected, ticket);
                    Poll::Ready(Err(Refused::Rejected(rejected)))
                }
            },
            StateProjection::Rejected { rejected } => Poll::Ready(Err(Refused::Rejected(*rejected))),
        }
    }
}
