use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::time::{Sleep, sleep};
use tower_service::Service;

use super::{
    Builder, Pace, TimeoutFuture,
    future::Limit,
    live::{Live, NEVER, duration},
};
use crate::kernel::{Carries, Deadline, Instant, Plain, Rejected, Why, clock, context::DeadlineSource};

/// Bounds how long a call may take: see the [module](super).
///
/// ```
/// use std::time::Duration;
/// use cofferdam::Timeout;
///
/// let layer = Timeout::builder("payments").attempt(Duration::from_millis(300)).deadline().build()?;
/// # let _ = layer; Ok::<(), cofferdam::Invalid>(())
/// ```
#[doc(alias = "TimeLimiter")]
#[derive(Debug)]
pub struct Timeout<S, D, M> {
    inner: S,
    live: Arc<Live>,
    deadline: D,
    protocol: M,
    /// How long `poll_ready` had to wait, for the next call: in nanoseconds, or [`TOO_LATE`].
    waited: u64,
    /// While it waits.
    wait: Option<Wait>,
}

/// The inner service was not ready in time, and must not be called.
const TOO_LATE: u64 = u64::MAX;

/// A task waits for the inner service to become ready.
#[derive(Debug)]
struct Wait {
    since: Instant,
    waker: Waker,
    timer: Pin<Box<Sleep>>,
}

/// A timer that was due so long ago has woken nobody who still waits.
const LONG_AGO: Duration = Duration::from_secs(1);

/// Whoever comes so soon after a timer has fired was woken by it, if with another waker: some executors make one a poll.
const JUST_NOW: Duration = Duration::from_millis(10);

impl Wait {
    fn new(limit: Duration, cx: &Context<'_>) -> Self {
        Self { since: clock::now(), waker: cx.waker().clone(), timer: Box::pin(sleep(limit)) }
    }

    /// Whether it is this task that has waited up to now. Otherwise whoever did has left without calling, and its time is
    /// nobody else's.
    fn is_of(&self, cx: &Context<'_>) -> bool {
        let overdue = clock::overdue(&self.timer);
        if self.waker.will_wake(cx.waker()) {
            overdue < LONG_AGO
        } else {
            clock::left(&self.timer).is_zero() && overdue < JUST_NOW
        }
    }
}

impl Timeout<(), (), ()> {
    /// Starts a timeout of that name, which its rejections will carry.
    pub fn builder(name: impl Into<String>) -> Builder {
        Builder::new(name.into())
    }
}

impl<S, D, M> Timeout<S, D, M> {
    pub(super) fn new(inner: S, live: Arc<Live>, deadline: D, protocol: M) -> Self {
        Self { inner, live, deadline, protocol, waited: 0, wait: None }
    }

    /// The service behind it.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Gives the service back.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S: Clone, D: Clone, M: Clone> Clone for Timeout<S, D, M> {
    // A clone inherits no readiness.
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), Arc::clone(&self.live), self.deadline.clone(), self.protocol.clone())
    }
}

impl<S, D, M, Request> Service<Request> for Timeout<S, D, M>
where
    S: Service<Request>,
    D: DeadlineSource<Request>,
    M: TimeoutProtocol<S::Response, S::Error>,
{
    type Response = M::Response;
    type Error = S::Error;
    type Future = TimeoutFuture<S::Future, M>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        match self.inner.poll_ready(cx) {
            Poll::Ready(ready) => {
                if self.wait.is_some() || self.waited == TOO_LATE {
                    self.end_wait(cx);
                }
                Poll::Ready(ready)
            }
            Poll::Pending => self.poll_wait(cx),
        }
    }

    #[inline(always)] // or the request is moved once more
    fn call(&mut self, mut request: Request) -> Self::Future {
        let waited = std::mem::take(&mut self.waited);
        if waited == TOO_LATE {
            return self.reject(Why::TimedOut);
        }
        if self.wait.is_some() {
            // Called without being ready: the inner service has its own word for that.
            self.wait = None;
        }
        let (name, between_frames) = (self.live.name, self.live.between_frames());
        let limit = self.live.attempt();
        let attempt = if limit == NEVER { NEVER } else { limit.saturating_sub(waited) };
        let deadline = self.deadline.bind(&mut request, || duration(attempt).map(Deadline::after));
        if deadline.is_some_and(Deadline::has_passed) {
            return self.reject(Why::Expired);
        }
        let to_head = deadline.is_some_and(Deadline::is_to_head);
        let whole = if to_head { self.deadline.whole(&request) } else { deadline };
        let limit = Limit { attempt, pace: Pace { name, between_frames, deadline }, whole };
        TimeoutFuture::running(self.inner.call(request), limit, self.protocol.clone())
    }
}

