//! The one service of all admission patterns.

use std::task::{Context, Poll};

use tower_service::Service;

use super::{
    Admit, GuardedFuture, Instant, Listening, Policy, Protocol, Rejected, Run, Ticket,
    run::PutOff,
    shared::Shared,
    ticket::{Watched, now_for},
};

/// A service behind a policy: made by a [`Guard`](crate::Guard).
///
/// A call is admitted in `call`, not in `poll_ready`: a connection that is idle holds nothing, and the policy sees the
/// request. The one exception is a policy that rejects everything, such as an open breaker: the service is then ready
/// at once, the next call is rejected, and the inner service is not touched, so that one that hangs cannot hold up the
/// answer.
///
/// ```
/// use cofferdam::{BreakerState, CircuitBreaker, Policy};
/// use tower::{BoxError, Layer, service_fn};
///
/// let guard = CircuitBreaker::builder("payments").build()?.layer();
/// let service = guard.layer(service_fn(|()| async { Ok::<_, BoxError>(()) }));
/// assert_eq!(service.policy().state(), BreakerState::Closed);
/// # Ok::<(), cofferdam::Invalid>(())
/// ```
#[derive(Debug)]
pub struct Guarded<S, P, M> {
    inner: S,
    policy: Shared<P>,
    protocol: M,
    /// Promised by `poll_ready`, kept by the next `call`: the inner service was not made ready.
    shut: Option<Rejected>,
    /// While the inner service is not ready: the task is woken when the policy shuts.
    parked: Option<Box<[Listening]>>,
}

impl<S, P, M> Guarded<S, P, M> {
    pub(crate) fn new(inner: S, policy: Shared<P>, protocol: M) -> Self {
        Self { inner, policy, protocol, shut: None, parked: None }
    }

    /// The policy, to read and to steer.
    pub fn policy(&self) -> &P {
        &self.policy
    }

    /// The service behind it.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The service behind it. What is called through this is not guarded.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Gives the service back.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, P: Policy, M: Clone> Guarded<S, P, M> {
    /// Why this call is rejected, if the service was ready for that only.
    #[inline]
    pub(super) fn take_shut(&mut self) -> Option<Rejected> {
        self.shut.take()
    }

    /// Calls the instance that was made ready.
    #[inline(always)]
    pub(super) fn call_admitted<Request>(
        &mut self,
        request: Request,
        token: P::Token,
        now: Instant,
    ) -> GuardedFuture<S::Future, P, M>
    where
        S: Service<Request>,
    {
        let mut ticket = Some(Ticket::new(self.policy.hold(), token, now));
        let watched = Watched(&mut ticket);
        let inner = self.inner.call(request);
        watched.over();
        GuardedFuture::admitted(inner, ticket, self.protocol.clone())
    }

    #[inline(always)]
    pub(super) fn reject<F>(&self, rejected: Rejected) -> GuardedFuture<F, P, M> {
        GuardedFuture::rejected(rejected.departing(self.policy.is_departing()), self.protocol.clone())
    }

    /// What a call takes along that has to wait: the instance that was made ready stays here.
    pub(super) fn put_off<Request>(&self, request: Request) -> PutOff<S, Request, P, M>
    where
        S: Clone,
    {
        PutOff { service: self.inner.clone(), request, policy: self.policy.clone(), protocol: self.protocol.clone() }
    }
}

impl<S: Clone, P, M: Clone> Clone for Guarded<S, P, M> {
    // A clone shares the policy and inherits no readiness.
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.policy.clone(), self.protocol.clone())
    }
}

impl<S, P, M, Request> Service<Request> for Guarded<S, P, M>
where
    S: Service<Request>,
    P: Admit<Request>,
    M: Protocol<S::Response, S::Error>,
    P::Kind: Run<S, Request, P, M>,
{
    type Response = M::Guarded<P>;
    type Error = S::Error;
    type Future = <P::Kind as Run<S, Request, P, M>>::Future;

    #[inline(always)]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.shut = self.policy.shut(now_for::<P>);
        if self.shut.is_some() {
            self.parked = None;
            return Poll::Ready(Ok(()));
        }
        let ready = self.inner.poll_ready(cx);
        if ready.is_pending() {
            return self.park::<Request, _>(cx);
        }
        if self.parked.is_some() {
            self.parked = None;
        }
        ready
    }

    #[inline(always)]
    fn call(&mut self, request: Request) -> Self::Future {
        P::Kind::run(self, request)
    }
}

impl<S, P, M> Guarded<S, P, M> {
    /// The inner service is not ready, and may never be: the task also waits for the policy to shut.
    #[cold]
    fn park<Request, E>(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), E>>
    where
        P: Admit<Request>,
    {
        let mut parked = Vec::new();
        self.policy.bells(&mut |bell| parked.push(bell.listen(cx.waker())));
        self.parked = Some(parked.into());
        // It may have shut before the bell could tell.
        self.shut = self.policy.shut(now_for::<P>);
        if self.shut.is_none() {
            return Poll::Pending;
        }
        self.parked = None;
        Poll::Ready(Ok(()))
    }
}
