//! Adaptive concurrency limit: at most as many calls at a time as the dependency gets done.
//!
//! A fixed limit is right on the day it was measured. When the dependency gets slower, or gets more machines, or half of
//! them are gone, it is wrong, and nobody changes it at night. Too high, and the dependency's own queue fills with calls
//! whose callers have left; too low, and work that could be done is turned away.
//!
//! ```text
//!   calls that
//!   work a second      .-------------------  capacity
//!           ^        /  |
//!           |      /    |  beyond the knee, more calls at a time only wait longer
//!           |    /      |
//!           |  /        '-- the limit is kept here
//!           '----------------------------> calls in flight
//! ```
//!
//! ```
//! use cofferdam::{Policy, Rejected, Why, limit::AdaptiveLimit};
//! use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), BoxError> {
//! let limit = AdaptiveLimit::builder("search").initial_limit(2).build()?;
//! let service = ServiceBuilder::new()
//!     .layer(limit.clone().layer())
//!     .service(service_fn(|()| std::future::pending::<Result<(), BoxError>>()));
//!
//! let mut calls = [(); 2].map(|()| Box::pin(service.clone().oneshot(())));
//! for call in &mut calls {
//!     assert!(futures_util::poll!(call).is_pending());
//! }
//! let error = service.oneshot(()).await.unwrap_err();
//! assert_eq!(Rejected::find(error.as_ref()).unwrap().why(), Why::Full);
//! # Ok(()) }
//! ```
//!
//! **There is nothing to set**, but one thing is worth telling it: how long callers wait, by
//! [`patience`](Builder::patience) or by the [`deadline`](Builder::deadline) of requests. It knows by that when a call is
//! late, whatever is usual.
//!
//! **What it learns from.** Windows of many calls, never a single one. Only calls that worked say how long work takes; those
//! that failed fast, or were turned away, do not. Of many calls some are timed exactly, so that the clock costs nothing.
//! Nobody has to call it: the thread whose call ends when a window is due looks at it, and the others go on.
//!
//! **A call lasts** to the end of its answer, over HTTP to that of its body, and so holds its slot while that is sent: a streaming
//! answer is still work. It is late by the time to its head. A *lasting* answer, that goes on for as long as its reader stays, such
//! as server-sent events, is none: with its head the slot is free, and what was measured is the time until then. Which answers
//! last is up to the protocol: see `Http::lasting`.
//!
//! **When it rejects**, it does so at once and with [`Why::Full`](crate::Why::Full), a 503 over HTTP.
//!
//! **Which algorithm** decides is yours. It is [`Knee`] unless you say otherwise; there are [`Aimd`], [`Vegas`], [`Gradient2`]
//! and [`Gradient`], with what is known to break them mended; and one of your own takes ten lines: see [`Algorithm`].
//!
//! **Calls of different weight**: [`weighted`](AdaptiveLimit::weighted) lets each take as many slots as it keeps busy.
//!
//! **Clones** of a limit, of its layer and of the services made from it share it. There should be one for each dependency
//! and process: several that do not know of each other each give the dependency a full share.
//!
//! **In a stack** it stands where a [bulkhead](crate::bulkhead) would: at a server outermost but for what answers health
//! checks, at a client next to the breaker and outside the timeout.

mod algorithm;
mod begun;
mod cohort;
mod config;
mod controller;
mod meter;
mod operate;
mod patience;
mod policy;
mod roller;

pub use algorithm::{Aimd, Algorithm, Gradient, Gradient2, Knee, Plan, Quiet, Sample, Vegas};
pub(super) use begun::{Begun, Held, Weighed};
pub use config::Builder;
pub(super) use controller::Controller;
pub use policy::AdaptiveLimit;
