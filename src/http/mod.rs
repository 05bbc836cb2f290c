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
//! a value that you can change: with a problem of your own, by `.http().problem(..)`, see [`ProblemDetails`]; with any
//! response, see [`Http::wording`]; whoever prefers errors and has one that carries a rejection says [`Http::errors`].
//!
//! **Where it goes in Axum**: into `Router::layer`, `Router::route_layer` and `MethodRouter::layer` alike, inside or outside
//! of the layers of others. The policy is in the layer, so its scope is what the layer is put around: everything, one route,
//! or, with [`Keyed`](crate::Keyed), whoever asks.
//!
//! ```
//! use axum::{Router, extract::Request, routing::get};
//! use cofferdam::{AdaptiveLimit, Bulkhead, Keyed, Policy};
//!
//! fn tenant(request: &Request) -> &str {
//!     request.headers().get("x-tenant").and_then(|name| name.to_str().ok()).unwrap_or_default()
//! }
//!
//! let all = AdaptiveLimit::builder("shop").build()?;
//! let own = Bulkhead::builder("reports").limit(4).build()?;
//! let each = Keyed::builder(Bulkhead::builder("tenant").limit(8).build()?).by_text(tenant).build()?;
//!
//! let app: Router = Router::new()
//!     .route("/reports", get(|| async {}).layer(own.layer().http())) // This route's slots.
//!     .route("/orders", get(|| async {}))
//!     .layer(each.layer().http()) // Slots of each tenant.
//!     .layer(all.layer().http()); // What all routes share: the last layer of a router is the outermost.
//! # let _ = app; Ok::<(), cofferdam::Invalid>(())
//! ```
//!
//! **A lasting answer**, one that goes on for as long as its reader stays, such as server-sent events, is over with its head for an
//! [adaptive limit](crate::AdaptiveLimit) and for [load shedding](crate::LoadShed), which count work and not listeners, and for a
//! [breaker](crate::CircuitBreaker) and a [throttle](crate::AdaptiveThrottle), which want to know whether calls are answered: however
//! it ends later, they do not hear of it. All other policies follow it to its end. It is known by its `content-type`, by a [mark](Lasting), or by what you say with
//! [`Http::lasting`]; for what deadlines and a drain make of it see [answers that take
//! long](crate::presets#answers-that-take-long).
//!
//! **An error of the service** is a failure: nobody was there, or what came was no answer. But a client errs as well when the body of
//! the *request* breaks off, as it does at a proxy whose callers go away in the midst of their uploads. Ten of them would open the
//! breaker of a dependency that has done nothing. No client says in one word whose fault it was, so whoever sends on what others
//! upload says by [`Http::classify_errors`] which errors are not the dependency's:
//!
//! ```
//! use std::{error::Error, iter::successors};
//! use cofferdam::{Http, Outcome};
//! use hyper_util::client::legacy;
//!
//! /// Over HTTP/1 it is an error of the user's, and over HTTP/2 the stream was reset by neither the other end nor the protocol.
//! fn upload_broke_off(error: &(dyn Error + 'static)) -> bool {
//!     successors(Some(error), |error| (*error).source()).any(|error| {
//!         let (one, two) = (error.downcast_ref::<hyper::Error>(), error.downcast_ref::<h2::Error>());
//!         one.is_some_and(hyper::Error::is_user)
//!             || two.is_some_and(|error| error.is_reset() && !error.is_remote() && !error.is_library())
//!     })
//! }
//!
//! let protocol = Http::new().classify_errors(|error: &legacy::Error| match upload_broke_off(error) {
//!     true => Outcome::Ignored,
//!     false => Outcome::Failure,
//! });
//! let storage = cofferdam::http::client("storage").protocol(protocol).build()?;
//! # let _ = storage; Ok::<(), cofferdam::Invalid>(())
//! ```
//!
//! **Where a call ends** that is not a head and then a body: an upgrade (101) and a tunnel (`CONNECT`) end it with their head.
//! For every policy: what is said on the connection from then on is no answer. It can be run under a guard of its own, by
//! [`Guard::call`](crate::Guard::call) around whatever speaks there. Informational answers (100, 103) end nothing. A body
//! that is dropped before anybody has asked for any of it, as a server's is under `HEAD` and that of a caller who looks at the
//! status only, was not broken off: there the head decides.
//!
//! **Errors of a client** are failures, whatever they are, unless [`Http::classify_errors`] tells them apart: nobody there,
//! an answer that broke off, a request that made no sense. A policy around the *connector*, of Hyper's client or of Reqwest's,
//! judges connections and nothing else.
//!
//! **A body whose own error is a `BoxError`**, such as a `BoxBody<Bytes, BoxError>`, can be sent and read, but a future that
//! reads it behind a timeout or a drain cannot be spawned: the compiler says that an "implementation of `From` is not general
//! enough" ([rust#102211](https://github.com/rust-lang/rust/issues/102211)). Give such a body an error with a name further in, for
//! which `.map_response(|response| response.map(axum::body::Body::new))` will do.
//!
//! **A request's context** is in its extensions: a [`Deadline`](crate::Deadline), a [`Criticality`](crate::Criticality),
//! an [`Attempt`](crate::Attempt) and a [`TaskKey`](crate::TaskKey): see [`context`](crate::context). Between services it
//! travels in headers: see [`hops`].

mod answer;
mod attempts;
mod chain;
mod context;
mod exhausted;
mod fallback;
pub mod hops;
mod lasting;
mod paced;
mod problem;
mod protocol;
pub mod replay;
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
pub use lasting::{ClassifyLasting, EventStreams, Lasting};
pub use paced::Paced;
pub use problem::ProblemDetails;
pub use protocol::{AllFailures, ByStatus, ClassifyError, ClassifyHead, Http};
pub use replay::Replayed;
pub(crate) use tracked::Rest;
pub use tracked::{ByHead, ReadEnd, Tracked};
use worded::Worded;
pub use wording::{Errors, Problem, ProblemWith, WordWith, Wording};

/// The front door: whole stacks stand above this module, and are found in it.
pub use crate::presets::{http_client as client, http_server as server};
