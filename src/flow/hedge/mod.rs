//! Hedge: the same request once more where the first takes unusually long, and the first answer wins.
//!
//! Of a hundred servers one is always slow at this moment: it collects garbage, its disk is busy, a packet was lost. Whoever
//! needs all hundred waits for that one. A second request, sent when the first takes longer than nearly all others do, goes to
//! another server most likely, and has its answer when the first one would still have been waited for. Few calls take that
//! long, so it costs little. But when everything is slow all of them do, and then a hedge makes it worse: so there are
//! conditions, and a [`Budget`].
//!
//! ```text
//!   attempt 1 -------------------------------- . . . .   dropped
//!             '-- as old as nearly all calls get:
//!                 attempt 2 ------------------> answer
//!                          '-- nothing wrong? not crowded? a token? ready at once? or else no attempt 2
//! ```
//!
//! ```
//! use std::{sync::atomic::{AtomicU32, Ordering}, time::Duration};
//! use cofferdam::Hedge;
//! use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), BoxError> {
//! let calls = AtomicU32::new(0);
//! let layer = Hedge::builder("search").fixed_delay(Duration::from_millis(5)).build()?;
//! let service = ServiceBuilder::new().layer(layer.clone()).service(service_fn(|words: &'static str| {
//!     let first = calls.fetch_add(1, Ordering::Relaxed) == 0;
//!     async move {
//!         if first {
//!             std::future::pending::<()>().await;
//!         }
//!         Ok::<_, BoxError>(words.len())
//!     }
//! }));
//!
//! assert_eq!(service.oneshot("rope and tar").await?, 12);
//! assert_eq!((layer.counts().sent, layer.counts().won), (1, 1));
//! # Ok(()) }
//! ```
//!
//! **The delay is learned** from what calls take while nothing is wrong, or [fixed](Builder::fixed_delay): see [`Learner`].
//! Nothing is sent before 50 calls were seen. A timer that fires late by more than half of the delay says that this process did not
//! run meanwhile, and nothing of the call: it is waited for once more as long.
//!
//! **An attempt is sent** when those before it are as old as the delay, or at once when one of them has failed; never more
//! than [so many](Builder::extra). And only if all of this holds:
//!
//! - the request may be sent twice, and is no extra attempt itself;
//! - the [`Dependency`](crate::Dependency) is not known to be open, under pressure or stalled, and in the last second no answer
//!   said "not now", as a 429 or 503 does;
//! - the last three calls have not failed;
//! - no more than one and a half times as many calls are in flight as ever were in the last window of ten seconds;
//! - the delay, if it is learned, is not above eight times what is usual: what all calls wait for then is a line, or the server is slow,
//!   and what is usual doubles in a minute at most;
//! - its deadline has not passed, if the request has one;
//! - a clone of the service is ready at once: no extra attempt ever waits for that, though a guard further in
//!   that has a line takes it into the line, as any other call;
//! - the [`Budget`] pays.
//!
//! If it does not, the call goes on as if nothing had been due, and an event says why: [`What::GivenUp`](crate::What::GivenUp). Of each
//! attempt that was made [`What::Attempt`](crate::What::Attempt) says how it ended, after how long, why it was made, and what follows.
//!
//! **The first success wins**, and the others are dropped before anybody sees it. A failure does not win: it is kept, and if all
//! fail the call has the original's. But an answer that is [final](AttemptProtocol::is_final), such as one that a retry further
//! down has given up on, ends the call. After "not now" there is no further attempt; those in flight are waited for.
//!
//! **Nothing is spawned and nothing is boxed**: the future has room for three attempts. So it is three times as large as the
//! inner one; where that is much, box the inner service's future. A panic in one attempt drops the others and passes on.
//!
//! **Requests** are cloned before they are sent. With a [`Context`](crate::Context) they carry the number of their attempt,
//! so that whoever balances load can send it elsewhere. Over HTTP and gRPC only requests are sent twice that may be: see
//! `http` and `grpc` of its [`Builder`].
//!
//! **Clones**, and all services of one layer, share what was learned and the budget, and the layer is their handle: see
//! [`HedgeLayer`]. **A call that is dropped** drops all its attempts; what was paid for is not paid back.
//!
//! **In a stack** it stands inside of the retry and outside of guards and timeouts, so that each attempt is admitted, bounded
//! and counted by itself. A guard sees the loser as a call whose caller left. It registers a timer when a call has to wait,
//! and only then needs a tokio runtime.

mod age;
mod config;
mod crowd;
mod future;
mod held;
mod learner;
mod operate;
mod plan;
mod service;
mod slots;
mod usual;

pub use config::{Builder, HedgeLayer, Settings};
pub use future::HedgeFuture;
pub use learner::Learner;
pub use plan::Counts;
pub use service::Hedge;

pub use crate::kernel::{
    Budget,
    attempts::{AttemptProtocol, Cloned, Every, Exhausted, Idempotent, Repeat},
};
