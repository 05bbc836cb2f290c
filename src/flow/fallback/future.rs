use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tower_service::Service;

use super::{Answer, Cause, Failed, FallbackProtocol, config::Plan};
use crate::kernel::Degraded;

pin_project! {
    #[project = StateProjection]
    enum State<F, T, E, Kept, B> {
        Primary { #[pin] future: F, kept: Option<Kept> },
        Failed { failed: Option<(Failed<T, E>, Kept)> },
        Answering { #[pin] future: B, degraded: Degraded },
    }
}

pin_project! {
    /// The future of a [`Fallback`](super::Fallback).
    ///
    /// Dropped, it cancels what is going on and starts nothing else.
    #[must_use = "futures do nothing unless polled"]
    pub struct FallbackFuture<S: Service<Request>, A: Answer<Request, S::Response, S::Error>, M, Request> {
        #[pin]
        state: State<S::Future, S::Response, S::Error, A::Kept, A::Future>,
        plan: Plan<A, M>,
    }
}

impl<S: Service<Request>, A: Answer<Request, S::Response, S::Error>, M, Request> FallbackFuture<S, A, M, Request> {
    pub(super) fn primary(future: S::Future, kept: A::Kept, plan: Plan<A, M>) -> Self {
        Self { state: State::Primary { future, kept: Some(kept) }, plan }
    }

    pub(super) fn failed(failed: Failed<S::Response, S::Error>, kept: A::Kept, plan: Plan<A, M>) -> Self {
        Self { state: State::Failed { failed: Some((failed, kept)) }, plan }
    }
}

impl<S, A, M, Request> Future for FallbackFuture<S, A, M, Request>
where
    S: Service<Request>,
    A: Answer<Request, S::Response, S::Error>,
    M: FallbackProtocol<S::Response, S::Error>,
{
    type Output = Result<S::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let next = match this.state.as_mut().project() {
                // Primary => (answered | Failed)
                StateProjection::Primary { future, kept } => {
                    let answer = ready!(future.poll(cx));
                    let reading = this.plan.protocol.read(answer.as_ref());
                    let Some(cause) = Cause::of(&reading) else { return Poll::Ready(answer) };
                    let kept = kept.take().expect("a future is not polled after its end");
                    State::Failed { failed: Some((Failed::new(cause, &reading, answer), kept)) }
                }
                // Failed => (answered as it was | Answering)
                StateProjection::Failed { failed } => {
                    let (failed, kept) = failed.take().expect("a future is not polled after its end");
                    if !this.plan.causes.contain(failed.cause()) || !this.plan.answer.wants(&failed) {
                        return Poll::Ready(failed.into_answer());
                    }
                    let degraded = failed.degraded();
                    State::Answering { future: this.plan.answer.answer(failed, kept), degraded }
                }
                // Answering => answered, and marked
                StateProjection::Answering { future, degraded } => {
                    let mut answer = ready!(future.poll(cx));
                    if let Ok(response) = &mut answer {
                        this.plan.protocol.mark(response, *degraded);
                    }
                    return Poll::Ready(answer);
                }
            };
            this.state.set(next);
        }
    }
}
