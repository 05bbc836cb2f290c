use std::marker::PhantomData;

use tower_layer::Layer;
use tower_service::Service;

use super::{Fallback, When};
use crate::kernel::{Carries, Classify, Degraded, Outcome, Plain, Protocol, Reading, Rejected};

/// What became of the call that a fallback answers for.
///
/// ```
/// use cofferdam::{BoxError, Cause, Fallback, FallbackLayer, fallback::Value, Plain};
///
/// // A slow answer is replaced, an error is not.
/// let layer: FallbackLayer<Value<u32>, Plain, ()> = Fallback::value(0).on([Cause::TimedOut, Cause::Rejected]);
/// # let _ = layer;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// This crate rejected it: [`Failed::rejected`] says who and why.
    Rejected,
    /// It ran out of time.
    TimedOut,
    /// It failed.
    Failure,
    /// The dependency said "not now".
    Overload,
    /// The service behind reported an error instead of becoming ready. Most services never recover from that.
    NotReady,
}

impl Cause {
    /// What calls for an answer, if this reading does.
    pub(super) fn of(reading: &Reading) -> Option<Self> {
        match reading.rejected {
            Some(rejected) if rejected.why().is_timeout() => Some(Self::TimedOut),
            Some(_) => Some(Self::Rejected),
            None => match reading.outcome {
                Outcome::Failure => Some(Self::Failure),
                Outcome::Overload => Some(Self::Overload),
                Outcome::Success | Outcome::Ignored | Outcome::Abandoned => None,
            },
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A call that needs another answer, and the one it has.
#[derive(Debug)]
pub struct Failed<T, E> {
    cause: Cause,
    rejected: Option<Rejected>,
    answer: Result<T, E>,
}

impl<T, E> Failed<T, E> {
    pub(super) fn new(cause: Cause, reading: &Reading, answer: Result<T, E>) -> Self {
        Self { cause, rejected: reading.rejected, answer }
    }

    pub(super) fn degraded(&self) -> Degraded {
        let outcome = match self.cause {
            Cause::Overload => Outcome::Overload,
            Cause::Rejected | Cause::TimedOut => self.rejected.map_or(Outcome::Failure, |rejected| rejected.outcome()),
            Cause::Failure | Cause::NotReady => Outcome::Failure,
        };
        Degraded::new(outcome, self.rejected)
    }

    /// What became of the call.
    #[must_use]
    pub fn cause(&self) -> Cause {
        self.cause
    }

    /// Who rejected it and why, if it was rejected or ran out of time.
    #[must_use]
    pub fn rejected(&self) -> Option<&Rejected> {
        self.rejected.as_ref()
    }

    /// The answer as it was.
    ///
    /// # Errors
    ///
    /// The call's own error, if that is what it was.
    pub fn answer(&self) -> Result<&T, &E> {
        self.answer.as_ref()
    }

    /// The answer as it was.
    ///
    /// # Errors
    ///
    /// The call's own error, if that is what it was.
    pub fn into_answer(self) -> Result<T, E> {
        self.answer
    }
}

/// The layer of [`Fallback`]: what to answer, and on what causes.
///
/// `Request` is what the services that it is put around are called with.
#[derive(Debug)]
pub struct FallbackLayer<A, M, Request> {
    plan: Plan<A, M>,
    request: PhantomData<fn(Request)>,
}

/// What a fallback does: of interest only as part of other types' names.
#[derive(Clone, Debug)]
pub struct Plan<A, M> {
    pub(super) answer: A,
    pub(super) causes: Causes,
    pub(super) protocol: M,
}

/// A set of causes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Causes(u8);

impl Causes {
    pub(super) fn contain(self, cause: Cause) -> bool {
        self.0 & cause.bit() != 0
    }
}

impl<A, Request> FallbackLayer<A, Plain, Request> {
    pub(super) fn new(answer: A) -> Self {
        Self::with(Plan { answer, causes: Causes(u8::MAX), protocol: Plain::default() })
    }
}

impl<A, M, Request> FallbackLayer<A, M, Request> {
    fn with(plan: Plan<A, M>) -> Self {
        Self { plan, request: PhantomData }
    }

    /// Answers only for these causes. Others pass through as they are. Default: all.
    #[must_use]
    pub fn on(self, causes: impl IntoIterator<Item = Cause>) -> Self {
        let causes = Causes(causes.into_iter().fold(0, |set, cause| set | cause.bit()));
        Self::with(Plan { causes, ..self.plan })
    }

    /// Answers only for calls of which this says so: for those rejected by a certain policy, say.
    ///
    /// ```
    /// use cofferdam::{BoxError, Failed, Fallback};
    /// use tower::{ServiceBuilder, service_fn};
    ///
    /// let by_payments = |failed: &Failed<u32, BoxError>| failed.rejected().is_some_and(|by| by.by().as_str() == "payments");
    /// let service = ServiceBuilder::new()
    ///     .layer(Fallback::value(0).when(by_payments))
    ///     .service(service_fn(|user: u32| async move { Ok::<_, BoxError>(user) }));
    /// # let _ = service;
    /// ```
    #[must_use]
    pub fn when<T, E, F: Fn(&Failed<T, E>) -> bool>(self, wanted: F) -> FallbackLayer<When<A, F>, M, Request> {
        let Plan { answer, causes, protocol } = self.plan;
        FallbackLayer::with(Plan { answer: When::new(answer, wanted), causes, protocol })
    }

    /// For services of another protocol.
    #[must_use]
    pub fn protocol<N>(self, protocol: N) -> FallbackLayer<A, N, Request> {
        let Plan { answer, causes, .. } = self.plan;
        FallbackLayer::with(Plan { answer, causes, protocol })
    }

    /// The protocol, to be changed in place.
    #[cfg(feature = "http")]
    pub(crate) fn protocol_mut(&mut self) -> &mut M {
        &mut self.plan.protocol
    }
}

impl<A: Clone, M: Clone, Request> Clone for FallbackLayer<A, M, Request> {
    fn clone(&self) -> Self {
        Self::with(self.plan.clone())
    }
}

impl<S: Service<Request>, A: Clone, M: Clone, Request> Layer<S> for FallbackLayer<A, M, Request> {
    type Service = Fallback<S, Plan<A, M>, Request>;

    fn layer(&self, inner: S) -> Self::Service {
        Fallback::new(inner, self.plan.clone())
    }
}

/// What a fallback needs of a protocol: to read an answer, and to mark one that stands in for it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no way to read a call that ends with `{Response}` or with `{Error}`",
    note = "if the service answers with an `http::Response`, add `.http()` to the layer, or `.grpc()` if it speaks gRPC: any error type will then do",
    note = "if that is said and the response is of another type, convert it further in, with `.map_response(..)` after this layer",
    note = "otherwise use `BoxError`, by `.map_err(BoxError::from)` after this layer, or implement `cofferdam::Carries` for the error: two functions"
)]
pub trait FallbackProtocol<Response, Error>: Clone {
    /// Reads an answer: what became of the call.
    fn read(&self, answer: Result<&Response, &Error>) -> Reading;

    /// Marks an answer, if it has a place for that.
    fn mark(&self, response: &mut Response, degraded: Degraded);
}

impl<T, E: Carries, C: Classify<T, E> + Clone> FallbackProtocol<T, E> for Plain<C> {
    fn read(&self, answer: Result<&T, &E>) -> Reading {
        Protocol::read(self, answer)
    }

    fn mark(&self, _: &mut T, _: Degraded) {}
}
