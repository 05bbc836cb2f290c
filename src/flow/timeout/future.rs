use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};

use super::{Pace, TimeoutProtocol, live::duration};
use crate::kernel::{Deadline, Rejected, Why, clock, event};

/// What bounds a call, in nanoseconds as it was read: most calls are answered before anybody needs it in another form.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    pub(super) attempt: u64,
    /// To the head.
    pub(super) pace: Pace,
    /// What follows it has this deadline instead.
    pub(super) whole: Option<Deadline>,
}

pin_project! {
    #[project = StateProjection]
    enum State<F> {
        Running { #[pin] inner: F, #[pin] timer: Option<Sleep>, why: Why, limit: Limit },
        Rejected { rejected: Rejected },
    }
}

pin_project! {
    /// The future of a [`Timeout`](super::Timeout).
    ///
    /// Dropped, it cancels the call.
    #[must_use = "futures do nothing unless polled"]
    pub struct TimeoutFuture<F, M> {
        #[pin]
        state: State<F>,
        protocol: M,
    }
}

impl<F, M> TimeoutFuture<F, M> {
    #[inline(always)]
    pub(super) fn running(inner: F, limit: Limit, protocol: M) -> Self {
        Self { state: State::Running { inner, timer: None, why: Why::TimedOut, limit }, protocol }
    }

    pub(super) fn rejected(rejected: Rejected, protocol: M) -> Self {
        event::rejected(rejected);
        Self { state: State::Rejected { rejected }, protocol }
    }
}

impl<F, M, T, E> Future for TimeoutFuture<F, M>
where
    F: Future<Output = Result<T, E>>,
    M: TimeoutProtocol<T, E>,
{
    type Output = Result<M::Response, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let rejected = match this.state.as_mut().project() {
            StateProjection::Running { inner, timer, why, limit } => {
                // The answer first: one that is there when the time is up is not thrown away.
                let polled = inner.poll(cx);
                // Asked before the response is moved, or it is moved once more.
                if let Poll::Ready(Ok(response)) = &polled {
                    let bounds = |deadline: &Deadline| this.protocol.bounds_the_rest(*deadline, response);
                    limit.pace.deadline = limit.whole.filter(bounds);
                }
                match polled {
                    Poll::Ready(Err(_)) if this.protocol.tells_the_time() && is_up(&timer) => {}
                    Poll::Ready(answer) => {
                        return Poll::Ready(answer.map(|response| this.protocol.answer(response, limit.pace)));
                    }
                    Poll::Pending => ready!(poll_timer(timer, why, limit, cx)),
                }
                Rejected::new(limit.pace.name, *why)
            }
            StateProjection::Rejected { rejected } => return Poll::Ready(this.protocol.time_out(*rejected)),
        };
        // Drops the call before anybody hears of it.
        this.state.set(State::Rejected { rejected });
        event::rejected(rejected);
        Poll::Ready(this.protocol.time_out(rejected))
    }
}

/// Registers with a timer the first time. That it fired is the truth: it is not compared with a clock again.
fn poll_timer(mut timer: Pin<&mut Option<Sleep>>, why: &mut Why, limit: &Limit, cx: &mut Context<'_>) -> Poll<()> {
    if timer.is_none() {
        let deadline = limit.pace.deadline.map(|deadline| (deadline.remaining(), Why::DeadlineExceeded));
        let attempt = duration(limit.attempt).map(|limit| (limit, Why::TimedOut));
        let Some((time, first)) = deadline.into_iter().chain(attempt).min_by_key(|(time, _)| *time) else {
            return Poll::Pending;
        };
        *why = first;
        timer.set(Some(sleep(time)));
    }
    timer.as_pin_mut().map_or(Poll::Pending, |timer| timer.poll(cx))
}

/// Timers that are set to the same time may fire that far apart.
const TICK: Duration = Duration::from_millis(2);

/// Whether the timer fires in this moment.
#[cold]
fn is_up(timer: &Option<Sleep>) -> bool {
    timer.as_ref().is_some_and(|timer| clock::left(timer) <= TICK)
}
