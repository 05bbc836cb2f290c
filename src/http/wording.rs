//! How a rejection is worded.

use bytes::Bytes;
use http::Response;

use super::ProblemDetails;
use crate::kernel::{Carries, Rejected};

/// Words a rejection for a service with this error.
pub trait Wording<E> {
    /// The rejection as a response.
    ///
    /// # Errors
    ///
    /// The rejection as an error, for a wording that prefers that.
    fn word(&self, rejected: &Rejected) -> Result<Response<Bytes>, E>;

    /// The rejection that an error is, for a wording that makes errors.
    fn find<'e>(&self, error: &'e E) -> Option<&'e Rejected> {
        let _ = error;
        None
    }
}

/// A 503, a 504 if time was up, or a 429 for a rate limit, with `Retry-After` where that is known, and a problem body that
/// says what happened and not to whom: what [`ProblemDetails`] says of a rejection unless told otherwise.
///
/// ```
/// use cofferdam::{Name, Rejected, Why, http::{Problem, Wording}};
///
/// let rejected = Rejected::new(Name::new("payments")?, Why::Full);
/// let response = Wording::<std::convert::Infallible>::word(&Problem, &rejected).unwrap();
/// assert_eq!(response.status(), 503);
/// assert_eq!(
///     response.body(),
///     r#"{"type":"about:blank","title":"Service Unavailable","status":503,"detail":"no slot is free"}"#,
/// );
/// # Ok::<(), cofferdam::Invalid>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Problem;

/// A rejection is an error that [carries](Carries) it: see [`Http::errors`](super::Http::errors).
///
/// ```
/// use cofferdam::{Bulkhead, Http, Policy, Rejected};
/// use http::{Request, Response};
/// use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), BoxError> {
/// let slots = Bulkhead::builder("checkout").limit(1).build()?;
/// let service = ServiceBuilder::new()
///     .layer(slots.layer().protocol(Http::new().errors()))
///     .service(service_fn(|_: Request<()>| async { Ok::<_, BoxError>(Response::new(String::from("hello"))) }));
///
/// let first = service.clone().oneshot(Request::default()).await?; // Its body is still to be read.
/// let error = service.oneshot(Request::default()).await.map(drop).unwrap_err();
/// assert!(Rejected::find(error.as_ref()).is_some());
/// # drop(first); Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Errors;

/// Words by a function that makes a problem: see [`Http::problem`](super::Http::problem).
#[derive(Clone, Copy, Debug)]
pub struct ProblemWith<F>(pub(crate) F);

/// Words by a function: see [`Http::wording`](super::Http::wording).
#[derive(Clone, Copy, Debug)]
pub struct WordWith<F>(pub(crate) F);

impl<E> Wording<E> for Problem {
    fn word(&self, rejected: &Rejected) -> Result<Response<Bytes>, E> {
        Ok(ProblemDetails::of(rejected).into_response())
    }
}

impl<E: Carries> Wording<E> for Errors {
    fn word(&self, rejected: &Rejected) -> Result<Response<Bytes>, E> {
        Err(E::carry(*rejected))
    }

    fn find<'e>(&self, error: &'e E) -> Option<&'e Rejected> {
        error.carried()
    }
}

impl<E, F: Fn(&Rejected) -> Response<Bytes>> Wording<E> for WordWith<F> {
    fn word(&self, rejected: &Rejected) -> Result<Response<Bytes>, E> {
        Ok((self.0)(rejected))
    }
}

impl<E, F: Fn(&Rejected) -> ProblemDetails> Wording<E> for ProblemWith<F> {
    fn word(&self, rejected: &Rejected) -> Result<Response<Bytes>, E> {
        Ok((self.0)(rejected).into_response())
    }
}
