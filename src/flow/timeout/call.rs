//! A time limit for any future, without a service.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;

use super::{Pace, TimeoutFuture, TimeoutLayer, future::Limit, live::NEVER};
use crate::kernel::{Deadline, Plain, Refused, Rejected, Why, context::DeadlineSource};

impl<D, C: Clone> TimeoutLayer<D, Plain<C>> {
    /// Bounds any future: a query, a command, a computation. It is what [`Guard::call`](crate::Guard::call) is for policies, and
    /// stands innermost: [`Refused::flatten`] makes one error of both.
    ///
    /// The request is what carries a deadline, if that is looked at; `&()` will do otherwise. `run` is not called when the
    /// deadline has passed. The time counts from the future's first poll.
    ///
    /// # Errors
    ///
    /// The future's output is [`Refused::Rejected`] if time was up, else what it returned.
    ///
    /// # Cancel safety
    ///
    /// When time is up, and when this is dropped, so is the future.
    ///
    /// ```
    /// use std::{io, time::Duration};
    /// use cofferdam::{CircuitBreaker, Policy, Refused, Timeout, Why};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cofferdam::Invalid> {
    /// let breaker = CircuitBreaker::builder("database").build()?.layer();
    /// let timeout = Timeout::builder("database").attempt(Duration::from_millis(20)).build()?;
    ///
    /// let rows = || std::future::pending::<Result<u32, io::Error>>();
    /// let answer = breaker.call(&(), || timeout.call(&(), rows)).await.map_err(Refused::flatten);
    /// assert_eq!(answer.unwrap_err().rejected().unwrap().why(), Why::TimedOut);
    /// assert_eq!(breaker.policy().counts().failures, 1);
    /// # Ok(()) }
    /// ```
    pub fn call<Request, F, T, E>(
        &self,
        request: &Request,
        run: impl FnOnce() -> F,
    ) -> TimeoutFuture<OwnErrors<F>, Plain<C>>
    where
        D: DeadlineSource<Request>,
        F: Future<Output = Result<T, E>>,
    {
        let (live, protocol) = (&self.live, self.protocol.clone());
        let deadline = self.deadline.read(request);
        if deadline.is_some_and(Deadline::has_passed) {
            return TimeoutFuture::rejected(Rejected::new(live.name, Why::Expired), protocol);
        }
        let pace = Pace { name: live.name, between_frames: NEVER, deadline };
        let limit = Limit { attempt: live.attempt(), pace, whole: None };
        TimeoutFuture::running(OwnErrors { future: run() }, limit, protocol)
    }
}

pin_project! {
    /// A future of [`TimeoutLayer::call`], whose own errors are told from that its time was up.
    #[must_use = "futures do nothing unless polled"]
    pub struct OwnErrors<F> {
        #[pin]
        future: F,
    }
}

impl<F, T, E> Future for OwnErrors<F>
where
    F: Future<Output = Result<T, E>>,
{
    type Output = Result<T, Refused<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().future.poll(cx).map_err(Refused::Inner)
    }
}
