//! How a rejection is worded.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

use super::retry_after;
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

/// A 503, or a 504 if time was up, with `Retry-After` where that is known, and a problem body that says what happened and
/// not to whom: the names of dependencies stay inside.
#[derive(Clone, Copy, Debug, Default)]
pub struct Problem;

/// A rejection is an error that [carries](Carries) it: see [`Http::errors`](super::Http::errors).
#[derive(Clone, Copy, Debug, Default)]
pub struct Errors;

/// Words by a function: see [`Http::wording`](super::Http::wording).
#[derive(Clone, Copy, Debug)]
pub struct WordWith<F>(pub(super) F);

impl<E> Wording<E> for Problem {
    fn word(&self, rejected: &Rejected) -> Result<Response<Bytes>, E> {
        let why = rejected.why();
        let status = if why.is_timeout() { StatusCode::GATEWAY_TIMEOUT } else { StatusCode::SERVICE_UNAVAILABLE };
        let body = format!(
            r#"{{"type":"about:blank","title":"{}","status":{},"detail":"{why}"}}"#,
            status.canonical_reason().unwrap_or_default(),
            status.as_u16(),
        );
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(after) = rejected.retry_after() {
            headers.insert(header::RETRY_AFTER, retry_after::write(after));
        }
        Ok(response)
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
