use std::{
    sync::Arc,
    task::{Context, Poll},
};

use tower_service::Service;

use super::{Builder, RetryFuture, Settings, plan::Plan, rest::Rest};
use crate::kernel::{
    Deadline, Instant,
    attempts::{AttemptProtocol, How, Repeat},
    clock,
    context::AttemptSource,
    event,
};

/// Makes further attempts of calls that failed: see the [module](super).
///
/// ```
/// use cofferdam::{Budget, Retry};
///
/// let budget = Budget::builder("payments").build()?;
/// let layer = Retry::builder("payments").budget(budget.clone()).attempts(2).build()?;
/// # let _ = layer; Ok::<(), cofferdam::Invalid>(())
/// ```
#[derive(Debug)]
pub struct Retry<S, R, D, M> {
    inner: S,
    plan: Arc<Plan>,
    how: How<R, D, M>,
}

impl Retry<(), (), (), ()> {
    /// Starts a retry of that name, which events will carry.
    pub fn builder(name: impl Into<String>) -> Builder {
        Builder::new(name.into(), Settings::new())
    }
}

impl<S, R, D, M> Retry<S, R, D, M> {
    pub(super) fn new(inner: S, plan: Arc<Plan>, how: How<R, D, M>) -> Self {
        Self { inner, plan, how }
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

impl<S: Clone, R: Clone, D: Clone, M: Clone> Clone for Retry<S, R, D, M> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), Arc::clone(&self.plan), self.how.clone())
    }
}

impl<S, R, D, M, Request> Service<Request> for Retry<S, R, D, M>
where
    S: Service<R::Request> + Clone,
    R: Repeat<Request>,
    D: AttemptSource<Request> + AttemptSource<R::Request>,
    M: AttemptProtocol<S::Response, S::Error>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = RetryFuture<S, R, D, M, Request>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline(always)]
    fn call(&mut self, request: Request) -> Self::Future {
        let (attempt, deadline) = (self.how.deadline.attempt(&request), self.how.deadline.read(&request));
        // The time is read for those only who ask for it, or have not all of it.
        let asked = self.plan.total().is_some() || deadline.is_some() || event::anybody();
        let started = if asked { clock::coarse() } else { Instant::ORIGIN };
        let (request, kept) = if self.plan.attempts() == 1 || attempt.is_extra() {
            (self.how.repeat.once(request), None)
        } else {
            self.how.repeat.keep(request)
        };
        let end = self.plan.total().map(|total| started.after(total));
        let deadline = deadline.map(Deadline::moment);
        let rest = kept.map(|kept| Rest { service: self.inner.clone(), kept, end, deadline });
        let future = self.inner.call(request);
        RetryFuture::new(future, rest, started, Arc::clone(&self.plan), self.how.clone())
    }
}
