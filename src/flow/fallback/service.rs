use std::{
    fmt,
    task::{Context, Poll},
};

use tower_service::Service;

use super::{Answer, Cause, Failed, FallbackFuture, FallbackProtocol, config::Plan};
use crate::kernel::{Outcome, Reading};

/// Answers for a service when that fails: see the [module](super).
///
/// ```
/// use cofferdam::{BoxError, Failed, Fallback};
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), BoxError> {
/// let service = ServiceBuilder::new()
///     .layer(Fallback::function(|failed: Failed<u32, BoxError>| {
///         eprintln!("{:?} by {:?}", failed.cause(), failed.rejected());
///         Ok(0)
///     }))
///     .service(service_fn(|user: u32| async move { Err::<u32, BoxError>(format!("who is {user}?").into()) }));
///
/// assert_eq!(service.oneshot(7).await?, 0);
/// # Ok(()) }
/// ```
///
/// A type parameter for the error would be simpler. But a type in which a `BoxError` is named twice, here and in the
/// service, stops spawned calls from compiling.
pub struct Fallback<S: Service<Request>, P, Request> {
    inner: S,
    plan: P,
    /// Taken by `poll_ready`, spent by the next `call`: the service behind never becomes ready.
    not_ready: Option<S::Error>,
}

impl<S: Service<Request>, P, Request> Fallback<S, P, Request> {
    pub(super) fn new(inner: S, plan: P) -> Self {
        Self { inner, plan, not_ready: None }
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

impl<S: Service<Request> + fmt::Debug, P: fmt::Debug, Request> fmt::Debug for Fallback<S, P, Request> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fallback").field("inner", &self.inner).field("plan", &self.plan).finish_non_exhaustive()
    }
}

impl<S: Service<Request> + Clone, P: Clone, Request> Clone for Fallback<S, P, Request> {
    // A clone inherits no readiness, and no error of it.
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.plan.clone())
    }
}

impl<S, A, M, Request> Service<Request> for Fallback<S, Plan<A, M>, Request>
where
    S: Service<Request>,
    A: Answer<Request, S::Response, S::Error> + Clone,
    M: FallbackProtocol<S::Response, S::Error>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = FallbackFuture<S, A, M, Request>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let ready = std::task::ready!(self.inner.poll_ready(cx));
        self.not_ready = None;
        Poll::Ready(match ready {
            Err(error) if self.plan.causes.contain(Cause::NotReady) => {
                self.not_ready = Some(error);
                Ok(())
            }
            ready => ready,
        })
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let kept = self.plan.answer.keep(&request);
        match self.not_ready.take() {
            None => FallbackFuture::primary(self.inner.call(request), kept, self.plan.clone()),
            Some(error) => {
                let failed = Failed::new(Cause::NotReady, &Reading::of(Outcome::Failure), Err(error));
                FallbackFuture::failed(failed, kept, self.plan.clone())
            }
        }
    }
}
