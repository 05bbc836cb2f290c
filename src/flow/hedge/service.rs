use std::{
    sync::Arc,
    task::{Context, Poll},
};

use tower_service::Service;

use super::{Builder, HedgeFuture, Settings, future::Rest, held::Held, plan::Plan};
use crate::kernel::{
    attempts::{AttemptProtocol, How, Repeat},
    clock,
    context::AttemptSource,
};

/// Sends a request again that takes unusually long, and takes the answer that comes first: see the [module](super).
///
/// ```
/// use cofferdam::{Dependency, Hedge};
///
/// let search = Dependency::builder("search").build()?;
/// let layer = Hedge::builder("search").dependency(&search).extra(1).build()?;
/// # let _ = layer; Ok::<(), cofferdam::Invalid>(())
/// ```
#[doc(alias("backup request", "speculative retry"))]
#[derive(Debug)]
pub struct Hedge<S, R, D, M> {
    inner: S,
    plan: Arc<Plan>,
    how: How<R, D, M>,
}

impl Hedge<(), (), (), ()> {
    /// Starts a hedge of that name, which events will carry.
    pub fn builder(name: impl Into<String>) -> Builder {
        Builder::new(name.into(), Settings::new())
    }
}

impl<S, R, D, M> Hedge<S, R, D, M> {
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

impl<S: Clone, R: Clone, D: Clone, M: Clone> Clone for Hedge<S, R, D, M> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), Arc::clone(&self.plan), self.how.clone())
    }
}

impl<S, R, D, M, Request> Service<Request> for Hedge<S, R, D, M>
where
    S: Service<R::Request> + Clone,
    R: Repeat<Request>,
    D: AttemptSource<Request> + AttemptSource<R::Request>,
    M: AttemptProtocol<S::Response, S::Error>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = HedgeFuture<S, R, D, M, Request>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Request) -> Self::Future {
        let started = clock::coarse();
        let deadline = self.how.deadline.read(&request);
        // What is an extra attempt already is not multiplied, and nothing is learned of it. Neither is anything while
        // something is wrong.
        let (request, kept) = if self.how.deadline.attempt(&request).is_extra() || self.plan.suspended().is_some() {
            (self.how.repeat.once(request), None)
        } else {
            self.how.repeat.keep(request)
        };
        let rest = kept.map(|kept| Rest { service: self.inner.clone(), kept, deadline });
        let future = self.inner.call(request);
        HedgeFuture::new(future, rest, started, Held::new(Arc::clone(&self.plan)), self.how.clone())
    }
}
