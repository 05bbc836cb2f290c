//! How a service's answers are read.

use std::{error::Error, fmt};

use super::{Policy, Reading, Rejected, Ticket, attempts::Exhausted};

/// What the answers of a service mean: how one is read, when its call ends, and how a rejection is worded.
///
/// These three vary together and only together. [`Plain`](crate::Plain) is for services that are just functions,
/// `Http` for those that answer with HTTP responses, servers and clients alike, and `Grpc` for those that
/// speak gRPC.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no way to answer a rejected call with `{Response}` or with `{Error}`",
    label = "a rejected call has no way to be answered here",
    note = "if the service answers with an `http::Response`, add `.http()` to the layer, or `.grpc()` if it speaks gRPC: rejections are then responses, and any error type will do",
    note = "if that is said and the response is of another type, convert it further in, with `.map_response(..)` after this layer",
    note = "otherwise use `BoxError`, by `.map_err(BoxError::from)` after this layer, or implement `cofferdam::Carries` for the error: two functions"
)]
pub trait Protocol<Response, Error>: Clone {
    /// The response, as callers of a guarded service get it.
    type Guarded<P: Policy>;

    /// Reads an answer: what became of the call.
    fn read(&self, answer: Result<&Response, &Error>) -> Reading;

    /// Answers an admitted call, and lets its ticket follow the answer to the end.
    ///
    /// # Errors
    ///
    /// The service's own.
    fn finish<P: Policy>(&self, answer: Result<Response, Error>, ticket: Ticket<P>) -> Result<Self::Guarded<P>, Error>;

    /// Answers a call that was rejected.
    ///
    /// # Errors
    ///
    /// The rejection, where the protocol words it as an error.
    fn reject<P: Policy>(&self, rejected: Rejected) -> Result<Self::Guarded<P>, Error>;
}

/// Errors that can carry a rejection, in both directions: put in, and found again.
///
/// A conversion alone would not do: a policy further out must be able to tell our own rejection from the dependency's
/// failure. `BoxError` and [`Rejected`] carry one. An error of your own needs two functions:
///
/// ```
/// use cofferdam::{Carries, Rejected};
///
/// enum QueryError {
///     Syntax,
///     Rejected(Rejected),
/// }
///
/// impl Carries for QueryError {
///     fn carry(rejected: Rejected) -> Self {
///         QueryError::Rejected(rejected)
///     }
///     fn carried(&self) -> Option<&Rejected> {
///         match self {
///             QueryError::Rejected(rejected) => Some(rejected),
///             QueryError::Syntax => None,
///         }
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no room for a rejection",
    label = "a rejected call has no way to be answered here",
    note = "if the service answers with an `http::Response`, add `.http()` to the layer, or `.grpc()` if it speaks gRPC: rejections are then responses, and any error type will do",
    note = "otherwise use `BoxError`, by `.map_err(BoxError::from)` after this layer, or implement `cofferdam::Carries` for the error: two functions"
)]
pub trait Carries: Sized {
    /// An error that carries this rejection, so that [`carried`](Self::carried) finds it. (For `BoxError`, a mere
    /// `rejected.into()` would not do.)
    fn carry(rejected: Rejected) -> Self;

    /// The rejection that this error carries, if it does.
    fn carried(&self) -> Option<&Rejected>;

    /// Notes in the error of a call that no further attempt was made, so that [`exhausted`](Self::exhausted) finds it and
    /// retries further out leave it. Default: there is no place for it, as in `BoxError`, and they may try again.
    fn exhaust(&mut self, exhausted: Exhausted) {
        let _ = exhausted;
    }

    /// What [`exhaust`](Self::exhaust) has noted. Default: nothing.
    fn exhausted(&self) -> Option<&Exhausted> {
        None
    }
}

impl Carries for Rejected {
    fn carry(rejected: Rejected) -> Self {
        rejected
    }

    fn carried(&self) -> Option<&Rejected> {
        Some(self)
    }
}

/// For any lifetime: an impl for `'static` alone would stop spawned calls over `BoxError` from compiling.
impl<'a> Carries for Box<dyn Error + Send + Sync + 'a> {
    fn carry(rejected: Rejected) -> Self {
        Box::new(Carrier(rejected))
    }

    // A source is always `'static`, so it can be looked into where the error itself cannot.
    fn carried(&self) -> Option<&Rejected> {
        self.source().and_then(Rejected::find)
    }
}

/// Has the rejection as its source.
#[derive(Debug)]
struct Carrier(Rejected);

impl fmt::Display for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the call was not answered: {}", self.0.why())
    }
}

impl Error for Carrier {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}
