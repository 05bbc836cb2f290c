//! Who is let in at any time.

use crate::kernel::Context;

/// Tells which requests a [`Drain`](super::Drain) lets in at any time: [`HealthChecks`], [`Nobody`], or a function of yours.
#[diagnostic::on_unimplemented(
    message = "whether a `{Request}` is a health check is not known",
    label = "a drain lets health checks in at any time, and does not know which requests are",
    note = "with the feature `http`, `http::Request` says so; another type may implement `cofferdam::Context`",
    note = "or say so to the builder: `.exempt_nobody()`, or `.exempt(|request| ..)`"
)]
pub trait Exempt<Request> {
    /// Whether there may be any.
    #[doc(hidden)]
    const ANY: bool = true;

    /// Whether this request is let in at any time.
    fn is_exempt(&self, request: &Request) -> bool;
}

/// Health checks are let in at any time, so that nobody restarts what is about to end in order: see
/// [`Context::is_health_check`].
#[derive(Clone, Copy, Debug, Default)]
pub struct HealthChecks;

/// Nobody is: for requests of any type.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nobody;

impl<Request: Context> Exempt<Request> for HealthChecks {
    fn is_exempt(&self, request: &Request) -> bool {
        request.is_health_check()
    }
}

impl<Request> Exempt<Request> for Nobody {
    const ANY: bool = false;

    fn is_exempt(&self, _: &Request) -> bool {
        false
    }
}

impl<Request, F: Fn(&Request) -> bool> Exempt<Request> for F {
    fn is_exempt(&self, request: &Request) -> bool {
        self(request)
    }
}