impl<S, D, M: Clone> Timeout<S, D, M> {
    /// The inner service is not ready. Registers with a timer, once, and gives up when it fires.
    #[cold]
    fn poll_wait<E>(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), E>> {
        let Some(limit) = duration(self.live.attempt()) else { return Poll::Pending };
        if self.waited != TOO_LATE {
            if self.wait.as_ref().is_none_or(|wait| !wait.is_of(cx)) {
                self.wait = Some(Wait::new(limit, cx));
            }
            let wait = self.wait.as_mut().expect("it was just looked at");
            std::task::ready!(wait.timer.as_mut().poll(cx));
            (self.waited, self.wait) = (TOO_LATE, None);
        }
        Poll::Ready(Ok(()))
    }

    /// It is ready, after all or too late for the call before.
    #[cold]
    fn end_wait(&mut self, cx: &Context<'_>) {
        let wait = self.wait.take().filter(|wait| wait.is_of(cx));
        self.waited = wait.map_or(0, |wait| clock::now().nanos_since(wait.since));
    }

    fn reject<F>(&self, why: Why) -> TimeoutFuture<F, M> {
        TimeoutFuture::rejected(Rejected::new(self.live.name, why), self.protocol.clone())
    }
}

/// What a timeout needs of a protocol: to say that time is up, and to bound an answer that comes in pieces.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no way to answer a call whose time is up with `{Response}` or with `{Error}`",
    note = "if the service answers with an `http::Response`, add `.http()` to the layer, or `.grpc()` if it speaks gRPC: any error type will then do",
    note = "if that is said and the response is of another type, convert it further in, with `.map_response(..)` after this layer",
    note = "otherwise use `BoxError`, by `.map_err(BoxError::from)` after this layer, or implement `cofferdam::Carries` for the error: two functions"
)]
pub trait TimeoutProtocol<Response, Error>: Clone {
    /// The response, as callers get it.
    type Response;

    /// Whether the deadline of the call also bounds what follows this head. Unless overridden it does.
    #[inline]
    fn bounds_the_rest(&self, deadline: Deadline, response: &Response) -> bool {
        let _ = (deadline, response);
        true
    }

    /// Passes an answer on, which must keep up the pace.
    fn answer(&self, response: Response, pace: Pace) -> Self::Response;

    /// Whether the service further in is told how much time there is. Then it may be the first to say, by an error, that the
    /// time is up: an error in the last moment is taken for that. Unless overridden it is not.
    fn tells_the_time(&self) -> bool {
        false
    }

    /// Answers a call whose time is up.
    ///
    /// # Errors
    ///
    /// The rejection, where the protocol words it as an error.
    fn time_out(&self, rejected: Rejected) -> Result<Self::Response, Error>;
}

impl<T, E: Carries, C: Clone> TimeoutProtocol<T, E> for Plain<C> {
    type Response = T;

    #[inline]
    fn answer(&self, response: T, _: Pace) -> T {
        response
    }

    fn time_out(&self, rejected: Rejected) -> Result<T, E> {
        Err(E::carry(rejected))
    }
}
