//! HTTP: answers are read as responses, calls end with their bodies, and rejections are responses.
//!
//! `.http()` on a layer chooses this protocol. No bound is put on the error of the service, so the layer goes straight
//! around an Axum `Router`, whose error is `Infallible`, and around a Hyper client, which cannot make an error of ours.
//!
//! ```text
//!   head 2xx-4xx --> body frames --> end of the body: success
//!   head 5xx ------------------------------ at once: failure      (429, 503: overload)
//!   body breaks off ------------------------------- : failure
//!   body dropped before its end ------------------- : abandoned   (by a caller who has begun to read it)
//! ```
//!
//! ```
//! use axum::{Router, body::Body, routing::get};
//! use cofferdam::{Bulkhead, Policy};
//! use http::{Request, StatusCode};
//! use tower::ServiceExt;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let slots = Bulkhead::builder("checkout").limit(1).build()?;
//! let app: Router = Router::new().route("/", get(|| async { "hello" })).layer(slots.clone().layer().http());
//!
//! let first = app.clone().oneshot(Request::new(Body::empty())).await?;
//! assert_eq!(slots.in_flight(), 1); // The body has not been read to its end yet.
//!
//! let second = app.oneshot(Request::new(Body::empty())).await?;
//! assert_eq!(second.status(), StatusCode::SERVICE_UNAVAILABLE);
//! assert_eq!(cofferdam::rejection(&second).unwrap().by().as_str(), "checkout");
//!
//! drop(first);
//! assert_eq!(slots.in_flight(), 0);
//! # Ok(()) }
//! ```
//!
//! **A rejection** is by default a 503, a 504 if time was up, or a 429 for a rate limit, with `Retry-After` where that is known and a small
//! problem body (RFC 9457) that names no dependency. [`Rejected`](crate::Rejected) is in its extensions. The wording is
//! a value that you can change: see [`Http::wording`]; whoever prefers errors and has one that carries a rejection says
//! [`Http::errors`].
//!
//! **A request's context** is in its extensions: a [`Deadline`](crate::Deadline), a [`Criticality`](crate::Criticality),
//! an [`Attempt`](crate::Attempt) and a [`TaskKey`](crate::TaskKey): see [`context`](crate::context). Between services it
//! travels in headers: see [`hops`].

mod answer;
mod attempts;
mod chain;
mod context;
mod fallback;
pub mod hops;
mod paced;
mod problem;
mod protocol;
pub(crate) mod retry_after;
mod tracked;
mod worded;
mod wording;

pub use answer::{ReadHead, rejection};
#[cfg(feature = "grpc")]
pub(crate) use answer::{read_answer, word};
pub use attempts::{ByMethod, HttpAttempts};
pub use fallback::HttpFallback;
pub use hops::ContextHeaders;
pub use paced::Paced;
pub use problem::ProblemDetails;
pub use protocol::{AllFailures, ByStatus, ClassifyError, ClassifyHead, Http};
pub(crate) use tracked::Rest;
pub use tracked::{ByHead, ReadEnd, Tracked};
use worded::Worded;
pub use wording::{Errors, Problem, ProblemWith, WordWith, Wording};
