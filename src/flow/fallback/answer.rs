//! The ways to answer.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    task::{Context, Poll},
};

use tower_service::Service;

use super::{Failed, Fallback, FallbackLayer};
use crate::kernel::{Oneshot, Plain};

/// Answers in place of a call that failed.
///
/// [`Fallback`] has constructors for the usual ways; this is for those it has not.
#[diagnostic::on_unimplemented(
    message = "this fallback does not answer with `{T}` or with `{E}`, as the service further in does",
    label = "answers with something else",
    note = "a fallback answers with the very types of the service that it is put around",
    note = "where that is a response whose body another layer has wrapped, make the body from text or from bytes: `Response::new(\"sorry\".into())`"
)]
pub trait Answer<Request, T, E> {
    /// What is kept of a request until it may be needed.
    type Kept;
    /// The answer on its way.
    type Future: Future<Output = Result<T, E>>;

    /// Keeps what an answer will need.
    fn keep(&self, request: &Request) -> Self::Kept;

    /// Whether this call is to be answered at all.
    fn wants(&self, failed: &Failed<T, E>) -> bool {
        let _ = failed;
        true
    }

    /// Answers.
    fn answer(&self, failed: Failed<T, E>, kept: Self::Kept) -> Self::Future;
}

/// Stands where there is no service yet, in `Fallback::value` and the like.
#[derive(Debug)]
pub enum NoService {}

impl<Request> Service<Request> for NoService {
    type Response = Infallible;
    type Error = Infallible;
    type Future = Ready<Result<Infallible, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        match *self {}
    }

    fn call(&mut self, _: Request) -> Self::Future {
        match *self {}
    }
}

impl Fallback<NoService, (), ()> {
    /// Answers with a clone of this.
    pub fn value<T: Clone, Request>(value: T) -> FallbackLayer<Value<T>, Plain, Request> {
        FallbackLayer::new(Value(value))
    }

    /// Answers with what a function makes of the failure.
    ///
    /// ```
    /// use cofferdam::{BoxError, Cause, Failed, Fallback};
    /// use tower::{ServiceBuilder, service_fn};
    ///
    /// let service = ServiceBuilder::new()
    ///     .layer(Fallback::function(|failed: Failed<String, BoxError>| match failed.cause() {
    ///         Cause::Rejected => Ok("come back later".to_owned()),
    ///         _ => failed.into_answer(),
    ///     }))
    ///     .service(service_fn(|user: u32| async move { Ok::<_, BoxError>(format!("hello {user}")) }));
    /// # let _ = service;
    /// ```
    pub fn function<Request, T, E, F>(function: F) -> FallbackLayer<Function<F>, Plain, Request>
    where
        F: Fn(Failed<T, E>) -> Result<T, E>,
    {
        FallbackLayer::new(Function(function))
    }

    /// Answers with what a function makes of the failure and of what another kept of the request.
    ///
    /// ```
    /// use cofferdam::{BoxError, Failed, Fallback};
    ///
    /// let layer = Fallback::keeping(
    ///     |order: &(u32, Vec<u8>)| order.0,
    ///     |_failed: Failed<String, BoxError>, number| Ok(format!("order {number} is being looked at")),
    /// );
    /// # let _ = layer;
    /// ```
    pub fn keeping<Request, Kept, T, E, K, F>(keep: K, function: F) -> FallbackLayer<Keeping<K, F>, Plain, Request>
    where
        K: Fn(&Request) -> Kept,
        F: Fn(Failed<T, E>, Kept) -> Result<T, E>,
    {
        FallbackLayer::new(Keeping { keep, function })
    }

