use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};
use tower_service::Service;

use super::{
    Exhausted, Repeat, RetryProtocol, Waits,
    config::{How, Plan},
};
use crate::kernel::{
    Attempt, GivenUp, Instant, Next, Outcome, Reading,
    budget::{Extra, NoExtra},
    clock,
    context::AttemptSource,
    event,
};

/// What further attempts are made of.
pub(super) struct Rest<S, K> {
    pub(super) service: S,
    pub(super) kept: K,
    /// No attempt is begun from then on.
    pub(super) end: Option<Instant>,
}

pin_project! {
    #[project = StateProjection]
    enum State<F, T, E> {
        Calling { #[pin] future: F },
        Waiting { #[pin] timer: Sleep, last: Option<Result<T, E>> },
    }
}

pin_project! {
    /// The future of a [`Retry`](super::Retry).
    ///
    /// Dropped, it cancels the attempt that is going on, and makes no other.
    #[must_use = "futures do nothing unless polled"]
    pub struct RetryFuture<S: Service<R::Request>, R: Repeat<Request>, D, M, Request> {
        #[pin]
        state: State<S::Future, S::Response, S::Error>,
        rest: Option<Rest<S, R::Kept>>,
        waits: Option<Waits>,
        extra: Option<Extra>,
        attempt: Attempt,
        started: Instant,
        plan: Arc<Plan>,
        how: How<R, D, M>,
    }
}

impl<S: Service<R::Request>, R: Repeat<Request>, D, M, Request> RetryFuture<S, R, D, M, Request> {
    #[inline]
    pub(super) fn new(
        future: S::Future,
        rest: Option<Rest<S, R::Kept>>,
        started: Instant,
        plan: Arc<Plan>,
        how: How<R, D, M>,
    ) -> Self {
        let state = State::Calling { future };
        Self { state, rest, waits: None, extra: None, attempt: Attempt::FIRST, started, plan, how }
    }
}

impl<S, R, D, M, Request> Future for RetryFuture<S, R, D, M, Request>
where
    S: Service<R::Request> + Clone,
    R: Repeat<Request>,
    D: AttemptSource<R::Request>,
    M: RetryProtocol<S::Response, S::Error>,
{
    type Output = Result<S::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let plan = &**this.plan;
        loop {
            let (mut last, waited) = match this.state.as_mut().project() {
                // Calling => (answered | Waiting)
                StateProjection::Calling { future } => {
                    let answer = ready!(future.poll(cx));
                    *this.extra = None;
                    (answer, false)
                }
                // Waiting => (answered | Waiting | Calling)
                StateProjection::Waiting { timer, last } => {
                    ready!(timer.poll(cx));
                    (last.take().expect("a future is not polled after its end"), true)
                }
            };
            let mut asked = None;
            if !waited {
                let now = clock::coarse();
                let reading = this.how.protocol.read(last.as_ref());
                let wanted = count(plan, &reading, now) && !this.how.protocol.is_final(last.as_ref());
                let next = match this.rest {
                    Some(rest) if wanted => plan_next(
                        plan,
                        rest.end,
                        this.waits,
                        *this.attempt,
                        reading.retry_after.or_else(|| reading.rejected.and_then(|rejected| rejected.retry_after())),
                    ),
                    _ => Next::Answered,
                };
                event::attempted(plan.name, this.attempt.number(), reading.outcome, now.since(*this.started), next);
                match next {
                    Next::Answered => return Poll::Ready(last),
                    next => asked = Some(next),
                }
            }
            let next = match asked {
                Some(next) => next,
                // Only now is it known how things stand: a blip is over, and an outage is not.
                None if plan.budget.is_failing() => {
                    *this.attempt = this.attempt.next();
                    let end = this.rest.as_ref().and_then(|rest| rest.end);
                    plan_next(plan, end, this.waits, *this.attempt, None)
                }
                None => {
                    let rest = this.rest.as_mut().expect("nobody waits without it");
                    let mut service = rest.service.clone();
                    let attempt = match service.poll_ready(cx) {
                        Poll::Ready(Ok(())) => match plan.budget.extra() {
                            Ok(extra) => match this.how.repeat.again(&mut rest.kept) {
                                Some(request) => Ok((extra, request)),
                                None => Err(Next::GivenUp(GivenUp::Unrepeatable)),
                            },
                            Err(NoExtra::Full) => Err(Next::GivenUp(GivenUp::Full)),
                            Err(NoExtra::Empty) => Err(Next::GivenUp(GivenUp::Empty)),
                            // Others have failed in this very moment.
                            Err(NoExtra::Failing) => {
                                *this.attempt = this.attempt.next();
                                Err(plan_next(plan, rest.end, this.waits, *this.attempt, None))
                            }
                        },
                        Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                        Poll::Pending => Err(Next::GivenUp(GivenUp::NotReady)),
                    };
                    match attempt {
                        Ok((extra, mut request)) => {
                            *this.attempt = this.attempt.next();
                            *this.extra = Some(extra);
                            *this.started = clock::coarse();
                            this.how.deadline.number(&mut request, *this.attempt);
                            let future = service.call(request);
                            this.state.set(State::Calling { future });
                            continue;
                        }
                        Err(next) => next,
                    }
                }
            };
            match next {
                Next::After(wait) => this.state.set(State::Waiting { timer: sleep(wait), last: Some(last) }),
                Next::GivenUp(why) => {
                    this.how.protocol.mark(&mut last, Exhausted::new(this.attempt.number(), why));
                    return Poll::Ready(last);
                }
                Next::Answered => return Poll::Ready(last),
            }
        }
    }
}

/// Tells the budget what became of an attempt. Whether it calls for another.
#[inline]
fn count(plan: &Plan, reading: &Reading, now: Instant) -> bool {
    match reading.outcome {
        Outcome::Success => plan.budget.succeeded_at(now),
        Outcome::Failure | Outcome::Overload => plan.budget.failed(),
        Outcome::Ignored | Outcome::Abandoned => {}
    }
    match reading.rejected {
        // Turned away by one of ours.
        Some(rejected) if !reading.outcome.is_bad() => plan.rejections && rejected.retry_after().is_some(),
        _ => plan.when.wants(reading),
    }
}

/// What follows an attempt that failed.
#[cold]
fn plan_next(
    plan: &Plan,
    end: Option<Instant>,
    waits: &mut Option<Waits>,
    attempt: Attempt,
    asked: Option<Duration>,
) -> Next {
    let now = clock::now();
    if attempt.number() >= plan.attempts {
        return Next::GivenUp(GivenUp::Attempts);
    }
    if plan.budget.is_empty_at(now) {
        return Next::GivenUp(GivenUp::Empty);
    }
    if asked.is_some_and(|asked| asked > plan.longest_retry_after) {
        return Next::GivenUp(GivenUp::LeftAlone);
    }
    let wait = waits.get_or_insert_with(|| plan.backoff.waits()).next().unwrap_or_default();
    // After what was asked for, or all who were asked would come back at once.
    let wait = wait.saturating_add(asked.unwrap_or_default());
    if end.is_some_and(|end| now.after(wait) >= end) {
        return Next::GivenUp(GivenUp::Time);
    }
    Next::After(wait)
}
