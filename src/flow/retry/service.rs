use std::{
    sync::Arc,
    task::{Context, Poll},
};

use tower_service::Service;

use super::{
    Builder, Repeat, RetryFuture,
    config::{How, Plan},
    future::Rest,
};
use crate::kernel::{Carries, Classify, GivenUp, Plain, Protocol, Reading, clock, context::AttemptSource};

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
        Builder::new(name.into())
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
    M: RetryProtocol<S::Response, S::Error>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = RetryFuture<S, R, D, M, Request>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Request) -> Self::Future {
        let started = clock::coarse();
        let (attempt, deadline) = (self.how.deadline.attempt(&request), self.how.deadline.read(&request));
        let (request, kept) = if self.plan.attempts == 1 || attempt.is_extra() {
            (self.how.repeat.once(request), None)
        } else {
            self.how.repeat.keep(request)
        };
        let end = self.plan.total.map(|total| started.after(total));
        let end = end.into_iter().chain(deadline.map(|deadline| deadline.moment())).min();
        let rest = kept.map(|kept| Rest { service: self.inner.clone(), kept, end });
        let future = self.inner.call(request);
        RetryFuture::new(future, rest, started, Arc::clone(&self.plan), self.how.clone())
    }
}

/// What a retry needs of a protocol: to read an answer, and to mark one that nobody should try to mend any more.
pub trait RetryProtocol<Response, Error>: Clone {
    /// Reads an answer: what became of the attempt.
    fn read(&self, answer: Result<&Response, &Error>) -> Reading;

    /// Whether the answer says that there must be no further attempt.
    fn is_final(&self, answer: Result<&Response, &Error>) -> bool;

    /// Marks the answer of a call that was given up, if it has a place for that, so that retries further out leave it.
    fn mark(&self, answer: &mut Result<Response, Error>, exhausted: Exhausted);
}

/// Marks the answer of a call of which no further attempt was made, though one might have mended it. Retries further out
/// do not try again either.
///
/// Plain answers have no place for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exhausted {
    /// How many attempts were made, or passed over while too many calls failed.
    pub attempts: u32,
    /// Why there was no further one.
    pub why: GivenUp,
}

impl Exhausted {
    pub(super) fn new(attempts: u32, why: GivenUp) -> Self {
        Self { attempts, why }
    }
}

impl<T, E: Carries, C: Classify<T, E> + Clone> RetryProtocol<T, E> for Plain<C> {
    #[inline]
    fn read(&self, answer: Result<&T, &E>) -> Reading {
        Protocol::read(self, answer)
    }

    fn is_final(&self, _: Result<&T, &E>) -> bool {
        false
    }

    fn mark(&self, _: &mut Result<T, E>, _: Exhausted) {}
}
