//! Retry: another attempt, where that helps and does not hurt.
//!
//! A call that failed by chance succeeds if it is made again. A dependency that is down gets the worse the more often it
//! is asked. So a retry makes further attempts as long as most calls succeed, pays for each from a [`Budget`], and
//! sends none while nothing works.
//!
//! ```text
//!   attempt 1 --x   wait   attempt 2 --x   wait   attempt 3 ---> answer
//!                     '-- then look: 3 failures in a row? pass this one over
//!                                    no token, no time, not ready? the last answer it is
//! ```
//!
//! ```
//! use std::sync::atomic::{AtomicU32, Ordering};
//! use cofferdam::Retry;
//! use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), BoxError> {
//! let calls = AtomicU32::new(0);
//! let service = ServiceBuilder::new()
//!     .layer(Retry::builder("payments").build()?)
//!     .service(service_fn(|cents: u64| {
//!         let first = calls.fetch_add(1, Ordering::Relaxed) == 0;
//!         async move { if first { Err::<u64, BoxError>("reset".into()) } else { Ok(cents) } }
//!     }));
//!
//! assert_eq!(service.oneshot(250).await?, 250);
//! assert_eq!(calls.into_inner(), 2);
//! # Ok(()) }
//! ```
//!
//! **It rejects nothing**: when it gives up, the answer is that of the last attempt. Our own rejections are not repeated,
//! unless [`rejections`](Builder::rejections) says so, but a timeout is a failure like any other.
//!
//! **Every attempt** makes a clone of the service ready for itself; the first takes the readiness that its caller has
//! waited for. None of the others waits for capacity: a service that is not ready at once gets no further attempt. An error
//! of readiness is the answer.
//!
//! **Requests** are cloned before they are sent, if there may be another attempt, and every plain request may be repeated
//! unless [`idempotent`](Builder::idempotent) says otherwise. Over HTTP and gRPC a body is not cloned but recorded while it is
//! sent, so a stream will do. Requests with a [`Context`](crate::Context) carry the number
//! of their attempt, and what is an extra attempt already is not repeated further down: see [`context`](Builder::context).
//!
//! **Clones**, and all services of one layer, share the budget. **A call that is dropped** makes no further attempt; what
//! it has paid for is not paid back.
//!
//! **In a stack** it stands outside of guards and timeouts, so that each attempt is bounded and counted by itself, and
//! holds no slot while it waits. An HTTP response that failed is the exception: it may still be the answer, so its body, and
//! with that its slot, is kept until the next attempt begins. It registers a timer only after a failure, and only then needs
//! a tokio runtime.

mod backoff;
mod config;
mod future;
mod operate;
mod plan;
mod service;

pub use backoff::{Backoff, Waits};
pub use config::{Builder, RetryLayer, Settings};
pub use future::RetryFuture;
pub use service::Retry;

pub use crate::kernel::{
    Budget,
    attempts::{AttemptProtocol, Cloned, Every, Exhausted, Idempotent, Repeat, Selective, Unsent},
};
