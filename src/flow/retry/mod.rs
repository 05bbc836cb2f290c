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
//! **It rejects nothing**: when it gives up, the answer is that of the last attempt that was made, marked with [`Exhausted`] where it has a
//! place for that, as a response has [across hops](#across-hops). Our own rejections are not repeated, unless [`rejections`](Builder::rejections) says so, but a timeout is a
//! failure like any other.
//!
//! **It waits** as long as the [`Backoff`] says, and where the dependency asks to be left alone, that long before: but for no longer
//! than [`longest_retry_after`](Builder::longest_retry_after), nor past the end of its [`total`](Builder::total) time or of the
//! request's deadline. If the next attempt would begin later than that, or with less time before the deadline than the quickest call of
//! the last ten to twenty seconds took that went well, the last answer is given at once, while there is time to use it. An attempt that
//! was begun in time is not ended here: a [`Timeout`](crate::Timeout) does that.
//!
//! **Every attempt** makes a clone of the service ready for itself; the first takes the readiness that its caller has
//! waited for. None of the others waits for that: a service that is not ready at once gets no further attempt, and a guard that is
//! full turns it away. (One that has a line takes it into the line, as any other call.) An error of readiness is the answer.
//!
//! **Requests** are cloned before they are sent, if there may be another attempt, and every plain request may be repeated
//! unless [`idempotent`](Builder::idempotent) says otherwise. Over HTTP and gRPC a body is not cloned but recorded while it is
//! sent, so a stream will do. Requests with a [`Context`](crate::Context) carry the number
//! of their attempt, and what is an extra attempt already is not repeated further down: see [`context`](Builder::context).
//!
//! **Clones**, and all services of one layer, share the budget. **A call that is dropped** makes no further attempt; what
//! it has paid for is not paid back.
//!
//! **Observers** hear of each attempt: its number, how it ended and how long it took, why it was made, and what follows or why
//! nothing does: [`What::Attempt`](crate::What::Attempt), and [`What::GivenUp`](crate::What::GivenUp) for one that was to come.
//!
//! **In a stack** it stands outside of guards and timeouts, so that each attempt is bounded and counted by itself, and
//! holds no slot while it waits. An HTTP response that failed is the exception: it may still be the answer, so its body, and
//! with that its slot, is kept until the next attempt begins. It registers a timer only after a failure, and only then needs
//! a tokio runtime.
//!
//! # Across hops
//!
//! Where three services in a chain make four attempts each, what the last of them asks is asked 64 times. Two things keep that from
//! happening. An extra attempt is numbered on its way down, and who is told so makes no attempts of it: see
//! [`context`](Builder::context). And an answer that was given up says so on its way up: in the header `x-request-exhausted`, with the number
//! of attempts that were made, and over gRPC also by `grpc-retry-pushback-ms: -1`, unless it names a time already. Who passes the answer on as it
//! came, as a proxy does, or a handler the `Status` that it was given, passes that on as well, and a retry or a hedge further up sends
//! nothing again. So the attempts of a call are those of the innermost retry, and not the product of all.
//!
//! A handler that makes an answer of its own loses the mark, unless it copies the header; an error of a connection has no place for one.
//! What is no number, or zero, says nothing. To believe it can only lower the number of attempts, so it needs no
//! [trust](crate::context::Trust): who lies by it is asked less often. For another name, or for none, as where strangers are answered, say
//! `exhausted_header` after `http` or `grpc`. In an answer that went well nothing is looked up.

mod backoff;
mod config;
mod future;
mod operate;
mod pace;
mod plan;
mod rest;
mod service;

pub use backoff::{Backoff, Waits};
pub use config::{Builder, RetryLayer, Settings};
pub use future::RetryFuture;
pub use service::Retry;

pub use crate::kernel::{
    Budget,
    attempts::{AttemptProtocol, Cloned, Every, Exhausted, Idempotent, Repeat, Selective, Unsent},
};