    /// Answers with what another service says to the request that `keep` makes of the first. A fresh clone of it is made
    /// ready and called each time; if that fails, its error is the answer.
    ///
    /// ```
    /// use cofferdam::{BoxError, Fallback};
    /// use tower::service_fn;
    ///
    /// let replica = service_fn(|key: String| async move { Ok::<_, BoxError>(format!("old {key}")) });
    /// let layer = Fallback::service(|key: &String| key.clone(), replica);
    /// # let _ = layer;
    /// ```
    pub fn service<Request, Kept, K, S>(keep: K, service: S) -> FallbackLayer<Backup<K, S>, Plain, Request>
    where
        K: Fn(&Request) -> Kept,
        S: Service<Kept> + Clone,
    {
        FallbackLayer::new(Backup { keep, service })
    }
}

/// Answers with a value: see [`Fallback::value`].
#[derive(Clone, Debug)]
pub struct Value<T>(T);

/// Answers with a function: see [`Fallback::function`].
#[derive(Clone, Debug)]
pub struct Function<F>(F);

/// Answers with a function of what was kept: see [`Fallback::keeping`].
#[derive(Clone, Debug)]
pub struct Keeping<K, F> {
    keep: K,
    function: F,
}

/// Answers with another service: see [`Fallback::service`].
#[derive(Clone, Debug)]
pub struct Backup<K, S> {
    keep: K,
    service: S,
}

/// Answers for some failures: see [`FallbackLayer::when`].
#[derive(Clone, Debug)]
pub struct When<A, F> {
    answer: A,
    wanted: F,
}

impl<A, F> When<A, F> {
    pub(super) fn new(answer: A, wanted: F) -> Self {
        Self { answer, wanted }
    }
}

impl<Request, T: Clone, E> Answer<Request, T, E> for Value<T> {
    type Kept = ();
    type Future = Ready<Result<T, E>>;

    fn keep(&self, _: &Request) {}

    fn answer(&self, _: Failed<T, E>, (): ()) -> Self::Future {
        ready(Ok(self.0.clone()))
    }
}

impl<Request, T, E, F> Answer<Request, T, E> for Function<F>
where
    F: Fn(Failed<T, E>) -> Result<T, E>,
{
    type Kept = ();
    type Future = Ready<Result<T, E>>;

    fn keep(&self, _: &Request) {}

    fn answer(&self, failed: Failed<T, E>, (): ()) -> Self::Future {
        ready((self.0)(failed))
    }
}

impl<Request, Kept, T, E, K, F> Answer<Request, T, E> for Keeping<K, F>
where
    K: Fn(&Request) -> Kept,
    F: Fn(Failed<T, E>, Kept) -> Result<T, E>,
{
    type Kept = Kept;
    type Future = Ready<Result<T, E>>;

    fn keep(&self, request: &Request) -> Kept {
        (self.keep)(request)
    }

    fn answer(&self, failed: Failed<T, E>, kept: Kept) -> Self::Future {
        ready((self.function)(failed, kept))
    }
}

impl<Request, Kept, T, E, K, S> Answer<Request, T, E> for Backup<K, S>
where
    K: Fn(&Request) -> Kept,
    S: Service<Kept, Response = T, Error = E> + Clone,
{
    type Kept = Kept;
    type Future = Oneshot<S, Kept>;

    fn keep(&self, request: &Request) -> Kept {
        (self.keep)(request)
    }

    fn answer(&self, _: Failed<T, E>, kept: Kept) -> Self::Future {
        Oneshot::new(self.service.clone(), kept)
    }
}

impl<Request, T, E, A, F> Answer<Request, T, E> for When<A, F>
where
    A: Answer<Request, T, E>,
    F: Fn(&Failed<T, E>) -> bool,
{
    type Kept = A::Kept;
    type Future = A::Future;

    fn keep(&self, request: &Request) -> A::Kept {
        self.answer.keep(request)
    }

    fn wants(&self, failed: &Failed<T, E>) -> bool {
        (self.wanted)(failed) && self.answer.wants(failed)
    }

    fn answer(&self, failed: Failed<T, E>, kept: A::Kept) -> A::Future {
        self.answer.answer(failed, kept)
    }
}
