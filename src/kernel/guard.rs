//! A policy, ready to be put around services and calls.

use tower_layer::Layer;

use super::{
    Admit, ByResult, Call, ClassifyWith, Guarded, Instant, Outcome, Plain, Policy, RunFuture, Ticket, shared::Shared,
    ticket::watch,
};

/// A policy as a Tower layer, and as something to run any future under.
///
/// Every service made from one guard, and every clone of it, shares the one policy: a breaker that opens is open on
/// every route. Another scope is another guard.
///
/// ```
/// use cofferdam::{Bulkhead, CircuitBreaker, guard};
/// use tower::{ServiceBuilder, ServiceExt, service_fn, BoxError};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), BoxError> {
/// let breaker = CircuitBreaker::builder("payments").build()?;
/// let slots = Bulkhead::builder("payments").limit(16).build()?;
/// let service = ServiceBuilder::new()
///     .layer(guard((breaker, slots.clone())))
///     .service(service_fn(|amount: u32| async move { Ok::<_, BoxError>(amount + 1) }));
///
/// assert_eq!(service.oneshot(1).await?, 2);
/// assert_eq!(slots.in_flight(), 0);
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Guard<P, M = Plain> {
    policy: Shared<P>,
    protocol: M,
}

/// Guards with a policy, or with several: a tuple admits in order and settles in reverse.
///
/// For services that answer with HTTP responses add `.http()`.
pub fn guard<P: Policy>(policy: P) -> Guard<P> {
    Guard { policy: Shared::new(policy), protocol: Plain::default() }
}

impl<P, M> Guard<P, M> {
    /// The policy, to read and to steer.
    pub fn policy(&self) -> &P {
        &self.policy
    }

    /// The same policy over services of another protocol.
    pub fn protocol<N>(self, protocol: N) -> Guard<P, N> {
        Guard { policy: self.policy, protocol }
    }

    /// The same policy, and its protocol changed.
    #[cfg(feature = "http")]
    pub(crate) fn map_protocol<N>(self, change: impl FnOnce(M) -> N) -> Guard<P, N> {
        Guard { policy: self.policy, protocol: change(self.protocol) }
    }
}

impl<P: Policy> Guard<P, Plain<ByResult>> {
    /// Tells what became of a call by a function of its result, rather than by `Ok` and `Err`.
    ///
    /// It is not asked about rejections of our own. If it panics, only that call is harmed. Over `BoxError`, give a function
    /// rather than a closure if calls are spawned: see [`fallback`](crate::fallback#closures-boxerror-and-spawned-calls).
    ///
    /// ```
    /// use std::io;
    /// use cofferdam::{CircuitBreaker, Outcome, Policy};
    ///
    /// let guard = CircuitBreaker::builder("files").build()?.layer().classify(|answer: Result<&(), &io::Error>| match answer {
    ///     Err(error) if error.kind() == io::ErrorKind::NotFound => Outcome::Success,
    ///     Err(_) => Outcome::Failure,
    ///     Ok(()) => Outcome::Success,
    /// });
    /// # let _ = guard; Ok::<(), cofferdam::Invalid>(())
    /// ```
    pub fn classify<T, E, F>(self, classify: F) -> Guard<P, Plain<ClassifyWith<F>>>
    where
        F: Fn(Result<&T, &E>) -> Outcome,
    {
        self.protocol(Plain { classify: ClassifyWith(classify) })
    }
}

impl<P: Policy, C: Clone> Guard<P, Plain<C>> {
    /// Runs any future under the policy: a query, a command, a computation.
    ///
    /// The request is what the policy judges; `&()` will do for those that look at none. The call is admitted here and
    /// now, or gets its place in line; `run` is not called when it is rejected. `Err` counts as a failure unless [`classify`](Self::classify) says
    /// otherwise, also where it comes from another guard further in.
    ///
    /// # Errors
    ///
    /// The future's output is [`Refused::Rejected`](crate::Refused) if the call was not made, else what it returned.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped, polled or not, gives back what it was given.
    ///
    /// ```
    /// use cofferdam::{Bulkhead, Policy, Refused};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let queries = Bulkhead::builder("database").limit(8).build()?.layer();
    /// let rows: Result<u32, Refused<std::io::Error>> = queries.call(&(), || async { Ok(3) }).await;
    /// assert_eq!(rows?, 3);
    /// # Ok(()) }
    /// ```
    pub fn call<'r, Request, Make, F, T, E>(
        &self,
        request: &'r Request,
        run: Make,
    ) -> <P::Kind as RunFuture<'r, Request, Make, F, P, C>>::Future
    where
        P: Admit<Request>,
        Make: FnOnce() -> F,
        F: Future<Output = Result<T, E>>,
        P::Kind: RunFuture<'r, Request, Make, F, P, C>,
    {
        P::Kind::run(self, request, run)
    }

    pub(super) fn call_admitted<F>(&self, make: impl FnOnce() -> F, token: P::Token, now: Instant) -> Call<F, P, C> {
        let mut ticket = Some(Ticket::new(self.policy.hold(), token, now));
        let future = watch(&mut ticket, make);
        Call::admitted(future, ticket, self.protocol.classify.clone())
    }
}

impl<P, M: Clone> Clone for Guard<P, M> {
    fn clone(&self) -> Self {
        Self { policy: self.policy.clone(), protocol: self.protocol.clone() }
    }
}

impl<S, P, M: Clone> Layer<S> for Guard<P, M> {
    type Service = Guarded<S, P, M>;

    fn layer(&self, inner: S) -> Self::Service {
        Guarded::new(inner, self.policy.clone(), self.protocol.clone())
    }
}
