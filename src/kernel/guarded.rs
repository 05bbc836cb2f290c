//! The one service of all admission patterns.

use std::task::{Context, Poll};

use tower_service::Service;

use super::{
    Admit, GuardedFuture, Protocol, Rejected, Ticket,
    shared::Shared,
    ticket::{now_for, watch},
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
}

impl<S, P, M> Guarded<S, P, M> {
    pub(crate) fn new(inner: S, policy: Shared<P>, protocol: M) -> Self {
        Self { inner, policy, protocol, shut: None }
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
{
    type Response = M::Guarded<P>;
    type Error = S::Error;
    type Future = GuardedFuture<S::Future, P, M>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.shut = self.policy.shut(now_for::<P>);
        match self.shut {
            Some(_) => Poll::Ready(Ok(())),
            None => self.inner.poll_ready(cx),
        }
    }

    #[inline]
    fn call(&mut self, request: Request) -> Self::Future {
        if let Some(rejected) = self.shut.take() {
            return GuardedFuture::rejected(rejected, self.protocol.clone());
        }
        let now = now_for::<P>();
        match self.policy.admit(&request, now) {
            Ok(token) => {
                let mut ticket = Some(Ticket::new(self.policy.hold(), token, now));
                let inner = watch(&mut ticket, || self.inner.call(request));
                GuardedFuture::admitted(inner, ticket, self.protocol.clone())
            }
            Err(rejected) => GuardedFuture::rejected(rejected, self.protocol.clone()),
        }
    }
}
