//! Drain: a server goes, and no call is lost.
//!
//! A process that just ends breaks off whatever it was doing, and whoever sends to it finds out by errors. A drain takes
//! it out of service in order:
//!
//! ```text
//!             begin()          grace is over          the last call ends, or the deadline
//!   ready  ------->  leaving  -------------->  draining  -------------->  drained
//!
//!   readiness  200 |  503                   |  503                    |  503
//!   new calls   in |  in, and told to go    |  503, `Connection: close`: not one slips in
//!   in flight      |                        |  to their end, bodies included; at the deadline they are cut
//! ```
//!
//! ```
//! use std::time::Duration;
//! use axum::{Router, body::Body, routing::get};
//! use cofferdam::{Drain, Policy, Why, rejection};
//! use http::{Request, StatusCode};
//! use tower::ServiceExt;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let drain = Drain::builder("checkout").grace(Duration::ZERO).deadline(Duration::from_secs(30)).build()?;
//! let app: Router = Router::new()
//!     .route("/", get(|| async { "hello" }))
//!     .layer(drain.clone().layer().http())
//!     .route_service("/readyz", drain.readiness());
//!
//! // A call that is in flight, as its body is still to be read.
//! let answer = app.clone().oneshot(Request::get("/").body(Body::empty())?).await?;
//!
//! let end = tokio::spawn(drain.begin());
//! let readiness = app.clone().oneshot(Request::get("/readyz").body(Body::empty())?).await?;
//! assert_eq!(readiness.status(), StatusCode::SERVICE_UNAVAILABLE);
//! let rejected = app.oneshot(Request::get("/").body(Body::empty())?).await?;
//! assert_eq!(rejection(&rejected).unwrap().why(), Why::Draining);
//! assert_eq!(rejected.headers()["connection"], "close");
//!
//! assert_eq!(axum::body::to_bytes(answer.into_body(), 100).await?, "hello");
//! let report = end.await?;
//! assert_eq!((report.ended, report.cut), (1, 0));
//! # Ok(()) }
//! ```
//!
//! **When it rejects**, it does so with [`Why::Draining`](crate::Why::Draining), which may be tried again at once, elsewhere.
//! Over HTTP that is a 503 with `Retry-After: 0` and `Connection: close` (which servers take out of answers in HTTP/2, where
//! they close connections by `GOAWAY`), and over gRPC `UNAVAILABLE` with a pushback of 0. From the moment that it is
//! leaving, answers over HTTP say `Connection: close` too, so that clients who keep connections go before they are turned away.
//!
//! # The deadline
//!
//! Calls that are still in flight then are ended with [`Why::Cut`](crate::Why::Cut): one without an answer gets one (503, or
//! `UNAVAILABLE`), and one whose answer has begun ends in trailers over gRPC, else in an error of its body, which breaks
//! it off visibly. What cannot be ended like that is left to whoever closes the connections, usually the end of the process:
//! a body that its reader does not read or whose next frame is always there, a handler that blocks its thread, and what is
//! [held](Drain::hold). All of them are in [`Drained::cut`], and none of them keeps the future of a drain from being ready.
//!
//! The future keeps the time, as nothing is spawned: see [`Finished`].
//!
//! # With a server
//!
//! Begin when the process is told to go, and stop the listener when the drain is over, so that connections are there for
//! whoever has to be told: `axum::serve(..).with_graceful_shutdown(async { told().await; drain.begin().await; })`. The server
//! then closes idle connections, and sends the last bytes, which a drain does not wait for: for a body it waits until the
//! server has taken the last of it. Bound that by a time, as a client that reads nothing keeps it waiting; and give the
//! process grace, deadline and that time before it is killed. `examples/drain.rs` is a whole one.
//!
//! **Health checks** are let in at any time, up to sixteen at once, so that nobody restarts a server for going in order; see
//! [`HealthChecks`], and [`Builder::exempt`] for something else. Requests that are no [`Context`](crate::Context) need
//! [`exempt_nobody`](Builder::exempt_nobody); then a drain also answers for a service behind it that is not ready.
//!
//! **An upgraded connection** is over with the head of its answer: [hold](Drain::hold) the drain for as long as it lasts.
//!
//! **Clones** of a drain, of its layer and of the services made from it share the count: one drain is one server, whatever
//! routes it has.
//!
//! **In a stack** it is outermost, so that all that is further in is part of the call: the first of the group that admits calls, which
//! costs least, or a layer of its own. A call that waits in line behind it has been let in: it is waited for, and turned away at the
//! deadline, when it can still be sent elsewhere. A call that is admitted costs what it costs under a bulkhead; one that has to
//! wait leaves its waker in a place of its thread, to be cut.

mod config;
mod exempt;
mod finished;
mod gate;
mod inside;
mod live;
mod operate;
mod policy;
#[cfg(feature = "http")]
mod readiness;
mod state;

pub use config::Builder;
pub use exempt::{Exempt, HealthChecks, Nobody};
pub use finished::Finished;
pub use inside::Inside;
pub use policy::{Drain, Hold};
#[cfg(feature = "http")]
pub use readiness::Readiness;
pub use state::{Drained, State};
